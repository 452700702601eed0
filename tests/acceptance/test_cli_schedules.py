"""The commands about schedules, with a scheduler that makes runs."""

import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.acceptance.cli import on_database, over_http, windsock
from tests.live import live_server
from tests.scheduling import Bench, bench, empty


@pytest.fixture
async def b(database: str, tmp_path: Path) -> AsyncIterator[Bench]:
    """Set up a bench, and hold afterwards what its witness saw against the table of transitions."""
    async with bench(database, tmp_path) as made:
        yield made
        assert not await made.witnessed()


@pytest.fixture(params=["http", "database"])
async def client(request: pytest.FixtureRequest, b: Bench) -> AsyncIterator[Mapping[str, str]]:
    """Return the environment of a client of the bench's database."""
    if request.param == "database":
        yield on_database(b.dsn)
        return
    async with live_server(b.dsn) as url:
        yield over_http(url)


def date(days_ago: int) -> str:
    """Return a midnight in UTC as the commands show it."""
    return f"{datetime.now(UTC) - timedelta(days=days_ago):%Y-%m-%d}T00:00:00+00:00"


def daily(**options: object) -> dict[str, object]:
    """Make a DAG that runs since three days ago."""
    return {
        "schedule": "@daily", "default_args": {"start_date": date(3)[:10]}, "tasks": {"t": empty()}, **options,
    }  # fmt: skip


async def test_the_next_runs_of_schedules(b: Bench, client: Mapping[str, str]) -> None:
    """As the scheduler has planned them, or will; a note on stderr says what one may not expect."""
    await b.load({
        "daily": daily(),
        "paused": daily(is_paused_upon_creation=True, catchup=False),
        "ended": daily(end_date=date(2)[:10]),
        "none": daily(schedule=None),
        "sets": daily(schedule=["s3://x"]),
        "never": daily(schedule="0 0 30 2 *"),
        "no_start": daily(default_args={"start_date": None}),
    })  # fmt: skip

    async def said(*arguments: str) -> tuple[int, str, str]:
        return tuple(await windsock(*arguments, **client))  # type: ignore[return-value]

    # Nobody has planned anything yet.
    assert await said("next_execution", "daily") == (0, f"{date(3)}\n", "")
    async with b.scheduler():
        await b.until("SELECT count(*) = 5 FROM dag_run")
        await b.until_done()
    assert await said("next_execution", "daily") == (0, f"{date(0)}\n", "")
    code, out, err = await said("dags", "next-execution", "-n", "3", "-o", "json", "daily")
    assert (code, err) == (0, "")
    assert json.loads(out) == [
        {
            "execution_date": date(n),
            "data_interval_start": date(n),
            "data_interval_end": date(n - 1),
            "run_after": date(n - 1),
        }
        for n in (0, -1, -2)
    ]
    pause = "The DAG is paused: no run is made until it is unpaused\n"
    assert await said("next_execution", "-n", "2", "paused") == (0, f"{date(1)}\n{date(0)}\n", pause)
    assert await said("next_execution", "ended") == (0, "None\n", "The schedule has no further run\n")
    assert await said("next_execution", "none") == (0, "None\n", "The DAG has no schedule\n")
    code, out, err = await said("next_execution", "sets")
    assert (code, out) == (0, "None\n")
    assert err.startswith("This schedule is not run: ")
    never, no_start = "it leads to no further date", "it needs a `start_date`"
    assert await said("next_execution", "never") == (0, "None\n", f"This schedule is not run: {never}\n")
    assert await said("next_execution", "no_start") == (0, "None\n", f"This schedule is not run: {no_start}\n")
    code, _, err = await said("next_execution", "nope")
    assert (code, err) == (3, "Error: Dag id nope not found in DagModel\n")
    assert (await said("next_execution", "-n", "101", "daily"))[0] == 2
