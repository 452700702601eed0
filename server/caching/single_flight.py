"""Single-flight: callers that want the same thing at the same time share one call."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Generic, TypeVar

Key = TypeVar("Key")
Result = TypeVar("Result")


class SingleFlight(Generic[Key, Result]):
    """Makes one `call(key)` at a time for each key, whoever asks; all who share it get its result, or its error.

    A caller that is cancelled leaves the call to the others; it goes on even if nobody waits any more. Nothing is kept:
    who asks after the call is over begins another one.
    """

    def __init__(self, call: Callable[..., Awaitable[Result]], *, fresh: bool = False) -> None:
        """With `fresh`, nobody shares a call that had begun before they asked.

        They share the next one, which begins when that one is over. So a caller always sees what it wrote before.
        """
        self._call = call
        self._fresh = fresh
        self._current: dict[Key, asyncio.Task[Result]] = {}
        self._next: dict[Key, asyncio.Task[Result]] = {}

    def __len__(self) -> int:
        """The number of calls that are under way or wait for their turn."""
        return len(self._current) + len(self._next)

    async def __call__(self, key: Key, *arguments: Any) -> Result:  # noqa: ANN401 - whatever `call` takes
        """Return `call(key, *arguments)`, or what the call that is shared returns; raises what that raises.

        Of those who share a call, the arguments of the first count.
        """
        return await asyncio.shield(self.begin(key, *arguments))

    def begin(self, key: Key, *arguments: Any) -> "asyncio.Task[Result]":  # noqa: ANN401 - whatever `call` takes
        """Begin the call, or find the one to share; the task must not be cancelled."""
        task = self._next.get(key) or (None if self._fresh else self._current.get(key))
        if task is None:
            task = asyncio.get_running_loop().create_task(self._take_turn(key, self._current.get(key), arguments))
            self._next[key] = task
            task.add_done_callback(partial(self._end, key))
        return task

    def under_way(self, key: Key) -> bool:
        """Whether there is a call to share."""
        return key in self._next or (not self._fresh and key in self._current)

    async def _take_turn(
        self, key: Key, before: "asyncio.Task[Result] | None", arguments: tuple[Any, ...]
    ) -> Result:  # fmt: skip
        if before is not None:
            await asyncio.wait([before])
        self._current[key] = self._next.pop(key)
        return await self._call(key, *arguments)

    def _end(self, key: Key, task: "asyncio.Task[Result]") -> None:
        for tasks in (self._current, self._next):
            if tasks.get(key) is task:
                del tasks[key]
        if not task.cancelled():
            # All who wait get the exception; asyncio need not warn if nobody does.
            task.exception()
