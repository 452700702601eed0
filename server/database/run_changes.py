"""Finds out what has happened to runs, by comparing what a look at the table shows with what is known.

A look reads the runs that are under way and those that are new, which are few, and by their ids those that are known
but no longer under way. So a run is noticed however short it was, also one that is committed late: an id is given out
before the row can be seen. Everything up to `floor` has been seen; it follows the newest id once all transactions that
were under way when that was seen are over.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import asyncpg

from server.database.event_log import RUN_CHANGED, RUN_CREATED, RUN_DELETED, RUN_ENDED, Event
from windsock.protocol import ENDED

MOST_NEW = 10_000
# A transaction may stay open for hours. Meanwhile no more than so many runs are read again at each look.
_MOST_DOUBTFUL = 5000
_MOST_LOOKS = 100
# Larger than any id: a look from there on finds no new run.
NOWHERE = 2**62
# No run has this state.
_UNTOLD = ""
# At the start, so many ids below the newest may belong to transactions that are not over.
_DOUBTFUL_AT_START = 1000


class TooManyNewError(Exception):
    """More runs are new than a look reads."""


class Run(NamedTuple):
    """A run as a look has shown it."""

    state: str | None
    dag_id: str
    run_id: str
    root_dag_id: str
    execution_date: str | None

    def event(self, kind: str) -> Event:
        """Describe what has happened to it."""
        fields = (
            ("dag_id", self.dag_id),
            ("execution_date", self.execution_date),
            ("run_id", self.run_id),
            ("state", self.state),
        )
        return Event(kind, self.dag_id, self.run_id, self.root_dag_id, fields)


class RunChanges:
    """What is known of runs; `floor` is None before the first look."""

    def __init__(self) -> None:
        self._known: dict[int, Run] = {}
        self._numbers: dict[tuple[str, str], int] = {}
        self._ended: list[int] = []
        self._floor: int | None = None
        self._next_floor = 0
        # The newest id of each look, and the first transaction that had not begun then.
        self._looks: deque[tuple[int, int]] = deque()

    def states(self, others: Mapping[int, str | None]) -> list[tuple[int, str | None]]:
        """Return the ids of the known runs, with their states, and those of `others`, which somebody waits for.

        A run may be in both, with the states that two looks have shown. Of others that are not known yet the look must
        show the row, whatever their state: what waiters know has not been told to those who follow events.
        """
        known = [(number, run.state) for number, run in self._known.items()]
        known += [(number, state if number in self._known else _UNTOLD) for number, state in others.items()]
        return known

    def knows(self, dag_id: str, run_id: str) -> bool:
        """Whether a look has shown this run."""
        return (dag_id, run_id) in self._numbers

    @property
    def floor(self) -> int:
        """The id after which a look must read all runs."""
        return NOWHERE if self._floor is None else self._floor

    @property
    def has_begun(self) -> bool:
        """Whether later looks find changes; a first one shows where to begin, and a second one what there is."""
        return self._floor is not None

    def begin(self, rows: Sequence[asyncpg.Record]) -> None:
        """Take the first look."""
        self._floor = self._next_floor = max(0, (rows[0]["newest"] or 0) - _DOUBTFUL_AT_START)

    def take(self, rows: Sequence[asyncpg.Record]) -> list[Event]:
        """Take a look; return what has happened. Raises TooManyNewError."""
        floor = self.floor
        new = sum(1 for row in rows if row["id"] is not None and row["id"] > floor and row["id"] not in self._known)
        if new > MOST_NEW:
            raise TooManyNewError
        events = [event for row in rows if row["id"] is not None for event in self._take_one(row, floor)]
        self._raise_floor(rows[0]["newest"] or 0, rows[0]["oldest_transaction"], rows[0]["next_transaction"])
        return events

    def _take_one(self, row: asyncpg.Record, floor: int) -> Iterator[Event]:
        number: int = row["id"]
        before = self._known.get(number)
        if row["is_gone"]:
            if before is not None:
                self._forget(number)
                if before.state not in ENDED:
                    yield before.event(RUN_DELETED)
            return
        run = Run(row["state"], row["dag_id"], row["run_id"], row["root_dag_id"], row["execution_date"])
        if run.state == before.state if before is not None else number <= floor and run.state in ENDED:
            # The row is there for somebody who waits for the run.
            return
        self._known[number] = run
        self._numbers[run.dag_id, run.run_id] = number
        if run.state in ENDED:
            self._ended.append(number)
        if before is None and number > floor:
            yield run.event(RUN_CREATED)
        if run.state in ENDED:
            yield run.event(RUN_ENDED)
        elif before is not None or number <= floor:
            yield run.event(RUN_CHANGED)

    def _raise_floor(self, newest: int, oldest_transaction: int, next_transaction: int) -> None:
        if not self._looks or self._looks[-1][0] != newest:
            self._looks.append((newest, next_transaction))
        if len(self._looks) > _MOST_LOOKS:
            self._looks.popleft()
        floor = self._next_floor
        while self._looks and self._looks[0][1] <= oldest_transaction:
            # One look later than it could be: an id may be given out a moment before its transaction has a number.
            self._next_floor = self._looks.popleft()[0]
        # The newest runs may have been deleted, and a restore begins to count anew.
        self._floor = min(max(floor, newest - _MOST_DOUBTFUL), newest)
        self._ended = [number for number in self._ended if self._keeps(number)]

    def _keeps(self, number: int) -> bool:
        """Whether a look will show again a run that has ended, so that it must stay known."""
        if number > self.floor:
            return True
        run = self._known.get(number)
        if run is not None and run.state in ENDED:
            self._forget(number)
        return False

    def _forget(self, number: int) -> None:
        run = self._known.pop(number)
        # A run that was made anew may have the same name.
        if self._numbers.get((run.dag_id, run.run_id)) == number:
            del self._numbers[run.dag_id, run.run_id]


def in_order(events: Iterable[Event], tasks: Iterable[Event]) -> Iterator[Event]:
    """Yield what a look has shown of runs and what was heard of their tasks, each run before its tasks."""
    waiting: dict[tuple[str, str], list[Event]] = {}
    for task in tasks:
        waiting.setdefault((task.dag_id, task.run_id), []).append(task)
    for event in events:
        yield event
        if event.kind == RUN_CREATED:
            yield from waiting.pop((event.dag_id, event.run_id), ())
    yield from chain.from_iterable(waiting.values())
