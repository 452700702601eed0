"""What Windsock triggers is run by the Airflow beside it. `make test-airflow` runs this, `make test` does not."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from urllib.parse import quote

import pytest

from tests.airflow.conftest import Beside
from tests.airflow.real import until
from tests.live import live_server

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(400)]

_DELETED = """
SELECT DISTINCT table_name::text FROM information_schema.columns
WHERE table_schema = 'public' AND column_name = 'dag_id' AND table_name <> 'log'
"""
# Moments around changes of the clocks in Berlin, New York and on Lord Howe, and some on ticks.
MOMENTS = (
    "2024-03-05T12:34:56+00:00", "2024-03-06T00:00:00+00:00", "2024-03-04T02:30:00+00:00",
    "2024-03-10T06:59:00+00:00", "2024-03-10T07:00:00+00:00", "2024-11-03T05:30:00+00:00", "2024-11-03T06:30:00+00:00",
    "2024-03-31T00:59:59+00:00", "2024-03-31T01:00:00+00:00", "2024-03-31T12:00:00+00:00",
    "2024-10-27T00:30:00+00:00", "2024-10-27T01:00:00+00:00", "2024-10-27T01:30:00+00:00",
    "2024-04-06T15:10:00+00:00", "2024-10-05T15:45:00+00:00", "2024-02-29T23:59:59.999999+00:00",
)  # fmt: skip


async def test_a_triggered_run_succeeds_and_sees_its_conf(beside: Beside) -> None:
    """The whole way: trigger, scheduler, executor, task, and back through every endpoint that tells of it."""
    conf = {
        "message": "grüße 🌍",
        "list": [1, 2.5, None, True, {"a": []}],
        "": "empty key",
        "__type": "dict",
        "big": 2**60,
    }
    run_id = "a run/of ours" if beside.generation == 1 else "a_run.of:ours+1"
    made = await beside.trigger("ws_echo", conf=conf, run_id=run_id)
    date = made["execution_date"]
    task = f"/dags/ws_echo/dag_runs/{quote(date)}/tasks/echo"
    assert (await beside.call("GET", task))[0] == 200
    await beside.finished("ws_echo", date)
    assert await beside.echoed("ws_echo", made) == conf
    status, instance = await beside.call("GET", task)
    assert (status, instance["state"], instance["operator"]) == (200, "success", "PythonOperator")
    _, runs = await beside.call("GET", "/dags/ws_echo/dag_runs?run_id=" + quote(run_id, safe=""))
    assert [run["state"] for run in runs] == ["success"]
    _, latest = await beside.call("GET", "/latest_runs")
    assert "ws_echo" in [item["dag_id"] for item in latest["items"]]
    async with beside.http.get(f"{beside.url}/health") as answer:
        assert (await answer.json())["scheduler"]["status"] == "healthy"


async def test_a_run_without_conf_succeeds(beside: Beside) -> None:
    """No conf is what each Airflow writes for none: NULL in 1.10, an empty dict later."""
    made = await beside.trigger("ws_echo", execution_date="2024-02-03T04:05:06+05:30")
    await beside.finished("ws_echo", "2024-02-02T22:35:06Z")
    assert await beside.echoed("ws_echo", made) in (None, {})


async def test_a_paused_dag_waits_until_windsock_unpauses_it(beside: Beside) -> None:
    """Nothing happens while it is paused; the answer says so."""
    assert (await beside.call("GET", "/dags/ws_paused/paused/true"))[0] == 200
    made = await beside.trigger("ws_paused", conf={"a": 1})
    assert "paused" in (beside.warning or "")
    await asyncio.sleep(3)
    assert await beside.state("ws_paused", made["execution_date"]) in {"queued", "running"}
    assert not await beside.database.fetchval("SELECT count(state) FROM task_instance WHERE dag_id = 'ws_paused'")
    assert (await beside.call("GET", "/dags/ws_paused/paused/false"))[0] == 200
    await beside.finished("ws_paused", made["execution_date"])
    assert await beside.echoed("ws_paused", made) == {"a": 1}


async def test_a_task_runs_in_a_pool_that_windsock_made(beside: Beside) -> None:
    """A pool of no slots holds the task up, as a missing one would; slots let it run."""
    pool = {"name": "ws_pool", "slots": 0, "description": "of the tests"}
    assert (await beside.call("POST", "/pools", pool))[0] == 200
    made = await beside.trigger("ws_pool")
    await asyncio.sleep(4)
    assert await beside.state("ws_pool", made["execution_date"]) in {"queued", "running"}
    status, changed = await beside.call("POST", "/pools", {**pool, "slots": 2})
    assert (status, changed["slots"]) == (200, 2)
    await beside.finished("ws_pool", made["execution_date"])
    assert (await beside.call("DELETE", "/pools/ws_pool"))[0] == 200


async def test_max_active_runs_holds(beside: Beside) -> None:
    """Of three runs one at a time is running, where Airflow has a queue of runs (2 and later)."""
    dates = [(await beside.trigger("ws_one", execution_date=f"2024-01-0{day}"))["execution_date"] for day in (4, 5, 6)]

    async def states() -> bool:
        found = [await beside.state("ws_one", date) for date in dates]
        assert beside.generation == 1 or found.count("running") <= 1
        return found == ["success"] * 3

    await until(states, "all runs succeed", 150, beside.airflow)


async def test_a_future_run_waits_for_its_date(beside: Beside) -> None:
    """It neither runs nor succeeds before."""
    date = (datetime.now(UTC) + timedelta(seconds=9)).replace(microsecond=0)
    made = await beside.trigger("ws_echo", execution_date=date.isoformat())
    await asyncio.sleep(4)
    assert await beside.state("ws_echo", made["execution_date"]) in {"queued", "running"}
    if beside.generation > 1:
        await beside.finished("ws_echo", made["execution_date"])


async def test_a_mapped_task_has_a_state_for_all_and_for_each(beside: Beside) -> None:
    """One of three instances fails: so does the task, while the others succeed."""
    if beside.generation == 1:
        return
    made = await beside.trigger("ws_mapped")
    await beside.finished("ws_mapped", made["execution_date"], "failed")
    path = f"/dags/ws_mapped/dag_runs/{quote(made['execution_date'])}/tasks/mapped"
    answers = [await beside.call("GET", path + query) for query in ("", *(f"?map_index={i}" for i in range(3)))]
    assert [(status, answer["state"], answer["map_index"]) for status, answer in answers] == [
        (200, "failed", "1"), (200, "success", "0"), (200, "failed", "1"), (200, "success", "2"),
    ]  # fmt: skip
    assert (await beside.call("GET", f"{path}?map_index=3"))[0] == 404


async def test_sub_dags_run_with_the_conf(beside: Beside) -> None:
    """A run of the parent is one of its sub-DAGs, whose tasks see its conf; never a success without them."""
    if beside.generation == 3:
        return
    made = await beside.trigger("ws_parent", conf={"inner": 1})
    await beside.finished("ws_parent.inner", made["execution_date"])
    assert await beside.echoed("ws_parent.inner", made) == {"inner": 1}


async def test_params_are_checked(beside: Beside) -> None:
    """What the schema refuses is a 400 that names the param; the defaults stay Airflow's own business."""
    if beside.generation == 1:
        return
    good = await beside.trigger("ws_params", conf={"must": "abc", "else": [1]})
    without: tuple[tuple[dict[str, Any], str], ...] = (
        () if beside.airflow.release.version.startswith("2.7") else (({}, "must"),)
    )
    refused = (*without, ({"must": "abcd"}, "must"), ({"must": "a", "n": 0}, "n"), ({"must": "a", "when": "x"}, "when"))
    for conf, name in refused:
        status, answer = await beside.call(
            "POST", "/dags/ws_params/dag_runs", {"conf": conf, "run_id": f"r{len(conf)}"}
        )
        assert (status, answer["error"].partition(": ")[0]) == (400, f"Invalid input for param {name}")
    await beside.finished("ws_params", good["execution_date"])


async def test_data_intervals_are_those_of_airflow(beside: Beside) -> None:
    """For every kind of schedule in every zone: the row that Windsock writes and the one that Airflow's API does."""
    if beside.generation == 1:
        return
    found = await beside.database.fetch("SELECT dag_id FROM dag WHERE dag_id LIKE 'ws\\_times\\_%\\_ours' ORDER BY 1")
    dag_ids = [row[0] for row in found]
    assert len(dag_ids) >= 65
    if beside.airflow.release.version.startswith("2.7"):
        # It counts these otherwise on days when the clocks change; docs/beside-your-airflow.md says so.
        dag_ids = [dag_id for dag_id in dag_ids if "six_hours" not in dag_id]
    moments = MOMENTS if beside.airflow.release.version in {"2.11.2", "3.3.2"} else MOMENTS[:9]
    requests = list(product(dag_ids, moments))
    await asyncio.gather(
        *(beside.trigger(dag_id, run_id=f"at_{date}", execution_date=date) for dag_id, date in requests)
    )
    theirs = [[_twin(dag_id), f"at_{date}", date] for dag_id, date in requests]
    await asyncio.to_thread(beside.airflow.ask, "trigger", theirs)
    await _check_twins(beside, len(requests))


async def test_presets_without_data_intervals(beside: Beside) -> None:
    """With [scheduler] create_cron_data_intervals = False a preset of 2.9 and later means moments, as in 3.x anyway."""
    if beside.generation == 1 or (
        beside.airflow.release.version < "2.9" and "2.10" not in beside.airflow.release.version
    ):
        return
    options = {"create_cron_data_intervals": "False"}
    dag_ids = [f"ws_times_{zone}_{preset}_ours" for zone in ("utc", "berlin") for preset in ("daily", "weekly", "cron")]
    requests = list(product(dag_ids, ("2023-03-26T12:00:00+00:00", "2023-03-27T00:00:00+00:00")))
    before = await beside.database.fetchval(_TIMED)
    async with live_server(beside.airflow.dsn, **options) as url:
        other = replace(beside, url=url)
        for dag_id, date in requests:
            await other.trigger(dag_id, run_id=f"moment_{date}", execution_date=date)
    theirs = [[_twin(dag_id), f"moment_{date}", date] for dag_id, date in requests]
    setting = {"SCHEDULER__CREATE_CRON_DATA_INTERVALS": "False"}
    await asyncio.to_thread(beside.airflow.ask, "trigger", theirs, **setting)
    await _check_twins(beside, len(requests) + before // 2)


_TIMED = "SELECT count(*) FROM dag_run WHERE dag_id LIKE 'ws\\_times\\_%' AND run_id ~ '^(at|moment)_'"


def _twin(dag_id: str) -> str:
    return dag_id.removesuffix("ours") + "theirs"


async def _check_twins(beside: Beside, pairs: int) -> None:
    """Every run of ours and its twin of theirs have the same interval and type; there are so many pairs."""
    different = await beside.database.fetch(f"""
        SELECT a.dag_id, a.{beside.date}::text, a.data_interval_start::text || ' ' || a.data_interval_end AS ours,
            b.data_interval_start::text || ' ' || b.data_interval_end AS theirs
        FROM dag_run AS a
        JOIN dag_run AS b ON b.dag_id = replace(a.dag_id, '_ours', '_theirs') AND b.{beside.date} = a.{beside.date}
        WHERE a.dag_id LIKE 'ws\\_times\\_%\\_ours'
            AND (a.data_interval_start, a.data_interval_end, a.run_type)
                IS DISTINCT FROM (b.data_interval_start, b.data_interval_end, b.run_type)""")
    assert not different, "\n".join(str(tuple(row)) for row in different)
    assert await beside.database.fetchval(_TIMED) == 2 * pairs


async def test_import_errors(beside: Beside) -> None:
    """A DAG whose file Airflow cannot import any more: listed with its traceback, and a trigger of it warns."""

    async def is_known() -> bool:
        return (await beside.call("GET", "/dags/breaks/tasks"))[0] == 200

    await until(is_known, "its file is parsed", 120, beside.airflow)
    await beside.trigger("breaks", execution_date="2024-05-01T00:00:00Z")
    assert "import errors" not in (beside.warning or "")
    (beside.airflow.home / "break").touch()
    try:

        async def is_noticed() -> bool:
            _, found = await beside.call("GET", "/import_errors")
            return any("broken by a test" in (one["stacktrace"] or "") for one in found)

        await until(is_noticed, "the broken file is noticed", 120, beside.airflow)
        _, found = await beside.call("GET", "/import_errors")
        assert [one["filename"].rpartition("/")[2] for one in found] == ["windsock_broken.py"]
        await beside.trigger("breaks", execution_date="2024-05-02T00:00:00Z")
        assert "The DAG's file has import errors" in (beside.warning or "")
        await beside.trigger("ws_echo", execution_date="2024-05-02T00:00:01Z")
        assert "import errors" not in (beside.warning or "")
    finally:
        (beside.airflow.home / "break").unlink()


async def test_a_dag_whose_task_runs_is_not_deleted(beside: Beside) -> None:
    """Airflow 2 and 3 refuse that: 409, and nothing is gone."""
    if beside.generation == 1:
        return
    made = await beside.trigger("ws_wait")

    async def is_running() -> object:
        query = "SELECT 1 FROM task_instance WHERE dag_id = 'ws_wait' AND state = 'running'"
        return await beside.database.fetchval(query)

    await until(is_running, "the task runs", 60, beside.airflow)
    status, answer = await beside.call("DELETE", "/dags/ws_wait")
    assert status == 409
    assert "running" in answer["error"]
    beside.airflow.go.touch()
    await beside.finished("ws_wait", made["execution_date"])


# What parses DAG files has a process group of its own, and may end a moment later. Windsock's sessions have a name.
_GONE = """
SELECT NOT EXISTS (
    SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND usesysid IS NOT NULL AND application_name = ''
)
"""


async def test_deleting_removes_what_airflow_removes(beside: Beside) -> None:
    """Of twins Windsock deletes one and Airflow the other: both leave the same, and Windsock's count is exact."""
    twins = ("ws_delete_ours", "ws_delete_theirs")
    made = [await beside.trigger(twin, conf={"a": 1}) for twin in twins]
    for twin, run in zip(twins, made, strict=True):
        await beside.finished(twin, run["execution_date"])
    # Nobody brings them back meanwhile.
    await asyncio.to_thread(beside.airflow.stop)
    await until(lambda: beside.database.fetchval(_GONE), "Airflow has left its database", 60)
    try:
        before = [await _rows(beside, twin) for twin in twins]
        assert before[0] == before[1]
        status, answer = await beside.call("DELETE", f"/dags/{twins[0]}")
        assert status == 200
        await asyncio.to_thread(beside.airflow.ask, "delete", [twins[1]])
        after = [await _rows(beside, twin) for twin in twins]
        assert after[0] == after[1]
        assert answer["count"] == sum(before[0].values()) - sum(after[0].values())
    finally:
        # Tests of other files have the same one.
        beside.airflow.start()
        await beside.airflow.until_parsed()


async def _rows(beside: Beside, dag_id: str) -> dict[str, int]:
    """Rows that name a DAG, by table."""
    tables = [row[0] for row in await beside.database.fetch(_DELETED)]
    return {
        table: await beside.database.fetchval(f"SELECT count(*) FROM {table} WHERE dag_id = $1", dag_id)
        for table in tables
    }
