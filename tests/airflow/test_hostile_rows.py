"""Whatever a row holds that its column admits: no answer is a 500, and those of other DAGs are as before."""

import asyncio
import json
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import asyncpg
import pytest

from tests.airflow.schemas import generation_of
from tests.airflow.serving import prepare
from tests.contract.client import Answer
from tests.description import Description
from tests.hostile import VALUES, odd_documents
from tests.live import live_server

pytestmark = pytest.mark.timeout(600)
# Another seed, or more of each kind, makes other tests: WINDSOCK_FUZZ_SEED=7 WINDSOCK_FUZZ_VALUES=99
SEED = int(os.environ.get("WINDSOCK_FUZZ_SEED", "1"))
VALUES_EACH = int(os.environ.get("WINDSOCK_FUZZ_VALUES", "4"))
DOCUMENTS = 30 * VALUES_EACH
RELEASES = ("1.10.15", "2.10.5", "3.3.2")
TABLES = (
    "dag",
    "dag_run",
    "task_instance",
    "serialized_dag",
    "dag_code",
    "dag_tag",
    "slot_pool",
    "job",
    "log_template",
)
COLUMNS = """
SELECT table_name, column_name, udt_name FROM information_schema.columns
WHERE table_schema = 'public' AND is_generated = 'NEVER' AND table_name = ANY ($1)
    -- What finds the rows, and what other tables refer to.
    AND column_name NOT IN ('dag_id', 'id', 'dag_version_id', 'task_id')
ORDER BY 1, 2
"""
DATE = "2021-01-01T00:00:00"
RUN = f"dag_runs/{DATE}"
OF_A_DAG = (
    "", "code", "grid", "dag_runs", "dag_runs?descending=true&limit=1", RUN, f"{RUN}?details=true", "paused", "tasks",
    "tasks?details=true",
    "tasks/t", f"{RUN}/tasks", f"{RUN}/tasks/t", f"{RUN}/tasks/other", f"{RUN}/tasks/t/logs", f"{RUN}/tasks/other/logs",
    *(f"dag_runs/run_id=r{rest}" for rest in ("", "?details=true", "/tasks", "/tasks/t", "/tasks/other/logs")),
)  # fmt: skip
LISTS = (
    "/dags",
    "/dags?details=true&order_by=-last_run",
    "/dags?search=D&owner=o&state=x&paused=false&order_by=next_dagrun",
    "/dag_tags",
    "/latest_runs",
    "/latest_runs?details=true",
    "/unfinished_runs",
    "/pools",
    "/pools?details=true",
    "/version",
    "/pools/default_pool",
    "/test",
)
# Of the DAG that nobody touches: every table has its copy of the row, with its own keys.
COPY = """
INSERT INTO {table}
SELECT (jsonb_populate_record(t, jsonb_build_object('dag_id', 'good') || coalesce($1::jsonb, '{{}}'))).*
FROM {table} AS t WHERE dag_id = 'd'
"""


async def _make_rows(conn: asyncpg.Connection, generation: int) -> None:
    """Leave one run of `d` with one instance, and a DAG `good` with the same."""
    await conn.execute("DELETE FROM dag_tag WHERE name <> 'a'")
    date = "execution_date" if generation < 3 else "logical_date"
    more, values = "", ""
    if generation > 1:
        more, values = ", run_type, clear_number", ", 'manual', 0"
    if generation == 3:
        more, values = f"{more}, run_after", f"{values}, '{DATE}+00'"
        await conn.execute("DELETE FROM dag_version WHERE version_number = 1")
    await conn.execute(
        f"INSERT INTO dag_run (dag_id, run_id, state, {date}{more}) VALUES ('d', 'r', 'running', '{DATE}+00'{values})"
    )
    link, value = ("execution_date", f"'{DATE}+00'") if generation == 1 else ("run_id", "'r'")
    version = "(SELECT id FROM dag_version)" if generation == 3 else ""
    ids = ("id, dag_version_id, ", f"gen_random_uuid(), {version}, ") if generation == 3 else ("", "")
    await conn.execute(
        f"INSERT INTO task_instance ({ids[0]}{link}, dag_id, task_id, state, pool, pool_slots, try_number)"
        f" VALUES ({ids[1]}{value}, 'd', 't', 'success', 'default_pool', 1, 1)"
    )
    keys: dict[str, Any] = {}
    if generation == 3:
        keys = {"dag_version_id": str(await conn.fetchval("SELECT gen_random_uuid()"))}
        await conn.execute(COPY.format(table="dag"), None)
        await conn.execute(COPY.format(table="dag_version"), json.dumps({"id": keys["dag_version_id"]}))
        for table in ("dag_code", "serialized_dag", "task_instance"):
            fresh = {**keys, "id": str(await conn.fetchval("SELECT gen_random_uuid()"))}
            if table == "task_instance":
                await conn.execute(COPY.format(table="dag_run"), json.dumps({"id": 10**6}))
            await conn.execute(COPY.format(table=table), json.dumps(fresh))
        return
    await conn.execute(COPY.format(table="dag"), json.dumps({"fileloc": "/good.py"}))
    await conn.execute(COPY.format(table="serialized_dag"), None)
    await conn.execute(COPY.format(table="dag_run"), json.dumps({"id": 10**6}))
    await conn.execute(COPY.format(table="task_instance"), None)
    await conn.execute(
        "INSERT INTO dag_code (fileloc_hash, fileloc, last_updated, source_code) VALUES (2, '/good.py', now(), 'good')"
    )


class Probe:
    """Calls every endpoint, and remembers what it found wrong."""

    def __init__(self, url: str, session: aiohttp.ClientSession, conn: asyncpg.Connection) -> None:
        self._url = url
        self._session = session
        self._conn = conn
        self._triggers = 0
        self._description = Description.read()
        self.undescribed: set[tuple[str, str]] = set()
        self.wrong: list[tuple[Any, ...]] = []
        self.good: dict[str, tuple[int, bytes]] = {}

    async def get(self, path: str) -> tuple[int, bytes]:
        async with self._session.get(f"{self._url}{path}") as answer:
            text = await answer.read()
            headers = {name.lower(): value for name, value in answer.headers.items()}
            seen = Answer(answer.status, headers, text)
            self.undescribed.update((path, problem) for problem in self._description.problems("GET", path, seen))
            return answer.status, text

    async def of(self, dag_id: str) -> dict[str, tuple[int, bytes]]:
        dag = f"/api/experimental/dags/{dag_id}"
        found = await asyncio.gather(*(self.get(f"{dag}/{path}".rstrip("/")) for path in OF_A_DAG))
        return dict(zip(OF_A_DAG, found, strict=True))

    async def trigger(self) -> tuple[int, bytes]:
        self._triggers += 1
        body = {"run_id": f"t{self._triggers}", "conf": {"n": 3}, "replace_microseconds": False}
        async with self._session.post(f"{self._url}/api/experimental/dags/d/dag_runs", json=body) as answer:
            found = answer.status, await answer.read()
        await self._conn.execute("DELETE FROM dag_run WHERE run_id = $1", body["run_id"])
        return found

    async def check(self, *what: object) -> None:
        """Call everything; `what` says of which value."""
        lists = [f"/api/experimental{path}" for path in LISTS]
        of_d, good = await asyncio.gather(self.of("d"), self.of("good"))
        triggered, health, *listed = await asyncio.gather(self.trigger(), self.get("/health"), *map(self.get, lists))
        seen = {f"d/{path}": found for path, found in of_d.items()} | dict(zip(LISTS, listed, strict=True))
        seen |= {"trigger": triggered, "/health": health}
        for path, (status, text) in seen.items():
            lost = path in LISTS and path != "/pools/default_pool" and status != 200
            if status == 500 or lost or not (path == "d/code" or _is_json(text)):
                self.wrong.append((*what, path, status, text[:200]))
        # The templates of logs belong to all DAGs.
        shared = "/logs" if what[0] == "log_template" else "/of no path"
        if changed := [path for path in good if good[path] != self.good[path] and not path.endswith(shared)]:
            self.wrong.append((*what, "good", changed))


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


@asynccontextmanager
async def probe(dsn: str, admin: str) -> AsyncIterator[tuple[Probe, asyncpg.Connection]]:
    conn = await asyncpg.connect(admin)
    try:
        async with live_server(dsn) as url, aiohttp.ClientSession() as session:
            made = Probe(url, session, conn)
            made.good = await made.of("good")
            there = {status for path, (status, _) in made.good.items() if not path.endswith(("other", "logs"))}
            assert there == {200}, made.good
            yield made, conn
            assert made.undescribed == set()
    finally:
        await conn.close()


@pytest.mark.parametrize("release", RELEASES)
async def test_hostile_values_in_every_column(empty_database: str, release: str, role: str) -> None:
    """Each column that holds text, a number, a date, JSON or bytes gets odd values of its type, and NULL."""
    dsn = await prepare(empty_database, release, role)
    conn = await asyncpg.connect(empty_database)
    await _make_rows(conn, generation_of(release))
    await conn.close()
    tried, chance = 0, random.Random(SEED)  # noqa: S311 - no secret
    async with probe(dsn, empty_database) as (checks, conn):
        for table, column, kind in await conn.fetch(COLUMNS, TABLES):
            mine = "WHERE dag_id = 'd'" if table not in {"slot_pool", "job", "log_template"} else ""
            if table == "dag_code" and generation_of(release) < 3:
                mine = "WHERE fileloc = '/d.py'"
            before = await conn.fetchval(f"SELECT {column}::text FROM {table} {mine} LIMIT 1")
            odd = VALUES.get(kind, ())
            for value in (None, *chance.sample(odd, min(len(odd), VALUES_EACH))):
                cast = f"$1::text::{kind}" if not isinstance(value, bytes) else "$1::bytea"
                try:
                    given = value if value is None or isinstance(value, bytes) else str(value)
                    await conn.execute(f"UPDATE {table} SET {column} = {cast} {mine}", given)
                except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, asyncpg.StatementTooComplexError):
                    continue
                tried += 1
                await checks.check(table, column, repr(value)[:60])
            if table == "dag_code" and column == "fileloc":
                mine = "WHERE source_code = 'source'"
            await conn.execute(f"UPDATE {table} SET {column} = $1::text::{kind} {mine}", before)
        assert checks.wrong == []
    assert tried > 100


@pytest.mark.parametrize("release", RELEASES)
async def test_odd_documents_of_serialized_dags(empty_database: str, release: str, role: str) -> None:
    """A serialized DAG with something odd in one place, whichever that is."""
    dsn = await prepare(empty_database, release, role)
    conn = await asyncpg.connect(empty_database)
    await _make_rows(conn, generation_of(release))
    document = json.loads(await conn.fetchval("SELECT data FROM serialized_dag WHERE dag_id = 'd'"))
    document["dag"] |= {
        "default_args": {"__type": "dict", "__var": {"start_date": {"__type": "datetime", "__var": 1577836800.0}}},
        "timetable": {
            "__type": "airflow.timetables.interval.CronDataIntervalTimetable",
            "__var": {"expression": "0 0 * * *", "timezone": "UTC"},
        },
    }
    task = document["dag"]["tasks"][0]
    task = task.get("__var", task)
    task |= {"retry_delay": 300.0, "start_date": 1577836800.0, "downstream_task_ids": ["m"], "priority_weight": 2}
    await conn.close()
    async with probe(dsn, empty_database) as (checks, conn):
        odd = list(odd_documents(document))
        for changed in random.Random(SEED).sample(odd, min(len(odd), DOCUMENTS)):  # noqa: S311 - no secret
            await conn.execute("UPDATE serialized_dag SET data = $1 WHERE dag_id = 'd'", json.dumps(changed))
            await checks.check(json.dumps(changed)[-900:])
        assert checks.wrong == []
