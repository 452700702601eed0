"""Batching: concurrent requests of one kind share a statement."""

import asyncio
import math
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Generic, NamedTuple, TypeVar
from weakref import WeakSet

import asyncpg

from server.errors import Locked, Unavailable
from windsock.protocol import Code

Key = TypeVar("Key")
Result = TypeVar("Result")
Run = Callable[[Sequence[Key]], Coroutine[None, None, Sequence[Result]]]
Batch = list[tuple[Key, "asyncio.Future[Result]"]]


class _Apart(NamedTuple):
    """A key of a failed statement, which waits for a statement of its own; after `until`, `error` is its answer."""

    entry: tuple[Any, "asyncio.Future[Any]"]
    error: BaseException
    until: float


# A statement costs as much as four to ten of its keys. So the next one waits for as many keys as are likely to come,
# but for no more than are worth waiting for.
_WORTH_WHILE = 32


class Pace(NamedTuple):
    """For how long keys wait for others, in seconds."""

    return_time: float = 0.00015
    """For each client that was answered: it asks again soon or not at all."""
    patience: float = 0.005
    """For the statement under way: it may wait, perhaps for a lock, for something that does not concern others."""
    locked: float = 2.5
    """For a statement of its own, after one has waited for a lock in vain.

    That is a little more than the `lock_timeout` of a session, so that a key that waits in vain again leaves the others
    their turn.
    """


_USUAL = Pace()


class Figures:
    """What the batchers of one name have done since the process started."""

    def __init__(self) -> None:
        self.batches = 0
        self.requests = 0


_figures: defaultdict[str, Figures] = defaultdict(Figures)
_batchers: "WeakSet[Batcher[Any, Any]]" = WeakSet()


class Batcher(Generic[Key, Result]):
    """Collects the requests that arrive while a statement is under way into the next statement.

    The next one begins when the last one has ended and the clients that it answered have asked again, or a little
    later, because not all of them do. It begins earlier if enough keys are waiting, or if the last one takes long. At
    most `in_flight` statements are under way at a time.

    `run(keys)` returns one result for each key, in the order of the keys. A statement always starts after the requests
    that it serves have arrived, and a lone request does not wait. If Postgres rejects a whole statement (so that
    nothing of it was done), its keys are tried again one by one, so that only the bad one fails. Of these too, at most
    `in_flight` run at a time. After a lock was waited for in vain, keys whose turn does not come soon are Locked.
    """

    def __init__(
        self,
        name: str,
        run: Run[Key, Result],
        *,
        size: int,
        in_flight: int,
        queue_limit: int,
        pace: Pace = _USUAL,
    ) -> None:
        """Share statements of at most `size` keys; refuse new keys while `queue_limit` are waiting.

        `name` is what the metrics call it.
        """
        self._run = run
        self._size = size
        self._in_flight = in_flight
        self._queue_limit = queue_limit
        self._pace = pace
        self._waiting: deque[tuple[Key, asyncio.Future[Result]]] = deque()
        self._apart: deque[_Apart] = deque()
        self._running: set[asyncio.Task[Sequence[Result]]] = set()
        self._scheduled = False
        self._expected = 1
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.name = name
        self._figures = _figures[name]
        _batchers.add(self)

    @property
    def waiting(self) -> int:
        """The number of keys that wait for a statement."""
        return len(self._waiting)

    def __call__(self, key: Key) -> "asyncio.Future[Result]":
        """Return the result for `key`, or raise what `run` raised for it; raises Unavailable if the queue is full."""
        if len(self._waiting) >= self._queue_limit:
            full = "Too many requests are waiting for the database; try again shortly"
            raise Unavailable(full, code=Code.OVERLOADED)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._waiting.append((key, future))
        if not self._scheduled:
            self._scheduled = True
            # In the next turn of the loop, so that requests that are read in the same turn share the statement.
            loop.call_soon(self._start)
        return future

    def _start(self) -> None:
        self._scheduled = False
        self._start_apart()
        while self._is_worth_while():
            batch: Batch[Key, Result] = []
            while self._waiting and len(batch) < self._size:
                entry = self._waiting.popleft()
                if not entry[1].done():
                    batch.append(entry)
            if batch:
                self._send(batch)

    def _start_apart(self) -> None:
        """Try those of failed statements one by one, before anybody else's turn."""
        while self._apart and len(self._running) < self._in_flight:
            entry, error, until = self._apart.popleft()
            if asyncio.get_running_loop().time() > until:
                _answer([entry], error, ())
            elif not entry[1].done():
                self._send([entry])

    def _is_worth_while(self) -> bool:
        """Whether to begin another statement now; if it is too early, there is a timer."""
        if not self._waiting or len(self._running) >= self._in_flight:
            return False
        loop = asyncio.get_running_loop()
        if len(self._waiting) >= min(self._expected, self._size) or loop.time() >= self._due:
            return True
        if self._timer is None:
            self._timer = loop.call_at(self._due, self._be_impatient)
        return False

    def _expect(self, keys: int, seconds: float) -> None:
        """Let the next statement wait for that many keys, but not for longer than that."""
        self._expected = keys
        self._due = asyncio.get_running_loop().time() + seconds
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _be_impatient(self) -> None:
        self._timer = None
        # The clock may lag a little behind the timer.
        self._due = 0.0
        self._start()

    def _send(self, batch: "Batch[Key, Result]") -> None:
        self._figures.batches += 1
        self._figures.requests += len(batch)
        self._expect(_WORTH_WHILE, self._pace.patience)
        self._running.add(task := asyncio.create_task(self._run([key for key, _ in batch])))
        task.add_done_callback(lambda done: self._deliver(batch, done))

    def _deliver(self, batch: "Batch[Key, Result]", done: "asyncio.Task[Sequence[Result]]") -> None:
        self._running.discard(done)
        error = asyncio.CancelledError() if done.cancelled() else done.exception()
        if isinstance(error, asyncpg.PostgresError | Locked) and len(batch) > 1:
            until = asyncio.get_running_loop().time() + self._pace.locked if isinstance(error, Locked) else math.inf
            self._apart.extend(_Apart(entry, error, until) for entry in batch)
        else:
            _answer(batch, error, () if error else done.result())
        if not self._running:
            keys = min(len(batch) + len(self._waiting), _WORTH_WHILE)
            self._expect(keys, keys * self._pace.return_time)
        self._start()


def _answer(batch: "Batch[Key, Result]", error: BaseException | None, results: Sequence[Result]) -> None:
    """Hand out the results, or the error; if the number of results is wrong, nobody can tell whose each is."""
    if error is None and len(results) != len(batch):
        error = RuntimeError(f"{len(results)} results for {len(batch)} keys")
    for index, (_, future) in enumerate(batch):
        if future.done():
            continue
        if error:
            future.set_exception(error)
        else:
            future.set_result(results[index])


def batch_figures() -> dict[str, tuple[int, int, int]]:
    """Return for each name in this process: statements so far, requests in them, requests that wait."""
    waiting: Counter[str] = Counter()
    for one in _batchers:
        waiting[one.name] += one.waiting
    return {name: (done.batches, done.requests, waiting[name]) for name, done in _figures.items()}
