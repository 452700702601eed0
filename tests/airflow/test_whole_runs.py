"""Task instances, deadlines and the version of a bundle, where a serialized DAG tells them (Airflow 3.1 and later)."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import aiohttp
import asyncpg
import pytest

from server.database.deadlines import uuid7
from tests.airflow.schemas import RELEASES
from tests.airflow.serving import Api, prepare
from tests.live import live_server

TYPE = """SELECT data_type FROM information_schema.columns
    WHERE table_name = 'deadline_alert' AND column_name = 'interval'"""
WITH_DEADLINES = ["3.1.8", "3.2.0", "3.3.2"]
DATE = datetime(2024, 3, 5, 12, 34, 56, tzinfo=UTC)
PLAIN = {"task_id": "t", "task_type": "BashOperator", "retries": 2, "queue": "q"}
CALLBACK = {
    "__classname__": "airflow.sdk.definitions.callback.AsyncCallback",
    "__version__": 0,
    "__data__": {"path": "a.b", "kwargs": {"x": {"y": [1]}}},
}
QUEUED_AT = {"reference_type": "DagRunQueuedAtDeadline"}
PAST = """INSERT INTO dag_run (dag_id, run_id, run_type, run_after, logical_date, state, start_date, end_date)
    SELECT 'd', 'p' || n, 'manual', now(), now() - n * interval '1 day', $2::text, now(), now() + n * interval '10 s'
    FROM (SELECT $1::int AS n) AS one"""
AWAY = """SELECT round(extract(epoch FROM deadline_time - queued_at))
    FROM deadline JOIN dag_run ON dag_run.id = dagrun_id WHERE run_id = $1"""
# A run that has been inserted waits before its task instances are.
WAITING = """
CREATE FUNCTION waiting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END $$;
CREATE TRIGGER waiting AFTER INSERT ON dag_run EXECUTE FUNCTION waiting();
"""
LOGICAL_DATE = {"reference_type": "DagRunLogicalDateDeadline"}


def _mapped(task_id: str, value: Mapping[str, object]) -> dict[str, object]:
    expansion = {"type": "dict-of-lists", "value": {"__type": "dict", "__var": value}}
    return {"task_id": task_id, "task_type": "BashOperator", "_is_mapped": True, "partial_kwargs": {"retries": 1},
            "expand_input": expansion, "_expand_input_attr": "expand_input"}  # fmt: skip


def _document(*tasks: Mapping[str, object], **dag: object) -> str:
    children = {task["task_id"]: ["operator", task["task_id"]] for task in tasks}
    return json.dumps({
        "__version": 3,
        "dag": {
            "dag_id": "d", "timezone": "UTC", "tasks": [{"__type": "operator", "__var": task} for task in tasks],
            "timetable": {"__type": "airflow.timetables.simple.NullTimetable", "__var": {}},
            "task_group": {"children": children}, **dag,
        },
    })  # fmt: skip


@asynccontextmanager
async def _served(
    database: str, release: str, role: str, document: str, **options: object
) -> AsyncIterator[tuple[Api, asyncpg.Connection]]:
    dsn = await prepare(database, release, role)
    connection = await asyncpg.connect(database)
    try:
        await connection.execute("UPDATE serialized_dag SET data = $1", document)
        async with live_server(dsn, **options) as url, aiohttp.ClientSession() as session:
            yield Api(url, session), connection
    finally:
        await connection.close()


async def _add_alert(connection: asyncpg.Connection, reference: object, interval: object, callback: object) -> None:
    """Give the DAG a deadline, as 3.2 and later keep it."""
    await connection.execute(
        f"""INSERT INTO deadline_alert (id, created_at, serialized_dag_id, reference, interval, callback_def)
        SELECT $1, now(), id, $2, $3::text::{await connection.fetchval(TYPE)}, $4
        FROM serialized_dag ORDER BY (SELECT version_number FROM dag_version WHERE id = dag_version_id) DESC LIMIT 1""",
        uuid4(), json.dumps(reference), json.dumps(interval), json.dumps(callback),
    )  # fmt: skip


@pytest.mark.parametrize("release", WITH_DEADLINES)
async def test_deadlines_are_made_with_the_run(empty_database: str, release: str, role: str) -> None:
    """Each with its moment and its callback; those that only Airflow can make are named in the warning."""
    asked = [(LOGICAL_DATE, 3600.5), (QUEUED_AT, 60), ({"reference_type": "Mine", "__class_path": "x.Mine"}, 1)]
    encoded = [
        {"__type": "deadline_alert", "__var": {"reference": reference, "interval": seconds, "callback": CALLBACK}}
        for reference, seconds in asked
    ]
    in_table = release != "3.1.8"
    document = _document(PLAIN, deadline=[str(uuid4())] if in_table else encoded)
    async with _served(empty_database, release, role, document) as (api, connection):
        if in_table:
            for reference, seconds in asked:
                await _add_alert(connection, reference, seconds, CALLBACK)
        assert (await api.trigger(run_id="r", execution_date=DATE.isoformat()))[0] == 200
        assert "only Airflow's plugins know its reference Mine" in (api.warning or "")
        queued_at = await connection.fetchval("SELECT queued_at FROM dag_run")
        rows = [dict(row) for row in await connection.fetch("SELECT * FROM deadline ORDER BY deadline_time")]
        assert [row["deadline_time"] for row in rows] == [
            DATE + timedelta(seconds=3600.5),
            queued_at + timedelta(seconds=60),
        ]
        if in_table:
            callbacks = [dict(row) for row in await connection.fetch("SELECT * FROM callback")]
            assert {row["callback_id"] for row in rows} == {row["id"] for row in callbacks}
            data = [json.loads(row["data"])["__var"] for row in callbacks]
            assert {(one["path"], one["dag_id"], one["prefix"]) for one in data} == {("a.b", "d", "deadline_alerts")}
            kwargs = {"__type": "dict", "__var": {"x": {"__type": "dict", "__var": {"y": [1]}}}}
            assert [one["kwargs"] for one in data] == [kwargs] * 2
            assert {row["bundle_name"] for row in callbacks} == {"dags-folder" if release == "3.3.2" else None}
        else:
            assert [json.loads(row["callback"]) for row in rows] == [CALLBACK] * 2
        # All or nothing: the run is there, so another of that id is not, and nor are its deadlines.
        assert (await api.trigger(run_id="r"))[0] == 400
        assert await connection.fetchval("SELECT count(*) FROM deadline") == 2


@pytest.mark.parametrize("release", ["3.2.0", "3.3.2"])
async def test_hostile_alerts_stop_no_run(empty_database: str, release: str, role: str) -> None:
    """Whatever the table holds: what cannot be told is left out, with a warning."""
    hostile: list[tuple[object, object, object]] = [
        (QUEUED_AT, 1e300, CALLBACK), (LOGICAL_DATE, 1e12, CALLBACK), ([], 1, CALLBACK),
        ({"reference_type": "FixedDatetimeDeadline"}, 1, CALLBACK), (QUEUED_AT, 1, {"__classname__": "X"}),
        ({"reference_type": "FixedDatetimeDeadline", "datetime": 1e300}, 1, CALLBACK),
        ({"reference_type": "AverageRuntimeDeadline", "max_runs": -1}, 1, CALLBACK),
        (QUEUED_AT, 1, {**CALLBACK, "__data__": {"path": "a.b", "kwargs": {"x": "x" * 100_000}}}), (QUEUED_AT, 1, []),
        (QUEUED_AT, 1, {**CALLBACK, "__data__": {"path": "a.b", "kwargs": {"x": {"__classname__": "datetime.date"}}}}),
    ]  # fmt: skip
    if release == "3.3.2":
        odd: list[object] = ["1", None, [], {"__classname__": "VariableInterval"}, True]
        hostile += [(QUEUED_AT, value, CALLBACK) for value in odd]
    async with _served(empty_database, release, role, _document(PLAIN, deadline=[str(uuid4())])) as (api, connection):
        for reference, seconds, callback in hostile:
            await _add_alert(connection, reference, seconds, callback)
        await _add_alert(connection, QUEUED_AT, 5, CALLBACK)
        assert (await api.trigger(run_id="r"))[0] == 200
        assert "Deadlines of this run that only Airflow itself can make" in (api.warning or "")
        assert await connection.fetchval("SELECT count(*) FROM deadline") == 1


@pytest.mark.parametrize("release", ["3.2.0", "3.3.2"])
async def test_an_average_needs_enough_runs(empty_database: str, release: str, role: str) -> None:
    """Without them there is no deadline, as in Airflow; runs that failed count in 3.2 alone."""
    reference = {"reference_type": "AverageRuntimeDeadline", "max_runs": 3, "min_runs": 2}
    async with _served(empty_database, release, role, _document(PLAIN, deadline=[str(uuid4())])) as (api, connection):
        await _add_alert(connection, reference, 100, CALLBACK)
        made = []
        for number, state in enumerate(("success", "failed", "success"), 1):
            await connection.execute(PAST, number, state)
            assert (await api.trigger(run_id=f"r{number}"))[0] == 200
            assert api.warning is None
            made.append(await connection.fetchval(AWAY, f"r{number}"))
        assert made == ([None, 115, 120] if release == "3.2.0" else [None, None, 120])


@pytest.mark.parametrize("release", WITH_DEADLINES)
async def test_a_run_of_a_versioned_bundle_is_pinned_with_its_instances(
    empty_database: str, release: str, role: str
) -> None:
    """The version is the DAG's; without all task instances there is none, for such a run would never run a task."""
    tasks = (
        PLAIN,
        _mapped("three", {"a": [1, 2, 3]}),
        _mapped("six", {"a": [1, 2, 3], "b": {"__type": "tuple", "__var": [1, 2]}}),
        _mapped("later", {"a": {"__type": "xcomref", "__var": {"task_id": "t", "key": "k"}}}),
        _mapped("none", {"a": []}),
        {**PLAIN, "task_id": "over", "end_date": 1577836800.0},
    )
    async with _served(empty_database, release, role, _document(*tasks)) as (api, connection):
        await connection.execute("UPDATE dag SET bundle_version = 'abc'")
        assert (await api.trigger(run_id="r", execution_date=DATE.isoformat()))[0] == 200
        assert api.warning is None
        assert await connection.fetchval("SELECT bundle_version FROM dag_run") == "abc"
        rows = [dict(row) for row in await connection.fetch("SELECT * FROM task_instance ORDER BY task_id, map_index")]
        counted = {
            task_id: [r["map_index"] for r in rows if r["task_id"] == task_id]
            for task_id in {r["task_id"] for r in rows}
        }
        assert counted == {"t": [-1], "three": [0, 1, 2], "six": [0, 1, 2, 3, 4, 5], "later": [-1], "none": [-1]}
        plain = next(row for row in rows if row["task_id"] == "t")
        assert (plain["max_tries"], plain["queue"], plain["pool"], plain["state"]) == (2, "q", "default_pool", None)
        assert {row["dag_version_id"] for row in rows} == {
            await connection.fetchval("SELECT created_dag_version_id FROM dag_run")
        }


@pytest.mark.parametrize("release", WITH_DEADLINES)
async def test_a_bundle_that_gets_versions_pins_the_next_run(empty_database: str, release: str, role: str) -> None:
    """Airflow writes no DAG anew for that: what was read of it before is of a bundle without versions."""
    async with _served(empty_database, release, role, _document(PLAIN)) as (api, connection):
        for run_id, version in (("r0", None), ("r1", "abc"), ("r2", "def"), ("r3", None), ("r4", "ghi")):
            await connection.execute("UPDATE dag SET bundle_version = $1", version)
            assert (await api.trigger(run_id=run_id))[0] == 200
            assert await connection.fetchval("SELECT bundle_version FROM dag_run WHERE run_id = $1", run_id) == version
            instances = await connection.fetchval("SELECT count(*) FROM task_instance WHERE run_id = $1", run_id)
            assert instances == (0 if version is None else 1)
            # What was read is used for other questions too.
            assert (await api.call("GET", "/dags/d/tasks/t"))[0] == 200


async def test_groups_around_a_task_multiply(empty_database: str, role: str) -> None:
    """A task in a mapped group in another has an instance for each pair; one whose group waits for a task has one."""
    expansion = _mapped("", {"a": [1, 2, 3]})["expand_input"]
    waiting = _mapped("", {"a": {"__type": "xcomref", "__var": {"task_id": "t"}}})["expand_input"]
    inner = {"children": {"deep": ["operator", "deep"]}, "expand_input": expansion}
    outer = {"children": {"in": ["operator", "in"], "g": ["taskgroup", inner]}, "expand_input": expansion}
    later = {"children": {"l": ["operator", "l"]}, "expand_input": waiting}
    group = {"children": {"t": ["operator", "t"], "g": ["taskgroup", outer], "l": ["taskgroup", later]}}
    tasks = ({**PLAIN, "task_id": task_id} for task_id in ("t", "in", "deep", "l"))
    document = _document(*tasks, task_group=group)
    async with _served(empty_database, "3.3.2", role, document, task_instances="always") as (api, connection):
        assert (await api.trigger())[0] == 200
        rows = await connection.fetch(
            "SELECT task_id, min(map_index), count(*) FROM task_instance GROUP BY 1 ORDER BY 1"
        )
        assert [tuple(row) for row in rows] == [("deep", 0, 9), ("in", 0, 3), ("l", -1, 1), ("t", -1, 1)]


@pytest.mark.parametrize("release", WITH_DEADLINES)
@pytest.mark.parametrize("reason", ["executor_config", "weight_rule", "version", "groups", "many"])
async def test_what_cannot_be_told_is_not_pinned(empty_database: str, release: str, role: str, reason: str) -> None:
    """The run has no version and no instances, so Airflow's scheduler makes them; the warning says so."""
    task: dict[str, object] = dict(PLAIN)
    document = _document(task)
    match reason:
        case "executor_config":
            document = _document(task | {"executor_config": {"__type": "dict", "__var": {"a": 1}}})
        case "weight_rule":
            document = _document(task | {"weight_rule": {"__type": "x.Mine", "__var": {}}})
        case "version":
            document = document.replace('"__version": 3', '"__version": 2')
        case "groups":
            document = _document(task, task_group={})
        case "many":
            document = _document(_mapped("m", {"a": [1] * 150, "b": [2] * 150}))
    async with _served(empty_database, release, role, document, task_instances="always") as (api, connection):
        for version, words in (
            (None, "The task instances of this run come with Airflow's scheduler"),
            ("abc", "is not pinned"),
        ):
            await connection.execute("UPDATE dag SET bundle_version = $1", version)
            await connection.execute("UPDATE serialized_dag SET data = data")
            assert (await api.trigger())[0] == 200
            assert words in (api.warning or "")
        assert await connection.fetchval("SELECT count(*) FROM task_instance") == 0
        assert await connection.fetchval("SELECT count(bundle_version) FROM dag_run") == 0


@pytest.mark.parametrize("release", WITH_DEADLINES)
async def test_neither_is_done_where_it_is_not_wanted(empty_database: str, release: str, role: str) -> None:
    """A DAG that wants the newest version, and the option `never`; `versioned` leaves other DAGs alone."""
    for options, version, dag in (
        ({}, "abc", {"disable_bundle_versioning": True}),
        ({"task_instances": "never"}, "abc", {}),
        ({}, None, {}),
    ):
        connection = await asyncpg.connect(empty_database)
        await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        await connection.close()
        async with _served(empty_database, release, role, _document(PLAIN, **dag), **options) as (api, table):
            await table.execute("UPDATE dag SET bundle_version = $1", version)
            assert (await api.trigger())[0] == 200
            assert api.warning is None
            assert await table.fetchval("SELECT count(*) FROM task_instance") == 0
            assert await table.fetchval("SELECT bundle_version FROM dag_run") is None


async def test_a_run_has_the_instances_of_one_version(empty_database: str, role: str) -> None:
    """The DAG is written anew between the run and its task instances: nothing is stored of the old one."""
    document = _document({**PLAIN, "task_id": "old"}, {**PLAIN, "task_id": "gone"})
    async with _served(empty_database, "3.3.2", role, document, task_instances="always") as (api, connection):
        await connection.execute(WAITING)
        await connection.execute("SELECT pg_advisory_lock(1)")
        request = asyncio.create_task(api.trigger(run_id="r"))
        while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.01)
        await connection.execute("UPDATE serialized_dag SET data = $1", _document({**PLAIN, "task_id": "new"}))
        await connection.execute("SELECT pg_advisory_unlock(1)")
        assert (await request)[0] == 200
        assert [row[0] for row in await connection.fetch("SELECT task_id FROM task_instance")] == ["new"]
        assert await connection.fetchval("SELECT count(*) FROM dag_run") == 1


def test_ids_begin_with_the_time() -> None:
    """Version 7, variant of the RFC, in the order in which they are made from one millisecond to the next."""
    ids = [uuid7() for _ in range(1000)]
    assert len(set(ids)) == len(ids)
    assert {(one.version, one.variant) for one in ids} == {(7, "specified in RFC 4122")}
    assert [one.int >> 80 for one in ids] == sorted(one.int >> 80 for one in ids)


def test_the_releases_here_are_recorded() -> None:
    """Those with deadlines in `dag_run`'s company."""
    assert set(WITH_DEADLINES) <= set(RELEASES)
