"""Random runs, steered at random: every row ends as a plain reading of the rules says, in every release."""

import json
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import asyncpg
import pytest

from server.database.metadata import Metadata, open_metadata
from server.database.steering import Steering
from server.wire import Clear, RunId
from tests.airflow.schemas import RELEASES, add_dag, generation_of, make_schema
from windsock.config import load_config

STATES = (
    None, "scheduled", "queued", "running", "up_for_retry", "success", "failed", "skipped", "upstream_failed",
    "removed",
)  # fmt: skip
NEWER = ("deferred", "up_for_reschedule", "restarting")
ENDED = {"success", "failed", "skipped", "upstream_failed", "removed"}
BELOW = {"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": [], "e": [], "f": ["e"]}
RETRIES = {"a": 0, "b": 2, "c": 1, "d": 0, "e": 3, "f": 0}
STANDALONE = "standalone"
CASES = 25


class Instance(NamedTuple):
    """What of a task instance the rules speak of."""

    state: str | None
    try_number: int
    max_tries: int
    job_id: int | None


Run = Mapping[str, Instance]


class Rules(NamedTuple):
    """How a release behaves."""

    release: str

    @property
    def generation(self) -> int:
        """1, 2 or 3; 0 for the standalone tables."""
        return 0 if self.release == STANDALONE else generation_of(self.release)

    def since(self, *version: int) -> bool:
        """Whether it is that release or a later one."""
        return self.generation > 1 and tuple(map(int, self.release.split("."))) >= version

    def stopped(self, state: str | None) -> str | None:
        """State of an instance after its run was set to failed."""
        if state == "running" or (self.generation > 1 and state in {"deferred", "up_for_reschedule"}):
            return "failed"
        if self.generation == 1 or state in ENDED:
            return state
        return state if state is None and self.generation > 1 and not self.since(2, 10) else "skipped"

    def marked(self, state: str | None) -> str | None:
        """State of an instance after its run was set to success."""
        if not self.since(3, 3):
            return "success"
        return (
            state
            if state in ENDED
            else "success"
            if state in {"running", "deferred", "up_for_reschedule"}
            else "skipped"
        )

    def cleared(self, task_id: str, one: Instance) -> Instance:
        """An instance that was cleared."""
        if one.state == "running" and self.generation:
            if self.generation == 3:
                return one._replace(state="restarting")
            return one._replace(state="shutdown" if self.generation == 1 else "restarting") if one.job_id else one
        return one._replace(state=None, max_tries=one.try_number + RETRIES[task_id])

    def requeued(self, state: str) -> str:
        """State of a run of which something was cleared."""
        if self.generation == 1:
            return "running"
        return state if state not in {"success", "failed"} else "running" if self.generation == 0 else "queued"


def _below(task_ids: Sequence[str]) -> set[str]:
    return set(task_ids).union(*(_below(BELOW[task_id]) for task_id in task_ids))


def _document(generation: int) -> str:
    tasks = []
    for task_id, below in BELOW.items():
        names = "_downstream_task_ids" if generation == 1 else "downstream_task_ids"
        task = {"task_id": task_id, "_task_type": "BashOperator", "retries": RETRIES[task_id], names: below}
        tasks.append(task if generation == 1 else {"__type": "operator", "__var": task})
    name = "dag_id" if generation == 3 else "_dag_id"
    return json.dumps({"__version": 1, "dag": {name: "d", "timezone": "UTC", "tasks": tasks}})


@asynccontextmanager
async def _opened(dsn: str) -> AsyncIterator[tuple[Metadata, asyncpg.Connection]]:
    conn = await asyncpg.connect(dsn)
    try:
        async with open_metadata(load_config({}, overrides={"dsn": dsn})) as metadata:
            yield metadata, conn
    finally:
        await conn.close()


async def _put(conn: asyncpg.Connection, rules: Rules, number: int, state: str, run: Run) -> None:
    """Write a run of `d` with these instances, and something that belongs to each."""
    own: dict[str, Any] = {"dag_id": "d", "run_id": f"r{number}", "state": state}
    date = await conn.fetchval("SELECT timestamptz '2021-01-01' + $1 * interval '1 hour'", number)
    of_run = {"execution_date": date.isoformat()} if rules.generation < 2 else {"run_id": own["run_id"]}
    if rules.generation > 1:
        own |= {"run_type": "manual", "clear_number": 0}
    own |= {"logical_date": date.isoformat(), "run_after": date.isoformat()} if rules.generation == 3 else {
        "execution_date": date.isoformat()
    }  # fmt: skip
    newest = "SELECT id::text FROM dag_version ORDER BY version_number DESC LIMIT 1"
    version = await conn.fetchval(newest) if rules.generation == 3 else None
    await _insert(conn, "dag_run", [{**own, "created_dag_version_id": version}])
    rows = [
        {"dag_id": "d", "task_id": task_id, "map_index": -1, "pool": "default_pool", "pool_slots": 1, "operator": "X",
         "dag_version_id": version, "id": str(await conn.fetchval("SELECT gen_random_uuid()")), **of_run,
         **one._asdict()}
        for task_id, one in run.items()
    ]  # fmt: skip
    await _insert(conn, "task_instance", rows)


async def _insert(conn: asyncpg.Connection, table: str, rows: list[dict[str, Any]]) -> None:
    columns = {row[0] for row in await conn.fetch(
        "SELECT column_name FROM information_schema.columns WHERE table_name = $1 AND is_generated = 'NEVER'", table
    )}  # fmt: skip
    names = [name for name in rows[0] if name in columns]
    listed = ", ".join(names)
    await conn.execute(
        f"INSERT INTO {table} ({listed}) SELECT {listed} FROM jsonb_populate_recordset(NULL::{table}, $1)",
        json.dumps(rows),
    )


async def _read(conn: asyncpg.Connection, rules: Rules, number: int) -> tuple[str | None, dict[str, Instance]]:
    state = await conn.fetchval("SELECT state FROM dag_run WHERE run_id = $1", f"r{number}")
    link = "r.execution_date = t.execution_date" if rules.generation < 2 else "r.run_id = t.run_id"
    job = "t.job_id" if rules.generation < 3 else "NULL::int AS job_id"
    rows = await conn.fetch(
        f"SELECT t.task_id, t.state, t.try_number, t.max_tries, {job} FROM task_instance AS t JOIN dag_run AS r"
        f" ON r.dag_id = t.dag_id AND {link} WHERE r.run_id = $1 ORDER BY 1",
        f"r{number}",
    )
    return state, {row[0]: Instance(*list(row)[1:]) for row in rows}


def _draw_run(draw: random.Random, rules: Rules) -> tuple[str, dict[str, Instance]]:
    states = STATES if rules.generation < 2 else (*STATES, *NEWER)

    def one() -> Instance:
        tries = draw.randint(0, 4)
        job = draw.choice([None, 7]) if rules.generation in {0, 1, 2} else None
        return Instance(draw.choice(states), tries, draw.randint(0, 5), job)

    state = draw.choice(["running", "success", "failed", *(["queued"] if rules.generation > 1 else [])])
    return state, {task_id: one() for task_id in sorted(BELOW)}


async def _steer(
    draw: random.Random, rules: Rules, steering: Steering, number: int, before: tuple[str, Run]
) -> tuple[str | None, Run]:
    """Steer the run; what is to be of it then. A run that was deleted has no state."""
    name, (state, run) = RunId(f"r{number}"), before
    kind = draw.choice(["failed", "success", "clear", "clear", "mark", "delete"])
    if kind in {"failed", "success"}:
        done = await steering.set_run_state("d", name, kind)
        after = rules.stopped if kind == "failed" else rules.marked
        expected = {task_id: one._replace(state=after(one.state)) for task_id, one in run.items()}
        assert {one.task_id for one in done.task_instances} == {t for t, one in run.items() if one != expected[t]}
        return kind, expected
    if kind == "clear":
        asked = Clear(
            only_failed=draw.random() < 0.5,
            task_ids=draw.choice([None, draw.sample(sorted(BELOW), draw.randint(1, 3))]),
            downstream=draw.random() < 0.5,
            dry_run=draw.random() < 0.3,
        )
        wanted = set(BELOW) if asked.task_ids is None else set(asked.task_ids)
        wanted = _below(sorted(wanted)) if asked.downstream else wanted
        chosen = {t for t in wanted if not asked.only_failed or run[t].state in {"failed", "upstream_failed"}}
        cleared = await steering.clear("d", name, asked)
        assert [(one.task_id, one.state) for one in cleared.task_instances] == [
            (t, run[t].state) for t in sorted(chosen)
        ]
        if asked.dry_run:
            return before
        after_all = {t: rules.cleared(t, one) if t in chosen else one for t, one in run.items()}
        return rules.requeued(state) if chosen else state, after_all
    if kind == "mark":
        task_id, new = draw.choice(sorted(BELOW)), draw.choice(["failed", "success"])
        await steering.set_instance_state("d", name, task_id, None, new)
        run = {**run, task_id: run[task_id]._replace(state=new)}
        stopped = {t for t in _below([task_id]) - {task_id} if run[t].state in {"failed", "upstream_failed"}}
        if rules.generation == 1 or not stopped:
            return state, run
        return rules.requeued(state), {t: rules.cleared(t, one) if t in stopped else one for t, one in run.items()}
    deleted = await steering.delete_run("d", name) if not (rules.generation == 3 and state == "running") else None
    assert deleted is None or deleted.count == 1 + len(run)
    return (None, {}) if deleted else before


@pytest.mark.parametrize("release", [STANDALONE, *RELEASES])
async def test_rows_end_as_the_rules_say(database: str, empty_database: str, release: str) -> None:
    """States, tries, the run's own state; nothing of other runs changes."""
    rules = Rules(release)
    dsn = empty_database if rules.generation else database
    await _prepare(dsn, rules)
    draw = random.Random(f"steering {release}")  # noqa: S311 - a test that can be repeated
    async with _opened(dsn) as (metadata, conn):
        await _put(conn, rules, CASES, *_draw_run(draw, rules))
        other = await _read(conn, rules, CASES)
        for number in range(CASES):
            before = _draw_run(draw, rules)
            await _put(conn, rules, number, *before)
            expected = await _steer(draw, rules, metadata.steering, number, before)
            assert await _read(conn, rules, number) == expected, (before, number)
        assert await _read(conn, rules, CASES) == other


async def _prepare(dsn: str, rules: Rules) -> None:
    """Make the DAG `d`, and the tables where there are none."""
    if rules.generation:
        await make_schema(dsn, rules.release)
        await add_dag(dsn, rules.release)
    conn = await asyncpg.connect(dsn)
    try:
        if rules.generation == 0:
            await conn.execute(
                "INSERT INTO dag (dag_id, is_active, is_paused, is_subdag) VALUES ('d', true, true, false);"
                "INSERT INTO serialized_dag (dag_id, fileloc, fileloc_hash, data, last_updated)"
                " VALUES ('d', '', 1, '{}', now())"
            )
        await conn.execute("UPDATE serialized_dag SET data = $1", _document(rules.generation or 1))
    finally:
        await conn.close()
