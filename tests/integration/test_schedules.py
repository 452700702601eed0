"""Schedules on a real database: which runs are made, how often, and what their tasks know."""

import asyncio
import json
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from server.standalone.dags.loader import DagLoader
from server.standalone.scheduler.store import Store
from tests.live import live_server
from tests.scheduling import EMPTY, START, Bench, bash, bench, empty

RUNS = "SELECT run_id FROM dag_run WHERE dag_id = $1 ORDER BY execution_date"
MONTHS = {"__type__": "dateutil.relativedelta.relativedelta", "months": 1}
AT_MIDNIGHT = {
    "__type__": "airflow.timetables.trigger.CronTriggerTimetable",
    "cron": "@daily",
    "timezone": "UTC",
}
SECONDS = {"__type__": "datetime.timedelta", "seconds": 1}
# Schedules that the scheduler has not looked at, or that are due, or wait for the end of other runs.
UNSETTLED = """
SELECT dag_id, windsock_scheduled_hash = dag_hash AS is_known, next_dagrun, next_dagrun_create_after
FROM dag JOIN serialized_dag USING (dag_id)
WHERE is_active AND (
    windsock_scheduled_hash IS DISTINCT FROM dag_hash
    OR NOT is_paused AND next_dagrun IS NOT NULL AND coalesce(next_dagrun_create_after <= now(), true)
)
"""
# Daily schedules as a scheduler left them that was ended on the day $1.
SINCE = """
UPDATE dag SET windsock_scheduled_hash = dag_hash, next_dagrun = day, next_dagrun_data_interval_start = day,
    next_dagrun_data_interval_end = day + interval '1 day', next_dagrun_create_after = day + interval '1 day'
FROM serialized_dag, (SELECT $1::timestamptz AS day) AS given WHERE serialized_dag.dag_id = dag.dag_id
"""


@pytest.fixture
async def b(database: str, tmp_path: Path) -> AsyncIterator[Bench]:
    """Set up a bench, and hold afterwards what its witness saw against the table of transitions."""
    async with bench(database, tmp_path) as made:
        yield made
        assert not await made.witnessed()


def days_ago(number: int) -> str:
    """Return a midnight in UTC as a DAG file has it."""
    return f"{datetime.now(UTC) - timedelta(days=number):%Y-%m-%d}"


def scheduled(start: str = "", **options: object) -> dict[str, object]:
    """Make a DAG with one task that does nothing, and a schedule."""
    return {
        "schedule": "@daily",
        "default_args": {"start_date": start or days_ago(3)},
        "tasks": {"t": empty()},
        **options,
    }


async def runs(b: Bench, dag_id: str) -> list[str]:
    """Return the run ids of a DAG, by date."""
    return [row["run_id"] for row in await b.pool.fetch(RUNS, dag_id)]


def ids(*days: int) -> list[str]:
    """Return the ids of the scheduled runs of these days."""
    return [f"scheduled__{days_ago(number)}T00:00:00+00:00" for number in days]


async def settled(b: Bench) -> None:
    """Wait until every schedule has been looked at and every run has ended; on failure say which have not."""
    try:
        await b.until(f"SELECT NOT EXISTS ({UNSETTLED})", patience=60)
        await b.until_done()
    except TimeoutError:
        running = await b.pool.fetch("SELECT dag_id, run_id FROM dag_run WHERE state = 'running'")
        pytest.fail(f"not settled: {await b.pool.fetch(UNSETTLED)}, running: {running}")


async def test_what_was_missed_is_made_or_not(b: Bench) -> None:
    """Runs are made when their interval has ended: all of them, the last one, or those between two dates."""
    await b.load({
        "all": scheduled(),
        "last": scheduled(catchup=False),
        "none_yet": scheduled(start=days_ago(0)),
        "ended": scheduled(default_args={"start_date": days_ago(9), "end_date": days_ago(8)}),
        "of_dag": scheduled(start=days_ago(5), end_date=days_ago(4)),
        "once": scheduled(schedule="@once"),
        "unscheduled": scheduled(schedule=None),
        "data_sets": scheduled(schedule=["s3://x"]),
        "paused": scheduled(is_paused_upon_creation=True),
        "one_by_one": scheduled(max_active_runs=1),
    })  # fmt: skip
    async with b.scheduler():
        await settled(b)
    expected = {
        "all": ids(3, 2, 1), "last": ids(1), "none_yet": [], "ended": ids(9, 8), "of_dag": ids(5, 4), "once": ids(3),
        "unscheduled": [], "data_sets": [], "paused": [], "one_by_one": ids(3, 2, 1),
    }  # fmt: skip
    assert {dag_id: await runs(b, dag_id) for dag_id in expected} == expected
    nexts = dict(map(tuple, await b.pool.fetch("SELECT dag_id, next_dagrun FROM dag")))
    today = datetime.fromisoformat(days_ago(0)).replace(tzinfo=UTC)
    for dag_id in ("all", "last", "none_yet", "one_by_one"):
        assert nexts[dag_id] == today
    for dag_id in ("ended", "of_dag", "once", "unscheduled", "data_sets"):
        assert nexts[dag_id] is None
    assert nexts["paused"] == today - timedelta(days=3)
    rows = await b.pool.fetch(
        "SELECT execution_date, external_trigger, data_interval_start AS s, data_interval_end AS e"
        " FROM dag_run WHERE dag_id = 'all'"
    )
    assert all(row["execution_date"] == row["s"] == row["e"] - timedelta(days=1) for row in rows)
    assert not any(row["external_trigger"] for row in rows)


async def test_what_falls_due_while_one_looks_is_not_overlooked(b: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The look takes long, so that the next run is due when the scheduler asks for how long it may sleep."""
    look = Store.due_schedules

    async def slow(store: Store, number: int, without: Collection[str]) -> list[asyncpg.Record]:
        found = await look(store, number, without)
        await asyncio.sleep(1.5)
        return found

    monkeypatch.setattr(Store, "due_schedules", slow)
    await b.load({"d": scheduled(schedule=SECONDS, catchup=False)})
    b.config = replace(b.config, scheduler_heartbeat_sec=60)
    async with b.scheduler():
        await b.until("SELECT count(*) >= 5 FROM dag_run", patience=25)


async def test_unpausing_and_files_that_change(b: Bench) -> None:
    """An unpaused schedule goes on at once; a new one follows the last run of the old one."""
    # No heartbeat comes to the rescue.
    b.config = replace(b.config, scheduler_heartbeat_sec=60)
    await b.load({"d": scheduled(is_paused_upon_creation=True), "e": scheduled(catchup=False)})
    async with b.scheduler():
        await b.until("SELECT count(*) = 1 FROM dag_run WHERE state = 'success'")
        # What happens at the start is over.
        await asyncio.sleep(1)
        await b.pool.execute("UPDATE dag SET is_paused = false")
        await b.until("SELECT count(*) = 4 FROM dag_run", patience=20)
        await b.load({"d": scheduled(schedule="0 0,12 * * *"), "e": scheduled(schedule=None)})
        await settled(b)
    found = await runs(b, "d")
    assert found[:3] == ids(3, 2, 1)
    halves = int(datetime.now(UTC).hour >= 12)
    assert len(found) == 3 + halves
    assert await b.pool.fetchval("SELECT next_dagrun IS NULL FROM dag WHERE dag_id = 'e'")


async def test_an_outage_and_a_pause(b: Bench) -> None:
    """What was missed meanwhile is made with catchup; without it the last run alone."""
    asleep = {"is_paused_upon_creation": True}
    await b.load({
        "all": scheduled(days_ago(6)),
        "last": scheduled(days_ago(6), catchup=False),
        "all_paused": scheduled(days_ago(6), **asleep),
        "last_paused": scheduled(days_ago(6), catchup=False, **asleep),
    })  # fmt: skip
    await b.pool.execute(SINCE, datetime.fromisoformat(days_ago(5)).replace(tzinfo=UTC))
    async with b.scheduler():
        await settled(b)
        assert await runs(b, "all") == ids(5, 4, 3, 2, 1)
        assert await runs(b, "last") == ids(1)
        assert await runs(b, "all_paused") == await runs(b, "last_paused") == []
        await b.pool.execute("UPDATE dag SET is_paused = false")
        await settled(b)
    assert await runs(b, "all_paused") == ids(5, 4, 3, 2, 1)
    assert await runs(b, "last_paused") == ids(1)


@pytest.mark.slow
async def test_many_files_and_a_bad_one(b: Bench) -> None:
    """1,000 files, of which one cannot be read: the others have their next run, and those that are due have run."""
    task = f"tasks: {{t: {{operator: {EMPTY}}}}}"
    for n in range(1000):
        due = n % 100 == 0
        start = f"default_args: {{start_date: {days_ago(2 if due else 0)}}}"
        text = f"d{n}: {{schedule: '{n % 60} {n % 24} * * *', {start}, {task}}}"
        (b.dags_folder / f"d{n}.yaml").write_text(text if n != 500 else text.replace(":", ""))
    async with DagLoader(b.pool, b.dags_folder, paused_at_creation=False, settle=0) as loader:
        report = await loader.load_once()
    assert [Path(name).name for name in report.errors] == ["d500.yaml"]
    assert len(report.written) == 999
    async with b.scheduler():
        await settled(b)
    assert await b.pool.fetchval("SELECT count(*) FROM dag WHERE next_dagrun_create_after > now()") == 999
    ran = {row["dag_id"] for row in await b.pool.fetch("SELECT dag_id FROM dag_run WHERE state = 'success'")}
    assert ran == {f"d{n}" for n in range(0, 1000, 100) if n != 500}


async def test_limits_and_manual_runs(b: Bench, tmp_path: Path) -> None:
    """No more runs are made than may be under way; a date that a caller has taken is left out."""
    go = tmp_path / "go"
    slow = {"t": bash(f"until [ -e {go} ]; do sleep 0.05; done")}
    await b.load({"full": scheduled(tasks=slow, max_active_runs=2), "taken": scheduled()})
    day = datetime.fromisoformat(days_ago(2)).replace(tzinfo=UTC)
    await b.pool.execute("INSERT INTO dag_run (dag_id, run_id, execution_date, state, external_trigger)"
                         " VALUES ('taken', 'mine', $1, 'success', true)", day)  # fmt: skip
    async with b.scheduler():
        await b.until("SELECT count(*) = 2 FROM task_instance WHERE dag_id = 'full' AND state = 'running'")
        await b.until("SELECT count(*) = 3 FROM dag_run WHERE dag_id = 'taken'")
        assert await runs(b, "full") == ids(3, 2)
        held = await b.pool.fetchrow("SELECT next_dagrun, next_dagrun_create_after FROM dag WHERE dag_id = 'full'")
        assert held is not None
        assert held["next_dagrun"] == day + timedelta(days=1)
        assert held["next_dagrun_create_after"] is None
        version = "SELECT xmin::text FROM dag WHERE dag_id = 'full'"
        before = await b.pool.fetchval(version)
        await asyncio.sleep(1.2)
        # It is looked at with each heartbeat, and not written.
        assert await b.pool.fetchval(version) == before
        go.touch()
        await settled(b)
    first, _, third = ids(3, 2, 1)
    assert await runs(b, "full") == ids(3, 2, 1)
    assert await runs(b, "taken") == [first, "mine", third]


async def test_no_run_is_made_twice_whatever_races(b: Bench) -> None:
    """Three schedulers, one of which is stopped and started again and again: every second has its run."""
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=5)
    dags = {f"d{n}": scheduled(schedule=SECONDS, start=start.isoformat(), max_active_runs=100) for n in range(5)}
    await b.load(dags)
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(b.scheduler())
        for _ in range(4):
            async with b.scheduler():
                await asyncio.sleep(0.7)
    for dag_id in dags:
        dates = [row[0] for row in await b.pool.fetch(
            "SELECT execution_date FROM dag_run WHERE dag_id = $1 ORDER BY 1", dag_id)]  # fmt: skip
        assert dates == [start + timedelta(seconds=n) for n in range(len(dates))]
        assert len(dates) >= 7


async def test_the_last_run_is_made_again_if_it_is_deleted(b: Bench) -> None:
    """As in Airflow; one before the last is not."""
    await b.load({"d": scheduled()})
    async with b.scheduler():
        await b.until("SELECT count(*) = 3 FROM dag_run WHERE state = 'success'")
        for run_id, left in ((ids(3)[0], ids(2, 1)), (ids(1)[0], ids(2, 1))):
            await b.pool.execute("DELETE FROM task_instance USING dag_run AS r WHERE r.run_id = $1"
                                 " AND r.execution_date = task_instance.execution_date", run_id)  # fmt: skip
            await b.pool.execute("DELETE FROM dag_run WHERE run_id = $1", run_id)
            await settled(b)
            assert await runs(b, "d") == left


async def test_a_run_id_that_is_taken_loses_no_run(b: Bench) -> None:
    """Before a DAG has a schedule somebody may take the id of a scheduled run; that one gets another id."""
    await b.load({"d": scheduled(schedule=None)})
    async with live_server(b.dsn) as url, aiohttp.ClientSession(f"{url}/api/experimental/") as http:
        for run_id, date in ((ids(2)[0], f"{days_ago(3)}T05:00:00"), (ids(1)[0], days_ago(1))):
            answer = await http.post("dags/d/dag_runs", json={"run_id": run_id, "execution_date": date})
            assert answer.status == 200, await answer.text()
    await b.load({"d": scheduled()})
    async with b.scheduler():
        await settled(b)
    # The first is taken by another date; at the last date there is a run.
    assert await runs(b, "d") == [*ids(3), *ids(2), f"{ids(2)[0]}__2", *ids(1)]


async def test_a_dag_with_many_runs_is_deleted(b: Bench) -> None:
    """In a time that grows with the number of its runs, and not with the square of it."""
    await b.load({"d": scheduled()})
    many = 20_000
    await b.pool.execute(
        "INSERT INTO dag_run (dag_id, run_id, execution_date, state, data_interval_start, data_interval_end)"
        " SELECT 'd', 'scheduled__' || date, date, 'success', date, date + interval '1 hour'"
        " FROM generate_series($1::timestamptz, $2, interval '1 hour') AS date",
        START, START + timedelta(hours=many - 1),
    )  # fmt: skip
    await b.pool.execute(
        "INSERT INTO task_instance (dag_id, task_id, execution_date, state, pool)"
        " SELECT dag_id, 't', execution_date, 'success', 'default_pool' FROM dag_run"
    )
    async with live_server(b.dsn) as server, aiohttp.ClientSession() as http, asyncio.timeout(5):
        answer = await http.delete(f"{server}/api/experimental/dags/d/delete_dag")
        # Those, and the rows of the DAG itself.
        assert (answer.status, (await answer.json())["count"]) == (200, 2 * many + 2), await answer.text()


async def test_depends_on_past_goes_by_the_schedule(b: Bench) -> None:
    """The next day waits for the day before, and not for what was triggered between."""
    tasks = {"t": bash("[ {{ ds }} != " + days_ago(2) + " ]", depends_on_past=True)}
    await b.load({"d": scheduled(tasks=tasks)})
    async with b.scheduler():
        await b.until("SELECT count(*) = 1 FROM dag_run WHERE state = 'failed'")
        await b.until("SELECT count(*) = 3 FROM dag_run")
        await asyncio.sleep(1.2)
        states = [row[0] for row in await b.pool.fetch("SELECT state FROM dag_run ORDER BY execution_date")]
        assert states == ["success", "failed", "running"]


async def test_what_templates_know(b: Bench) -> None:
    """The data interval, and the runs before and after; of a run that was triggered the last full interval."""
    names = ("ds", "data_interval_start", "data_interval_end", "prev_ds", "next_ds", "next_execution_date",
             "prev_data_interval_start_success", "prev_data_interval_end_success",
             "dag_run.data_interval_end", "dag_run.external_trigger")  # fmt: skip
    tasks = {"t": bash("echo 'known: " + " ".join(f"{{{{ {name} }}}}" for name in names) + "'")}
    await b.load({"d": scheduled(tasks=tasks, start=days_ago(2), max_active_runs=1)})
    async with b.scheduler():
        await b.until("SELECT count(*) = 2 FROM dag_run WHERE state = 'success'")
        await b.pool.execute("INSERT INTO dag_run (dag_id, run_id, execution_date, state, external_trigger, start_date)"
                             " VALUES ('d', 'mine', now(), 'running', true, now())")  # fmt: skip
        await b.until("SELECT count(*) = 3 FROM dag_run WHERE state = 'success'")

    def at(number: int) -> str:
        return f"{days_ago(number)}T00:00:00+00:00"

    logs = [log.read_text().partition("known: ")[2] for log in sorted(b.log_folder.rglob("1.log"))]
    said = [text.splitlines()[0].split() for text in logs]
    assert [words[0] for words in said] == [days_ago(2), days_ago(1), days_ago(0)]
    assert said[0][1:] == [at(2), at(1), days_ago(3), days_ago(1), at(1), "None", "None", at(1), "False"]
    assert said[1][1:] == [at(1), at(0), days_ago(2), days_ago(0), at(0), at(2), at(1), at(0), "False"]
    today = days_ago(0)
    assert said[2][1:5] == [at(1), at(0), today, today]
    assert said[2][6:] == [at(1), at(0), at(0), "True"]


async def test_what_templates_know_of_a_run(b: Bench) -> None:
    """Its type, an empty conf where none was given, and the time zone of its DAG."""
    words = "{{ dag_run.run_type }} {{ dag_run.conf.get('x', 'none') }} {{ dag_run.conf }} {{ dag.timezone }}"
    tasks = {"t": bash(f"echo 'known: {words}'")}
    defaults = {"start_date": days_ago(10), "timezone": "Europe/Warsaw"}
    await b.load({"d": scheduled(tasks=tasks, default_args=defaults, catchup=False)})
    await insert_runs(b, backfill__1=day_of(9), mine=day_of(8))
    async with b.scheduler():
        await b.until("SELECT count(*) = 3 FROM dag_run WHERE state = 'success'")
    rest = ["none", "{}", "Europe/Warsaw"]
    assert said(b) == [["backfill", *rest], ["manual", *rest], ["scheduled", *rest]]


async def test_the_dates_of_a_backfilled_run_before(b: Bench) -> None:
    """The runs after it, of the schedule or of a backfill too, know its data interval."""
    names = ("start", "end")
    tasks = {"t": bash("echo known: " + " ".join(f"{{{{ prev_data_interval_{name}_success }}}}" for name in names))}
    await b.load({"d": scheduled(tasks=tasks, start=days_ago(10), catchup=False)})
    await insert_runs(b, backfill__1=day_of(5), backfill__2=day_of(2))
    await b.pool.execute("UPDATE dag_run SET state = 'success'")
    await insert_runs(b, backfill__3=day_of(4))
    async with b.scheduler():
        await b.until("SELECT count(*) = 4 FROM dag_run WHERE state = 'success'")
    assert said(b) == [[f"{days_ago(n)}T00:00:00+00:00" for n in days] for days in ((5, 4), (2, 1))]


async def test_the_api_shows_the_interval_of_every_run(b: Bench) -> None:
    """Of a backfilled run that of the schedule's own, and of one that somebody triggered the last full one."""
    await b.load({"d": scheduled(start=days_ago(10), catchup=False, is_paused_upon_creation=True)})
    await insert_runs(b, backfill__1=day_of(3), mine=day_of(3) + timedelta(hours=1))
    shown = {}
    async with live_server(b.dsn) as url, aiohttp.ClientSession(f"{url}/api/experimental/") as http:
        for run_id in ("backfill__1", "mine"):
            async with http.get(f"dags/d/dag_runs/run_id={run_id}?details=true") as answer:
                run = await answer.json()
                shown[run_id] = run["run_type"], run["data_interval_start"], run["data_interval_end"]

    def at(number: int) -> str:
        return f"{days_ago(number)}T00:00:00+00:00"

    assert shown == {"backfill__1": ("backfill", at(3), at(2)), "mine": ("manual", at(4), at(3))}


async def insert_runs(b: Bench, **dates: datetime) -> None:
    """Insert runs of the DAG `d` as a caller or a backfill would, without a conf."""
    for run_id, date in dates.items():
        await b.pool.execute("INSERT INTO dag_run (dag_id, run_id, execution_date, state, external_trigger, start_date)"
                             " VALUES ('d', $1, $2, 'running', true, now())", run_id, date)  # fmt: skip


def said(b: Bench) -> list[list[str]]:
    """Return the words after `known:` in the log of each run, by date."""
    logs = [log.read_text().partition("\nknown: ")[2] for log in sorted(b.log_folder.rglob("1.log"))]
    return [text.splitlines()[0].split() for text in logs]


async def test_the_api_shows_schedules_and_keeps_their_run_ids(b: Bench) -> None:
    """A caller may name a run as a schedule does only where there is none."""
    await b.load(
        {
            "d": scheduled(start=days_ago(0)),
            "free": scheduled(schedule=None),
            "sets": scheduled(schedule=["s3://x"]),
            "trigger": scheduled(schedule=AT_MIDNIGHT, start=days_ago(-1)),
            "relative": scheduled(schedule=MONTHS, start=days_ago(-1)),
        }
    )
    async with b.scheduler():
        await settled(b)
    body = {"run_id": "scheduled__2020-06-01T00:00:00+00:00", "execution_date": "2038-01-01T00:00:00"}
    async with live_server(b.dsn) as url, aiohttp.ClientSession(f"{url}/api/experimental/") as http:
        async with http.post("dags/d/dag_runs", json=body) as answer:
            refused = await answer.json()
            assert (answer.status, refused["code"]) == (400, "invalid_run_id")
            assert "reserved for scheduled runs" in refused["error"]
        async with http.post("dags/free/dag_runs", json=body) as answer:
            assert answer.status == 200
        async with http.get("dags") as answer:
            nexts = {dag["dag_id"]: dag["next_dagrun"] for dag in await answer.json()}
            tomorrow = f"{days_ago(-1)}T00:00:00+00:00"
            today = f"{days_ago(0)}T00:00:00+00:00"
            assert nexts == {"d": today, "free": None, "sets": None, "trigger": tomorrow, "relative": tomorrow}
        async with http.get("dags/trigger") as answer:
            dag = await answer.json()
            assert (dag["schedule_interval"], dag["timetable_description"]) == ("0 0 * * *", None)
            assert dag["next_dagrun_create_after"] == dag["next_dagrun"] == tomorrow
        async with http.get("dags/relative") as answer:
            dag = await answer.json()
            assert json.loads(dag["schedule_interval"]) == {"type": "relativedelta", "attrs": {"months": 1}}
        async with http.get("dags/d") as answer:
            dag = await answer.json()
            assert dag["next_dagrun"] == dag["next_dagrun_data_interval_start"] == f"{days_ago(0)}T00:00:00+00:00"
            assert (
                dag["next_dagrun_create_after"]
                == dag["next_dagrun_data_interval_end"]
                == f"{days_ago(-1)}T00:00:00+00:00"
            )
            assert dag["timetable_description"] is None
        async with http.get("dags/sets") as answer:
            assert "not data sets" in (await answer.json())["timetable_description"]


async def test_a_backfill_holds_up_no_schedule(b: Bench, tmp_path: Path) -> None:
    """Its runs begin one after the other, as max_active_runs says; the schedule's own run is made and begins."""
    go = tmp_path / "go"
    slow = {"t": bash(f"case {{{{ run_id }}}} in backfill*) until [ -e {go} ]; do sleep 0.05; done;; esac")}
    await b.load({"d": scheduled(start=days_ago(9), tasks=slow, max_active_runs=1, catchup=False)})
    async with live_server(b.dsn) as url, aiohttp.ClientSession(f"{url}/api/experimental/") as http:
        for number in (8, 7, 6):
            date = f"{days_ago(number)}T00:00:00+00:00"
            body = {"run_id": f"backfill__{date}", "execution_date": date}
            async with http.post("dags/d/dag_runs", json=body) as answer:
                assert answer.status == 200
    begun = "SELECT count(*) = 1 FROM task_instance WHERE state = 'running'"
    async with b.scheduler():
        await b.until("SELECT count(*) = 1 FROM dag_run WHERE run_id LIKE 'scheduled%' AND state = 'success'")
        await b.until(begun)
        assert await b.pool.fetchval("SELECT count(*) FROM task_instance WHERE execution_date < $1", day_of(2)) == 1
        go.touch()
        await settled(b)
    assert await runs(b, "d") == [*(f"backfill__{days_ago(n)}T00:00:00+00:00" for n in (8, 7, 6)), *ids(1)]


async def test_a_backfill_depends_on_its_own_past(b: Bench) -> None:
    """The run after one that failed waits, as one of a schedule would."""
    fails = {"t": bash(f"[ {{{{ ds }}}} != {days_ago(8)} ]", depends_on_past=True)}
    await b.load({"d": scheduled(start=days_ago(9), tasks=fails, schedule="@yearly", catchup=True)})
    for number in (8, 7):
        await b.pool.execute(
            "INSERT INTO dag_run (dag_id, run_id, execution_date, state, external_trigger, start_date)"
            " VALUES ('d', $1, $2, 'running', true, now())", f"backfill__{number}", day_of(number),
        )  # fmt: skip
    async with b.scheduler():
        await b.until("SELECT count(*) = 1 FROM dag_run WHERE state = 'failed'")
        await asyncio.sleep(1)
        assert await b.pool.fetchval("SELECT state FROM dag_run WHERE run_id = 'backfill__7'") == "running"


def day_of(number: int) -> datetime:
    """Return the midnight so many days ago."""
    return datetime.fromisoformat(days_ago(number)).replace(tzinfo=UTC)


async def test_a_scheduler_ends_whatever_becomes_of_its_connections(b: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Giving back a connection that is lost in that moment raises another error than the cancellation."""
    begun = asyncio.Event()

    async def look(_store: Store, _number: int, _without: Collection[str]) -> list[asyncpg.Record]:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            raise asyncpg.ConnectionDoesNotExistError("gone")

    monkeypatch.setattr(Store, "due_schedules", look)
    async with asyncio.timeout(30):
        async with b.scheduler():
            await begun.wait()
