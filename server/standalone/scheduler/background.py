"""Work that nothing waits for, such as mails: so many pieces at a time, and none outlives its scheduler."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Background:
    """Pieces of work under way, `most` at a time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, work: Coroutine[Any, Any, None]) -> bool:
        """Begin a piece of work; False if there is too much already, then it is dropped."""
        if len(self._tasks) >= self._most:
            work.close()
            return False
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return True

    async def close(self) -> None:
        """Give up what is not done yet."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("work in the background failed", exc_info=error)
