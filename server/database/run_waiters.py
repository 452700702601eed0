"""Those who wait until runs have ended, and for which of these runs the next look asks."""

import asyncio
import itertools
from collections.abc import Iterable, Mapping

import asyncpg

from windsock.protocol import ENDED

States = Mapping[int, str | None]

# Where schedulers say which runs have ended, looks only find what got lost. So each asks for a part of the runs.
_LEAST_PART, _PARTS = 1000, 10


class Waiter:
    """Somebody who waits until all of some runs have ended."""

    __slots__ = ("runs", "woken")

    def __init__(self, runs: Iterable[int]) -> None:
        """Begin to wait for the runs with these ids."""
        self.runs = set(runs)
        self.woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def wake(self, run: int) -> None:
        """Note that one of the runs may have ended."""
        self.runs.discard(run)
        if not self.runs and not self.woken.done():
            self.woken.set_result(None)


class Waiters:
    """All who wait, and the last known states of their runs."""

    def __init__(self) -> None:
        self._waiting: dict[int, set[Waiter]] = {}
        self._states: dict[int, str | None] = {}
        # The runs for which no look has asked: what schedulers said before somebody waited for them was not heard.
        self._new: set[int] = set()
        self._round: list[int] = []

    def __len__(self) -> int:
        """Return how many runs somebody waits for."""
        return len(self._waiting)

    def add(self, states: States) -> Waiter:
        """Begin to wait for these runs: the `id`s of their rows, with the states that they have."""
        waiter = Waiter(states)
        for run, state in states.items():
            self._waiting.setdefault(run, set()).add(waiter)
            self._states[run] = state
        self._new.update(states)
        return waiter

    def leave(self, waiter: Waiter) -> None:
        """Forget somebody, and the runs that nobody else waits for."""
        for run in waiter.runs:
            others = self._waiting.get(run)
            if others is not None:
                others.discard(waiter)
                if not others:
                    self._forget(run)

    def wake(self, runs: Iterable[int]) -> None:
        """Wake those who wait for these runs, which may have ended."""
        for run in runs:
            for waiter in self._forget(run):
                waiter.wake(run)

    def wake_all(self) -> None:
        """Wake everybody."""
        self.wake(tuple(self._waiting))

    def take_due(self, *, everything: bool) -> States:
        """Return the runs for which the next look asks, with their known states.

        Without `everything` these are the runs that are new, and a part of the others: each run is in one of ten looks,
        and in all of them if there are few.
        """
        if everything:
            self._new.clear()
            return self._states.copy()
        size = max(_LEAST_PART, -(-len(self._waiting) // _PARTS))
        if len(self._round) < size:
            self._round += self._waiting
        part, self._round = self._round[:size], self._round[size:]
        due = {run: self._states[run] for run in itertools.chain(self._new, part) if run in self._states}
        self._new.clear()
        return due

    def see(self, rows: Iterable[asyncpg.Record]) -> None:
        """Take the rows of a look; wake those whose runs have ended or are gone."""
        ended = []
        for row in rows:
            if row["id"] in self._states:
                self._states[row["id"]] = row["state"]
                if row["is_gone"] or row["state"] in ENDED:
                    ended.append(row["id"])
        self.wake(ended)

    def _forget(self, run: int) -> set[Waiter]:
        self._states.pop(run, None)
        self._new.discard(run)
        return self._waiting.pop(run, set())
