"""The list of a run's task instances says of each what the endpoint for one says, at a cost that does not grow."""

import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from server.database.database import Database
from tests.integration.test_seeing import ALIVE, Api
from tests.live import live_server
from tests.scheduling import START, Bench, bash, bench

STATES = (None, "scheduled", "queued", "up_for_retry", "up_for_reschedule", "running", "success", "failed", "skipped")
POOLS = ("default_pool", "small", "full", "none")
TASKS = 12
INSERT = """
INSERT INTO task_instance (dag_id, task_id, execution_date, state, pool, pool_slots) VALUES ($1, $2, $3, $4, $5, $6)
"""


@pytest.fixture
async def b(database: str, tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench(database, tmp_path) as made:
        yield made


@pytest.fixture
async def api(b: Bench) -> AsyncIterator[Api]:
    async with live_server(b.dsn, dag_concurrency="5", parallelism="9") as url, aiohttp.ClientSession() as session:
        yield Api(session, url)


def _dag(chance: random.Random) -> dict[str, Any]:
    """Make a DAG whose tasks wait for all kinds of things."""
    tasks = {}
    for n in range(TASKS):
        above = [f"t{one}" for one in range(n) if chance.random() < 0.3]
        options: dict[str, Any] = {"pool": chance.choice(POOLS), "pool_slots": chance.choice((1, 1, 2, 4))}
        if chance.random() < 0.3:
            options["depends_on_past"] = True
        if chance.random() < 0.3:
            options["task_concurrency"] = 1
        tasks[f"t{n}"] = bash("true", *above, **options)
    return {"tasks": tasks, "max_active_runs": chance.choice((1, 2))}


@pytest.mark.parametrize("seed", range(4))
async def test_each_waits_for_what_the_endpoint_for_one_says(b: Bench, api: Api, seed: int) -> None:
    """Random DAGs, rows and runs; a run without rows has them as they will be."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    await b.pool.execute(ALIVE.replace("$1", f"(now() + interval '{chance.choice((-1, 1))} hour')"))
    await b.load({"d": _dag(chance), "other": {"tasks": {"t": bash("true")}}})
    await b.pool.execute("INSERT INTO slot_pool (pool, slots) VALUES ('small', 3), ('full', 1)")
    await b.pool.execute("UPDATE dag SET is_paused = $1 WHERE dag_id = 'd'", seed == 0)
    for n in range(4):
        date = await b.trigger("d", n)
        for m in range(TASKS if n < 3 else 0):
            pool, slots = chance.choice(POOLS), chance.choice((None, 1, 2, 5))
            if n or chance.random() < 0.8:
                await b.pool.execute(INSERT, "d", f"t{m}", date, chance.choice(STATES), pool, slots)
    for n, state in ((0, chance.choice(("failed", "running"))), (2, "queued")):
        update = "UPDATE dag_run SET state = $1 WHERE dag_id = 'd' AND run_id = $2"
        await b.pool.execute(update, state, f"run_{n}")
    explained = 0
    for n in range(4):
        _, listed = await api.ask(f"/dags/d/dag_runs/run_id=run_{n}/tasks")
        for one in listed:
            _, single = await api.ask(f"/dags/d/dag_runs/run_id=run_{n}/tasks/{one['task_id']}/waits_for")
            assert one["waits_for"] == single["waits_for"], (n, one)
            explained += len(one["waits_for"])
    assert len(listed) == TASKS
    assert explained > TASKS


async def test_the_statements_do_not_grow_with_the_tasks(b: Bench, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a run has, its list takes the same few."""
    chance = random.Random(1)  # noqa: S311 - no secret
    await b.load({"few": {"tasks": {"t0": bash("true")}}, "many": _dag(chance)})
    ran = 0

    def noting(name: str) -> None:
        original = getattr(Database, name)

        def noted(self: Database, *arguments: object) -> object:
            nonlocal ran
            ran += 1
            return original(self, *arguments)

        monkeypatch.setattr(Database, name, noted)

    for name in ("_fetch", "transaction"):
        noting(name)
    took = {}
    for dag_id in ("few", "many"):
        date = await b.trigger(dag_id)
        for n in range(TASKS if dag_id == "many" else 1):
            await b.pool.execute(INSERT, dag_id, f"t{n}", date, "scheduled", "default_pool", 1)
        await api.ask(f"/dags/{dag_id}/dag_runs/run_id=run_0/tasks")
        before = ran
        status, found = await api.ask(f"/dags/{dag_id}/dag_runs/run_id=run_0/tasks")
        took[dag_id] = ran - before
        assert (status, all(one["waits_for"] for one in found)) == (200, True)
    assert took["few"] == took["many"] < 8
    assert START.isoformat() == found[0]["execution_date"]
