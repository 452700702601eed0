"""The scheduler's lease on its tasks: it is valid for a while from each renewal on.

`notifications` renews it, and `scheduler` confirms it. `task_runner` waits for it before it starts anything, and
`run_command` stops a process that it has just started until the lease is valid. Another scheduler takes over once
Postgres has ended the session that holds the lock of this one. A process that was suspended (SIGSTOP, a frozen machine)
learns that from its own clock.
"""

import asyncio
import time

# The share of the time that is used; the rest allows for clocks that differ, and for the way to the database.
_SAFE = 0.75


class Lease:
    """Valid for `seconds` from the last renewal; after a lapse only once it is known which tasks are still ours."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._until = 0.0
        self._since = 0.0
        self._confirmed = False
        self._changed = asyncio.Event()

    @staticmethod
    def now() -> float:
        """Return the seconds since the machine was started, including those in which it slept."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    @property
    def valid(self) -> bool:
        """Whether tasks may be started."""
        return self._confirmed and self.now() < self._until

    def renew(self, since: float) -> None:
        """Note that the lock was held at some time after `since`."""
        if self.now() >= self._until:
            self._confirmed, self._since = False, self.now()
        self._until = since + self.seconds * _SAFE

    def lose(self) -> None:
        """Note that another scheduler may have the lock."""
        self._until, self._confirmed = 0.0, False

    def confirm(self, since: float) -> None:
        """Note that only tasks run here that were this scheduler's own at some time after `since`."""
        if since >= self._since and self.now() < self._until:
            self._confirmed = True
            self._changed.set()

    async def held(self) -> None:
        """Wait until tasks may be started."""
        while not self.valid:
            self._changed.clear()
            await self._changed.wait()
