"""Events beside an Airflow: what happens to its runs, whoever does it, read by index."""

import asyncio
import json
import os
from random import Random
from typing import Any

import aiohttp
import asyncpg
import pytest

from server.database.catalogue import read_catalogue
from server.database.connections import open_pool
from tests.airflow.schemas import RELEASES, add_runs, insert_runs
from tests.airflow.serving import connected, prepare
from tests.airflow.test_statements import read_whole
from tests.live import config_for, live_server
from tests.until import until
from windsock.client.events import read_messages

SEED = int(os.environ.get("WINDSOCK_FUZZ_SEED", "1"))
STATES = ["queued", "running", "success", "failed"]


async def _follow(url: str, got: list[tuple[str, dict[str, str]]]) -> None:
    timeout = aiohttp.ClientTimeout(total=None)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.get(f"{url}/api/experimental/events") as answer,
    ):
        assert answer.status == 200
        got.append(("begun", {}))
        lines = []
        async for line in answer.content:
            lines.append(line)
            if line == b"\n":
                got += [(one.kind, json.loads(one.data)) for one in read_messages(lines) if one.kind]
                lines = []


def _replay(got: list[tuple[str, dict[str, str]]]) -> dict[str, str]:
    """Return the states that a caller would know by these events, who never sees a run before it is made."""
    states: dict[str, str] = {}
    for kind, data in got:
        run_id = data.get("run_id", "")
        if kind == "run_created":
            assert run_id not in states
            states[run_id] = data["state"]
        elif kind == "run_deleted":
            del states[run_id]
        elif kind in {"run_changed", "run_ended"}:
            assert run_id in states
            assert (kind == "run_ended") == (data["state"] in {"success", "failed"})
            states[run_id] = data["state"]
    return states


def _are_over(known: dict[str, str], expected: dict[str, str]) -> bool:
    return {known[run_id] for run_id in known.keys() - expected.keys()} <= {"success", "failed"}


async def _live(conn: asyncpg.Connection, random: Random, number: int) -> None:
    """Make, change and delete a run, at random moments."""
    run_id, moment = f"n{number}", f"2022-01-01T00:{number // 60:02}:{number % 60:02}+00:00"
    await insert_runs(conn, [{"dag_id": "d", "run_id": run_id, "state": random.choice(STATES), "moment": moment}])
    for _ in range(random.randrange(4)):
        if random.random() < 0.5:
            await asyncio.sleep(random.random() / 4)
        await conn.execute("UPDATE dag_run SET state = $2 WHERE run_id = $1", run_id, random.choice(STATES))
    if random.random() < 0.1:
        await conn.execute("DELETE FROM dag_run WHERE run_id = $1 AND state NOT IN ('success', 'failed')", run_id)


@pytest.mark.parametrize("release", ["1.10.15", "2.10.5", "3.3.2"])
async def test_a_caller_who_follows_knows_every_state(empty_database: str, release: str, role: str) -> None:
    """Whatever happens, and in whichever transactions, in the end the events say what the table says."""
    random = Random(SEED)  # noqa: S311 - no secret
    dsn = await prepare(empty_database, release, role)
    await add_runs(empty_database)
    got: list[tuple[str, dict[str, str]]] = []
    async with live_server(dsn, watch_interval="0.1") as url, connected(empty_database) as conn:
        following = asyncio.create_task(_follow(url, got))
        while not got:
            await asyncio.sleep(0.02)
        other = await asyncpg.connect(empty_database)
        for number in range(25):
            if random.random() < 0.2:
                # Its id is given out before those of the runs that are made meanwhile.
                async with other.transaction():
                    await _live(other, random, 1000 + number)
                    await _live(conn, random, number)
                    await asyncio.sleep(0.15)
            else:
                await _live(conn, random, number)
        await other.close()
        rows = await conn.fetch("SELECT run_id, state FROM dag_run WHERE run_id LIKE 'n%'")
        expected = {row["run_id"]: row["state"] for row in rows}
        # Of a run that had ended, nobody says that it was deleted.
        await until(
            lambda: expected.items() <= (known := _replay(got)).items() and _are_over(known, expected), 20, 0.05
        )
        following.cancel()
    assert {kind for kind, _ in got} >= {"run_created", "run_changed", "run_ended"}


@pytest.mark.parametrize("release", RELEASES)
async def test_a_look_reads_by_index(empty_database: str, release: str, role: str) -> None:
    """However many runs there are: those that are over, and old, are not read."""
    dsn = await prepare(empty_database, release, role)
    await add_runs(empty_database)
    async with connected(empty_database) as conn:
        await conn.execute("UPDATE dag_run SET state = 'running' WHERE run_id LIKE '%99'")
        await conn.execute("ANALYZE")
        newest = await conn.fetchval("SELECT max(id) FROM dag_run")
    pool = await open_pool(config_for(dsn))
    try:
        async with pool.acquire() as connection:
            statements = (await read_catalogue(connection, allow_unknown=False)).statements
            known = list(range(newest - 50, newest))
            looks: list[tuple[Any, ...]] = [
                ("ended_runs", known), ("run_ends_of", known), ("changed_runs", known, ["running"] * 50, newest - 1000),
                ("changed_runs", [], [], 2**62),
            ]  # fmt: skip
            for name, *arguments in looks:
                await connection.execute("SET plan_cache_mode = force_generic_plan")
                rows = await connection.fetch(statements[name], *arguments)
                text = await connection.fetchval(f"EXPLAIN (FORMAT JSON, ANALYZE) {statements[name]}", *arguments)
                plan: dict[str, Any] = json.loads(text)[0]["Plan"]
                assert "dag_run" not in read_whole(plan)
                assert _rows_read(plan) < 2500
            # Those that are under way, and nothing besides.
            assert sum(row["id"] is not None for row in rows) == 50
    finally:
        await pool.close()


def _rows_read(plan: dict[str, Any]) -> int:
    """How many rows of `dag_run` a plan has read."""
    own = plan["Actual Rows"] * plan["Actual Loops"] if plan.get("Relation Name") == "dag_run" else 0
    return int(own) + sum(_rows_read(child) for child in plan.get("Plans", ()))
