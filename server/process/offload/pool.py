"""Worker processes for one kind of work, and the order in which work gets them."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from server.process.offload import work_loop
from server.process.offload.process import WorkerProcess
from windsock.text import count

# A process that has had no work for this many seconds ends.
_IDLE = 60.0


class OffloadError(Exception):
    """The work could not be done; the message completes a sentence with "because"."""


class TookTooLong(OffloadError):
    """The work took longer than its time; its process was killed."""


class OutOfMemory(OffloadError):
    """The work needed more memory than it may have."""


class WorkerDied(OffloadError):
    """The work ended its process, or no process could be started."""


class WorkFailed(OffloadError):
    """The work raised an error, and the message names it."""


class Busy(OffloadError):
    """Too much work is waiting, or the work before this piece takes too long: this piece was not begun."""


class WorkerPool:
    """Processes that do the work of one module, started when they are needed; one that fails is killed and replaced.

    Each piece of work has a `share`, such as a DAG. Waiting shares take turns, and no share has more than `per_share`
    processes at a time. So a share whose work always takes all of its time does not delay the others.
    """

    def __init__(
        self,
        module: str,
        *,
        count: int,
        seconds: float,
        memory: int,
        per_share: int | None = None,
        waiting: int = 64,
        patience: float | None = None,
        idle: float | None = _IDLE,
    ) -> None:
        """The work is the functions of `module.FUNCTIONS`, done by at most `count` processes.

        Each piece may take so many `seconds` and so many bytes of `memory`; at most `waiting` pieces wait for a
        process, and at most a quarter of them belong to one share. None waits longer than `patience` seconds, if that
        is given. A process without work ends after `idle` seconds; with None, never.
        """
        self._module = module
        self._memory = memory
        self.seconds = seconds
        """The time for a piece, unless its caller says another."""
        self._lingers = idle
        self._turns = _Turns(count, per_share or count, waiting, patience)
        self._idle: list[WorkerProcess] = []
        self._timer: asyncio.TimerHandle | None = None
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def idle(self) -> list[WorkerProcess]:
        """Return the processes that have no work."""
        return list(self._idle)

    async def call(
        self,
        function: str,
        argument: bytes,
        *,
        share: str = "",
        seconds: float | None = None,
        check: Callable[[], None] | None = None,
    ) -> bytes:
        """Return the result of `FUNCTIONS[function](argument)`, or raise an OffloadError.

        `seconds`, if given, is the time for this piece; it does not include the wait for a process. `check`, if given,
        is called after that wait, and what it raises is raised instead of doing the work.
        """
        async with self._turns.take(share):
            if check is not None:
                check()
            worker = await self._take()
            usable = False
            try:
                outcome, data = await _ask(worker, function, argument, seconds or self.seconds)
                # After it ran out of memory, a process has it in pieces; after an error, its answer may come late.
                usable = outcome != work_loop.NO_MEMORY
            finally:
                if usable:
                    self._keep(worker)
                else:
                    await worker.kill()
        if outcome == work_loop.DONE:
            return data
        if outcome == work_loop.NO_MEMORY:
            raise OutOfMemory("it takes too much memory")
        raise WorkFailed(data.decode(errors="replace"))

    async def warm_up(self) -> None:
        """Start a process, so that the first piece of work need not wait for one; raises OffloadError."""
        self._keep(await self._take())

    async def close(self) -> None:
        """End the processes that have no work."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        idle, self._idle = self._idle, []
        await asyncio.gather(*(worker.kill() for worker in idle), *self._ending)

    async def _take(self) -> WorkerProcess:
        while self._idle:
            worker = self._idle.pop()
            if worker.alive:
                return worker
            await worker.kill()
        try:
            return await WorkerProcess.start(self._module, self._memory)
        except (OSError, EOFError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            raise WorkerDied(f"no process for it could be started: {reason}") from error

    def _keep(self, worker: WorkerProcess) -> None:
        self._idle.append(worker)
        if self._timer is not None:
            self._timer.cancel()
        if self._lingers is not None:
            self._timer = asyncio.get_running_loop().call_later(self._lingers, self._end_idle)

    def _end_idle(self) -> None:
        self._timer = None
        idle, self._idle = self._idle, []
        for worker in idle:
            self._ending.add(task := asyncio.ensure_future(worker.kill()))
            task.add_done_callback(self._ending.discard)


async def _ask(worker: WorkerProcess, function: str, argument: bytes, seconds: float) -> tuple[int, bytes]:
    try:
        async with asyncio.timeout(seconds):
            return await worker.ask(function, argument)
    except TimeoutError as error:
        raise TookTooLong(f"it took longer than {count(seconds, 'second')}") from error
    except (OSError, EOFError) as error:
        raise WorkerDied("its process ended: was there too little memory?") from error


class _Turns:
    """Gives out places: at once while there are free ones, then to the waiting shares in turn."""

    def __init__(self, count: int, per_share: int, waiting: int, patience: float | None) -> None:
        self._patience = patience
        self._free = count
        self._per_share = per_share
        self._limit = waiting
        self._taken: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def take(self, share: str) -> AsyncIterator[None]:
        """Hold a place while the block runs; raises Busy if too many pieces wait already, or this one for too long."""
        if self._free > 0 and self._taken[share] < self._per_share:
            self._give(share)
        else:
            await self._wait(share)
        try:
            yield
        finally:
            self._give_back(share)

    async def _wait(self, share: str) -> None:
        mine = self._waiting.get(share, deque())
        if len(mine) >= max(1, self._limit // 4) or sum(map(len, self._waiting.values())) >= self._limit:
            raise Busy("too much work of this kind waits already")
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(share, mine).append(place)
        try:
            async with asyncio.timeout(self._patience):
                await place
        except (asyncio.CancelledError, TimeoutError) as error:
            if place.cancelled():
                self._forget(share, place)
            else:
                # It got the place at this very moment.
                self._give_back(share)
            if isinstance(error, TimeoutError):
                raise Busy("other work of this kind takes too long") from error
            raise

    def _forget(self, share: str, place: asyncio.Future[None]) -> None:
        places = self._waiting.get(share, deque())
        if place in places:
            places.remove(place)
            if not places:
                del self._waiting[share]

    def _give(self, share: str) -> None:
        self._free -= 1
        self._taken[share] += 1

    def _give_back(self, share: str) -> None:
        self._free += 1
        self._taken[share] -= 1
        if not self._taken[share]:
            del self._taken[share]
        while self._free > 0 and (turn := self._next()) is not None:
            self._give(turn)

    def _next(self) -> str | None:
        """Wake the first piece of the next share that may have a place; that share goes to the end of the queue."""
        for share, places in list(self._waiting.items()):
            # Who has left may not have had the time to take its place with it.
            while places and places[0].cancelled():
                places.popleft()
            free = bool(places) and self._taken[share] < self._per_share
            if free:
                self._waiting.move_to_end(share)
                places.popleft().set_result(None)
            if not places:
                del self._waiting[share]
            if free:
                return share
        return None
