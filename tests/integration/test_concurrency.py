"""Many clients that want the same: each run is made once, and everybody is told the truth."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import asyncpg
import pytest

from tests.contract import cases
from tests.contract.cases import Request
from tests.contract.client import Answer, send

CLIENTS = 200
RUN_IDS = [f"run_{number}" for number in range(20)]
SAME_DATE = "2020-03-01T00:00:00+00:00"


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    """Fill the database with DAGs, and connect to it."""
    connection = await asyncpg.connect(database)
    try:
        await connection.execute(cases.ROWS.read_text())
        yield connection
    finally:
        await connection.close()


@pytest.fixture(params=[1, 2], ids=["one server", "two servers"])
async def urls(
    request: pytest.FixtureRequest, connection: asyncpg.Connection, serve: Callable[[], Awaitable[str]]
) -> list[str]:
    """Serve the database once or twice."""
    assert connection
    return [await serve() for _ in range(request.param)]


async def trigger_all(urls: Sequence[str], dag_id: str, dates: Sequence[str]) -> list[Answer]:
    """Trigger with each of the run ids, ten clients for each, all at once; `dates` belong to the run ids."""
    requests = [
        Request(
            "POST",
            f"/api/experimental/dags/{dag_id}/dag_runs",
            {"Content-Type": "application/json"},
            json.dumps({"run_id": run_id, "execution_date": date, "conf": {"client": client}}),
        )
        for client in range(CLIENTS // len(RUN_IDS))
        for run_id, date in zip(RUN_IDS, dates, strict=True)
    ]
    assert len(requests) == CLIENTS
    sent = [send(urls[number % len(urls)], request) for number, request in enumerate(requests)]
    return await asyncio.gather(*sent)


async def runs(connection: asyncpg.Connection, dag_id: str) -> list[tuple[str, str]]:
    """Read the ids and states of the DAG's runs, by date."""
    rows = await connection.fetch("SELECT run_id, state FROM dag_run WHERE dag_id = $1 ORDER BY execution_date", dag_id)
    return [(run_id, state) for run_id, state in rows]


def errors(answers: Sequence[Answer]) -> list[str]:
    """Collect the texts of the refusals."""
    return [json.loads(answer.body)["error"] for answer in answers if answer.status != 200]


@pytest.mark.parametrize("dag_id", ["ref_echo", "ref_parent"])
async def test_each_run_is_made_once(urls: list[str], connection: asyncpg.Connection, dag_id: str) -> None:
    """200 clients, 20 run ids, a date for each: 20 runs, all others are told that the run exists."""
    dates = [f"2020-02-01T00:{number:02}:00+00:00" for number in range(len(RUN_IDS))]
    answers = await trigger_all(urls, dag_id, dates)
    assert Counter(answer.status for answer in answers) == {200: len(RUN_IDS), 400: CLIENTS - len(RUN_IDS)}
    made = [json.loads(answer.body)["run_id"] for answer in answers if answer.status == 200]
    assert sorted(made) == sorted(RUN_IDS)
    expected = [(run_id, "running") for run_id in RUN_IDS]
    assert await runs(connection, dag_id) == expected
    assert set(errors(answers)) <= {f"Run id {run_id} already exists for dag id {dag_id}" for run_id in RUN_IDS}
    if dag_id == "ref_parent":
        assert await runs(connection, "ref_parent.section") == expected


@pytest.mark.parametrize("dag_id", ["ref_echo", "ref_parent"])
async def test_a_date_has_one_run(urls: list[str], connection: asyncpg.Connection, dag_id: str) -> None:
    """200 clients, 20 run ids, one date: one run, all others are told which one it is."""
    answers = await trigger_all(urls, dag_id, [SAME_DATE] * len(RUN_IDS))
    assert Counter(answer.status for answer in answers) == {200: 1, 400: CLIENTS - 1}
    (made,) = [json.loads(answer.body)["run_id"] for answer in answers if answer.status == 200]
    assert await runs(connection, dag_id) == [(made, "running")]
    assert all(made in error for error in errors(answers))
    if dag_id == "ref_parent":
        assert await runs(connection, "ref_parent.section") == [(made, "running")]


async def test_a_caller_sees_its_own_run_at_once(urls: list[str]) -> None:
    """While others read and trigger, each client finds the state of the run that it was just told of."""
    path = "/api/experimental/dags/ref_echo/dag_runs"

    async def trigger_and_read(number: int) -> None:
        date = f"2020-04-01T{number // 60:02}:{number % 60:02}:00+00:00"
        body = json.dumps({"execution_date": date})
        url = urls[number % len(urls)]
        made = await send(url, Request("POST", path, {}, body))
        assert made.status == 200, made
        read = await send(url, Request("GET", f"{path}/{date}", {}, None))
        assert json.loads(read.body) == {"state": "running"}

    await asyncio.gather(*(trigger_and_read(number) for number in range(CLIENTS)))
