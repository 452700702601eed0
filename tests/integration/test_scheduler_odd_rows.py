"""The scheduler and rows that others wrote: whatever they hold, the other DAGs go on."""

import json
import os
import random
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from server.standalone.scheduler import graphs
from tests.hostile import VALUES, odd_documents
from tests.scheduling import Bench, bash, bench, empty

pytestmark = pytest.mark.timeout(600)
# Another seed, or more of each kind, makes other tests: WINDSOCK_FUZZ_SEED=7 WINDSOCK_FUZZ_VALUES=99
SEED = int(os.environ.get("WINDSOCK_FUZZ_SEED", "1"))
VALUES_EACH = int(os.environ.get("WINDSOCK_FUZZ_VALUES", "2"))
ROUND_FAILED = "a round of the scheduler failed"
TABLES = ("dag", "dag_run", "job", "serialized_dag", "slot_pool", "task_instance", "xcom")
COLUMNS = """
SELECT table_name, column_name, udt_name FROM information_schema.columns
WHERE table_schema = 'public' AND table_name = ANY ($1)
ORDER BY 1, 2
"""
OF_THE_ODD = {"slot_pool": "pool = 'odd'", "job": "id = 1000000"}
# A run whose tasks are in every state that the scheduler has something to do with, two of them another's, who is dead.
MAKE = """
DELETE FROM dag WHERE dag_id = 'odd'; DELETE FROM dag_run WHERE dag_id = 'odd';
DELETE FROM task_instance WHERE dag_id = 'odd'; DELETE FROM xcom WHERE dag_id = 'odd';
DELETE FROM serialized_dag WHERE dag_id = 'odd'; DELETE FROM slot_pool WHERE pool = 'odd';
DELETE FROM job WHERE id = 1000000;
INSERT INTO dag SELECT * FROM kept_dag; INSERT INTO serialized_dag SELECT * FROM kept_serialized;
INSERT INTO slot_pool (pool, slots) VALUES ('odd', 5);
INSERT INTO job (id, job_type, state, latest_heartbeat)
VALUES (1000000, 'SchedulerJob', 'running', now() - interval '1h');
INSERT INTO dag_run (dag_id, run_id, execution_date, state, external_trigger, start_date)
VALUES ('odd', 'r', '2024-01-01+00', 'running', true, now());
INSERT INTO task_instance
    (task_id, dag_id, execution_date, state, pool, pool_slots, try_number, max_tries, job_id, start_date, end_date)
SELECT task_id, 'odd', '2024-01-01+00', nullif(task_id, 'waits'), 'odd', 1, 1, 1,
    CASE WHEN task_id IN ('running', 'queued') THEN 1000000 END, now(), now()
FROM unnest(ARRAY['waits', 'scheduled', 'queued', 'running', 'up_for_retry']) AS task (task_id);
INSERT INTO xcom (dag_id, task_id, execution_date, key, value, "timestamp")
VALUES ('odd', 'running', '2024-01-01+00', 'return_value', '1', now())
"""

WRITE = "UPDATE serialized_dag SET data = $1::text::json WHERE dag_id = 'odd'"
STATE = "SELECT state FROM dag_run WHERE dag_id = 'odd'"


@pytest.fixture
async def b(database: str, tmp_path: Path) -> AsyncIterator[Bench]:
    """Set up a bench with a good DAG and an odd one."""
    async with bench(database, tmp_path) as made:
        names = ("waits", "scheduled", "queued", "running", "up_for_retry")
        task = bash("true", pool="odd", retries=1)
        # It asks for what others have left.
        pulls = bash("echo {{ ti.xcom_pull(task_ids='running') }} {{ dag_run.conf }}", pool="odd")
        odd = {"tasks": {**dict.fromkeys(names, task), "waits": pulls}, "dagrun_timeout": 5}
        good = {"tasks": {"a": empty(), "b": bash("true", "a")}, "max_active_runs": 1000}
        await made.load({"odd": odd, "good": good})
        await made.pool.execute(
            "CREATE TABLE kept_dag AS SELECT * FROM dag WHERE dag_id = 'odd';"
            "CREATE TABLE kept_serialized AS SELECT * FROM serialized_dag WHERE dag_id = 'odd'"
        )
        yield made


async def good_run(b: Bench, n: int) -> None:
    """Trigger the good DAG, and see its run succeed."""
    date = await b.trigger("good", n)
    query = "SELECT state = 'success' FROM dag_run WHERE dag_id = 'good' AND execution_date = $1"
    await b.until(query, date, patience=20)


async def test_odd_values_in_every_column(b: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """They concern their own run, however they got there; no round of the scheduler fails for them."""
    chance = random.Random(SEED)  # noqa: S311 - no secret
    columns = [tuple(row) for row in await b.pool.fetch(COLUMNS, TABLES)]
    cases = [
        (table, column, kind, value)
        for table, column, kind in columns
        for value in (None, *chance.sample(VALUES[kind], min(VALUES_EACH, len(VALUES[kind]))))
    ]
    done, wrong = 0, []
    async with b.scheduler():
        for n, (table, column, kind, value) in enumerate(cases):
            try:
                async with b.pool.acquire() as conn, conn.transaction():
                    await conn.execute(MAKE)
                    shown = value if value is None or isinstance(value, bytes) else str(value)
                    cast = f"${1}::{'bytea' if kind == 'bytea' else 'text'}::{kind}"
                    where = OF_THE_ODD.get(table, "dag_id = 'odd'")
                    await conn.execute(f"UPDATE {table} SET {column} = {cast} WHERE {where}", shown)
            except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, asyncpg.ProgramLimitExceededError):
                continue
            done += 1
            try:
                await good_run(b, n)
            except TimeoutError:
                wrong.append((table, column, str(value)[:60], "the good run waits"))
            if ROUND_FAILED in capsys.readouterr().out:
                wrong.append((table, column, str(value)[:60], ROUND_FAILED))
    assert not wrong
    assert done > len(cases) / 4


_OUT_OF_RANGE: tuple[Any, ...] = (1e13, 1e14, 1e300, "x", [], -1, {"__type": "timedelta", "__var": 1e13})


def _documents(document: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON
    chance = random.Random(SEED)  # noqa: S311 - no secret
    found = [json.dumps(changed) for changed in odd_documents(document)]
    yield from chance.sample(found, min(60 * VALUES_EACH, len(found)))
    first, *others = document["dag"]["tasks"]
    for task_id in (None, "", "x" * 251, "a\0", 5):
        yield json.dumps({**document, "dag": {**document["dag"], "tasks": [{**first, "task_id": task_id}, *others]}})
    # Numbers that a calendar does not have, and of another kind.
    for key in ("dagrun_timeout", "_concurrency", "max_active_runs"):
        for value in _OUT_OF_RANGE:
            yield json.dumps({**document, "dag": {**document["dag"], key: value}})
    for key in ("retry_delay", "max_retry_delay", "start_date", "end_date", "task_concurrency", "retries", "params"):
        for value in _OUT_OF_RANGE:
            tasks = [{**task, key: value, "retry_exponential_backoff": True} for task in document["dag"]["tasks"]]
            yield json.dumps({**document, "dag": {**document["dag"], "tasks": tasks}})


async def test_odd_documents(b: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """A serialized DAG that is odd in one place: the good DAG goes on."""
    document = json.loads(await b.pool.fetchval("SELECT data::text FROM kept_serialized"))
    wrong = []
    async with b.scheduler():
        for n, text in enumerate(_documents(document)):
            try:
                async with b.pool.acquire() as conn, conn.transaction():
                    await conn.execute(MAKE)
                    await conn.execute(WRITE, text)
            except asyncpg.DataError:
                continue
            try:
                await good_run(b, n)
            except TimeoutError:
                wrong.append((text, "the good run waits"))
            if ROUND_FAILED in capsys.readouterr().out:
                wrong.append((text, ROUND_FAILED))
    assert not wrong


async def test_a_conf_that_cannot_be_read(b: Bench) -> None:
    """Its tasks fail and say why: they do nothing without what they were asked for."""
    await b.trigger("good")
    await b.pool.execute("UPDATE dag_run SET conf = '\\x4b014b02612e' WHERE dag_id = 'good'")
    await b.trigger("good", 1)
    async with b.scheduler():
        await b.until_done()
    assert (await b.run_state("good"), await b.run_state("good", 1)) == ("failed", "success")
    assert "Failed: the conf of its run cannot be read: not a pickle of plain values" in b.log("good", "b")


def large(document: Any, **more: object) -> str:  # noqa: ANN401 - any JSON
    """Write a document of more characters than are read in the scheduler's own process without a trial."""
    return json.dumps({**document, "dag": {**document["dag"], "doc_md": "x" * 2**15, **more}})


async def test_large_dags(b: Bench) -> None:
    """They are read beside the scheduler first, and run as others do; an edit counts."""
    good = json.loads(await b.pool.fetchval("SELECT data::text FROM serialized_dag WHERE dag_id = 'good'"))
    store = "UPDATE serialized_dag SET data = $1::text::json WHERE dag_id = 'good'"
    await b.pool.execute(store, large(good))
    async with b.scheduler():
        await good_run(b, 0)
        assert await b.states("good", 0) == {"a": "success", "b": "success"}
        (first,) = (task for task in good["dag"]["tasks"] if task["task_id"] == "a")
        good["dag"]["tasks"] = [{**first, "_downstream_task_ids": []}]
        await b.pool.execute(store, large(good))
        await good_run(b, 1)
        assert await b.states("good", 1) == {"a": "success"}
        await b.pool.execute(store, large(good, tasks=5))
        await b.trigger("good", 2)
        await b.until_done()
        assert await b.run_state("good", 2) == "failed"


async def test_a_dag_that_takes_for_ever_to_read(b: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its runs wait; the others go on meanwhile, and it too, once it is written anew."""
    monkeypatch.setattr(graphs, "SECONDS", 1.0)
    odd = json.loads(await b.pool.fetchval("SELECT data::text FROM kept_serialized"))
    # Numbers that all have the same hash, to be made a set of.
    hostile = {"__type": "set", "__var": [n * (2**61 - 1) for n in range(1, 60_000)]}
    tasks = [{**task, "executor_config": hostile} for task in odd["dag"]["tasks"]]
    await b.pool.execute(MAKE)
    await b.pool.execute(WRITE, large(odd, tasks=tasks))
    async with b.scheduler():
        began = time.monotonic()
        for n in range(5):
            await good_run(b, n)
        assert time.monotonic() - began < 60
        assert await b.pool.fetchval(STATE) == "running"
        await b.pool.execute(WRITE, large(odd))
        await b.until(f"SELECT ({STATE}) <> 'running'")
