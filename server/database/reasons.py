"""What a task waits for, in words, from what is known about its run."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import asyncpg
import msgspec

from server.database.dag import Dag
from server.database.planned import Needs
from windsock.text import count

WAITING = frozenset({None, "scheduled", "queued", "up_for_retry", "up_for_reschedule"})
"""The states of a task that waits for its first try or its next one."""
UNFINISHED_RUN = frozenset({"queued", "running"})
"""The states of a run whose tasks may still begin."""
_GOOD = frozenset({"success", "skipped"})
_SHOWN = 5
# Up to so many different answers are kept while a run's instances are explained.
_REMEMBERED = 10_000


class Limits(NamedTuple):
    """The limits from the configuration; `parallelism` is 0 where it is no limit that Windsock knows."""

    max_active_runs: int
    max_active_tasks: int
    parallelism: int


class Instance(NamedTuple):
    """What decides about a task instance; pool and slots are None without a row."""

    task_id: str
    state: str | None
    pool: str | None
    pool_slots: int | None

    def pool_of(self, needs: Needs) -> str:
        """Return its pool, that of its task if it has no row yet."""
        return needs.pool if self.pool is None else self.pool


class Facts(NamedTuple):
    """The row of the statement `waiting_facts`, with what is found by task or by pool."""

    row: asyncpg.Record
    pools: Mapping[str, tuple[int | None, int]]
    """The slots of each pool, None if there is no such pool, and how many of them are taken."""
    same_tasks: Mapping[str, int]
    unfinished: Mapping[str, int]
    """The upstream tasks that are not done, each with its place in the order in which they are shown."""
    states_before: Mapping[str, str | None]

    @classmethod
    def of(cls, row: asyncpg.Record) -> "Facts":
        """Read the row."""
        pools = msgspec.json.decode(row["pools"] or "[]", type=list[tuple[str, int | None, int]])
        return cls(
            row,
            {pool: (slots, used) for pool, slots, used in pools},
            msgspec.json.decode(row["same_tasks"] or "{}", type=dict[str, int]),
            {task_id: place for place, task_id in enumerate(row["unfinished"])},
            msgspec.json.decode(row["states_before"] or "{}", type=dict[str, str | None]),
        )


class Reasons:
    """Says what the task instances of one run wait for."""

    def __init__(self, dag: Dag, facts: Facts, limits: Limits, *, is_alive: bool, shows_totals: bool) -> None:
        """Speak of a run of `dag`; `is_alive` tells whether a scheduler is.

        Without `shows_totals` no text says how many slots the pool has, or how many tasks of all DAGs are running.
        """
        known = dag.serialized
        self._facts = facts
        self._shows_totals = shows_totals
        self._parallelism = limits.parallelism
        row = facts.row
        self._max_runs = row["max_active_runs"] or (known and known.max_active_runs) or limits.max_active_runs
        self._max_tasks = row["max_active_tasks"] or (known and known.max_active_tasks) or limits.max_active_tasks
        self._of_all = [*([] if is_alive else ["no scheduler is alive"]), *self._of_run()]
        self._said: dict[Instance, list[str]] = {}

    def of(self, instance: Instance, needs: Needs) -> list[str]:
        """Return what an instance waits for, which is of a task that has these needs; empty if it does not wait."""
        if instance.state not in WAITING or self._facts.row["run_state"] not in UNFINISHED_RUN:
            return []
        said = self._said.get(instance)
        if said is None:
            said = [*self._of_all, *self._explain(instance, needs)]
            if len(self._said) < _REMEMBERED:
                self._said[instance] = said
        return said

    def _of_run(self) -> Iterator[str]:
        row = self._facts.row
        if row["is_paused"]:
            yield "its DAG is paused"
        if row["is_early"]:
            yield f"its run starts at {row['starts']}, in the future"
        elif not row["begun"] and row["active_runs"] >= self._max_runs:
            runs = count(row["active_runs"], "run")
            yield f"its DAG has {runs} under way, and max_active_runs is {self._max_runs}"

    def _explain(self, instance: Instance, needs: Needs) -> Iterator[str]:
        if instance.state is None:
            yield from self._earlier_tasks(instance.task_id, needs)
        if instance.state == "up_for_retry":
            yield "it failed, and is tried again after its retry_delay"
        if instance.state == "up_for_reschedule":
            yield "it looks again later whether it can go on"
        if instance.state == "queued":
            yield "it is queued, and a worker has to take it"
            return
        pool = self._pool(instance, needs)
        if pool is not None:
            yield pool if self._shows_totals else f"its pool {instance.pool_of(needs)} has no room for it"
        if instance.state == "scheduled":
            yield from self._limits_of_tasks(instance.task_id, needs)

    def _earlier_tasks(self, task_id: str, needs: Needs) -> Iterator[str]:
        """Yield what the task waits for in its own run, and in the run before."""
        facts, row = self._facts, self._facts.row
        unfinished = sorted(filter(facts.unfinished.__contains__, needs.upstream), key=facts.unfinished.__getitem__)
        if unfinished:
            more = ", ..." if len(unfinished) > _SHOWN else ""
            yield f"not yet done before it: {', '.join(unfinished[:_SHOWN])}{more}"
        state_before = facts.states_before.get(task_id)
        # It does not wait for a previous run that has ended without the task.
        has_task = state_before is not None or row["run_before"] in UNFINISHED_RUN
        if needs.depends_on_past and has_task and state_before not in _GOOD:
            yield f"it depends on the past, and in the run before, of {row['before']}, it is {state_before}"

    def _limits_of_tasks(self, task_id: str, needs: Needs) -> Iterator[str]:
        row, same = self._facts.row, self._facts.same_tasks.get(task_id, 0)
        if row["dag_tasks"] >= self._max_tasks:
            running = count(row["dag_tasks"], "running task")
            yield f"its DAG has {running}, and its limit (concurrency, max_active_tasks) is {self._max_tasks}"
        if needs.concurrency and same >= needs.concurrency:
            yield f"it has {count(same, 'running instance')}, and its task_concurrency is {needs.concurrency}"
        if 0 < self._parallelism <= row["tasks"]:
            there_are = f"there are {count(row['tasks'], 'running task')}, and parallelism is {self._parallelism}"
            yield there_are if self._shows_totals else "as many tasks are running as parallelism allows"

    def _pool(self, instance: Instance, needs: Needs) -> str | None:
        """Return why the task waits for its pool; None if it does not."""
        pool, wanted = instance.pool_of(needs), instance.pool_slots or needs.pool_slots
        # A pool that was not looked up is one of very many.
        slots, used = self._facts.pools.get(pool, (-1, 0))
        if slots == -1:
            return None
        if slots is None:
            return f"its pool {pool} does not exist"
        if wanted > slots:
            return f"it takes {count(wanted, 'slot')} of its pool {pool}, which has {slots}"
        if instance.state == "scheduled" and used + wanted > slots:
            return f"its pool {pool} is full: {used} of {slots} slots are taken"
        return None
