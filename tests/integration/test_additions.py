"""What callers asked Airflow for and never got: paging, finding runs, lists of DAGs and tasks, a safe pause switch."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Any
from urllib.parse import quote

import aiohttp
import asyncpg
import pytest

from server.app import create_app
from server.http.keys import TRAFFIC
from server.serving.listener import listen, serving_app
from tests.contract import cases
from tests.live import config_for

API = "/api/experimental"
Serve = Callable[..., Awaitable[str]]
RUNS = f"{API}/dags/ref_setup/dag_runs"
ODD = 'a b/c>d"\N{LATIN SMALL LETTER E WITH ACUTE}'
DATES = [f"2020-01-0{day}" for day in (5, 6, 7, 8)]


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database)
    await connection.execute(cases.ROWS.read_text())
    yield connection
    await connection.close()


class Client:
    """Asks one server."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session, self.url = session, url

    async def ask(self, path: str, method: str = "GET", **options: Any) -> tuple[int, Any, aiohttp.ClientResponse]:  # noqa: ANN401
        async with self.session.request(method, self.url + path, **options) as response:
            return response.status, await response.json(), response

    async def days(self, query: str) -> list[str]:
        status, runs, _ = await self.ask(f"{RUNS}?{query}")
        assert status == 200, runs
        return [run["execution_date"][:10] for run in runs]


@pytest.fixture
async def client(serve: Serve, connection: asyncpg.Connection) -> AsyncIterator[Client]:
    assert connection
    url = await serve()
    async with aiohttp.ClientSession() as session:
        yield Client(session, url)


async def test_runs_are_listed_whole_in_the_order_of_their_dates(client: Client) -> None:
    """The default answer is Airflow's, without headers of ours."""
    assert await client.days("") == DATES
    _, _, response = await client.ask(RUNS)
    assert "Link" not in response.headers
    assert "X-Total-Count" not in response.headers


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("limit=2", DATES[:2]),
        ("order_by=-execution_date&limit=1", DATES[3:]),
        ("order_by=execution_date&limit=2&offset=1", DATES[1:3]),
        ("order_by=-execution_date&offset=3", DATES[:1]),
        ("execution_date_gte=2020-01-07", DATES[2:]),
        ("execution_date_lte=2020-01-06T01:02:03.456789Z", DATES[:2]),
        ("execution_date_gte=2020-01-06&execution_date_lte=2020-01-07", DATES[1:3]),
        ("run_id=setup_fail", DATES[2:3]),
        ("run_id=nothing", []),
        ("state=failed&state=running&order_by=execution_date", DATES[2:]),
        ("state=SUCCESS&limit=1", DATES[:1]),
    ],
)
async def test_runs_are_filtered_and_paged(client: Client, query: str, expected: list[str]) -> None:
    """Each parameter alone and together."""
    assert await client.days(query) == expected


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=x", "offset=-1&order_by=execution_date", "order_by=color", "offset=1", "run_id=",
              "state=a&state=b", "execution_date_gte=never", "limit=1&limit=2"]
)  # fmt: skip
async def test_what_cannot_be_meant_is_400(client: Client, query: str) -> None:
    """With words that say what would be right."""
    status, body, _ = await client.ask(f"{RUNS}?{query}")
    assert status == 400
    assert body["error"]


async def test_pages_link_to_each_other_and_count(client: Client) -> None:
    """Following `next` reads every run once."""
    seen: list[str] = []
    path: str | None = f"{RUNS}?limit=3"
    while path is not None:
        _, runs, response = await client.ask(path)
        assert response.headers["X-Total-Count"] == "4"
        seen += [run["run_id"] for run in runs]
        following = response.links.get("next")
        path = following["url"].path_qs if following else None  # type: ignore[union-attr]
    assert seen == ["setup_1", "setup_us", "setup_fail", "setup_running"]


async def test_links_keep_the_path_encoded(client: Client, connection: asyncpg.Connection) -> None:
    """Whatever is in the name of a DAG, a client finds the pages."""
    await connection.execute("INSERT INTO dag (dag_id, is_subdag, is_active) VALUES ($1, false, true)", ODD)
    await connection.execute(
        "INSERT INTO serialized_dag SELECT (jsonb_populate_record(s, jsonb_build_object('dag_id', $1::text))).*"
        " FROM serialized_dag AS s WHERE dag_id = 'ref_cron'",
        ODD,
    )
    path = f"{API}/dags/{quote(ODD, safe='')}/dag_runs"
    _, _, response = await client.ask(f"{path}?limit=1")
    assert response.headers["Link"].startswith(f"<{path}?")
    assert response.headers["Link"].isascii()


LONG = """
INSERT INTO dag_run (dag_id, run_id, execution_date, state)
SELECT 'ref_cron', 'r' || i, timestamptz '2021-01-01Z' + i * interval '1 minute', 'success'
FROM generate_series(1, 5001) AS i
"""


async def test_a_long_list_comes_whole(client: Client, connection: asyncpg.Connection) -> None:
    """Over several thousand runs the list is streamed, and still one JSON list in order."""
    await connection.execute(LONG)
    _, runs, response = await client.ask(f"{API}/dags/ref_cron/dag_runs", headers={"X-Request-ID": "long"})
    assert response.headers.get("Transfer-Encoding") == "chunked"
    assert response.headers["X-Request-ID"] == "long"
    assert [run["run_id"] for run in runs] == [f"r{number}" for number in range(1, 5002)]


async def test_a_long_list_ends_its_connection_before_a_stop(database: str, connection: asyncpg.Connection) -> None:
    """As every answer does, so that clients come back by a new one."""
    await connection.execute(LONG)
    config = config_for(database, shutdown_timeout="1")
    app = create_app(config)
    async with serving_app(app, config, listen(config)) as url, aiohttp.ClientSession() as session:
        app[TRAFFIC].stopping = True
        _, _, response = await Client(session, url).ask(f"{API}/dags/ref_cron/dag_runs")
        assert response.headers["Connection"] == "close"


async def test_dags_are_listed(client: Client, connection: asyncpg.Connection) -> None:
    """By dag_id, sub-DAGs aside, with what a dashboard wants to know."""
    _, dags, _ = await client.ask(f"{API}/dags")
    expected = await connection.fetch('SELECT dag_id FROM dag WHERE NOT is_subdag ORDER BY dag_id COLLATE "C"')
    assert [dag["dag_id"] for dag in dags] == [row[0] for row in expected]
    [cron] = [dag for dag in dags if dag["dag_id"] == "ref_cron"]
    assert cron == {"dag_id": "ref_cron", "is_active": True, "is_paused": True, "next_dagrun": None, "owners": "x",
                    "schedule_interval": "0 3 * * *", "tags": []}  # fmt: skip
    _, page, response = await client.ask(f"{API}/dags?limit=1&offset=1&order_by=-dag_id")
    assert page == [dags[-2]]
    assert int(response.headers["X-Total-Count"]) == len(dags)


async def test_tasks_are_listed(client: Client) -> None:
    """With what depends on what."""
    _, tasks, _ = await client.ask(f"{API}/dags/ref_echo/tasks")
    assert [(task["task_id"], task["downstream_task_ids"]) for task in tasks] == [
        ("echo_conf", ["after"]),
        ("after", []),
    ]
    status, _, _ = await client.ask(f"{API}/dags/nope/tasks")
    assert status == 404


async def test_patch_pauses_and_unpauses(client: Client) -> None:
    """The safe twin of the GET; a sub-DAG follows its parent."""
    for paused in (False, True):
        status, _, _ = await client.ask(f"{API}/dags/ref_parent", "PATCH", json={"is_paused": paused})
        assert status == 200
        for dag_id in ("ref_parent", "ref_parent.section"):
            assert (await client.ask(f"{API}/dags/{dag_id}/paused"))[1] == {"is_paused": paused}
    assert (await client.ask(f"{API}/dags/nope", "PATCH", json={"is_paused": True}))[0] == 404
    assert (await client.ask(f"{API}/dags/ref_parent", "PATCH", json={"is_paused": "yes"}))[0] == 400


async def test_a_trigger_on_a_paused_dag_says_so(client: Client) -> None:
    """The run is made all the same."""
    _, answer, response = await client.ask(f"{API}/dags/ref_echo/dag_runs", "POST", json={})
    assert "paused" in response.headers["X-Windsock-Warning"]
    # Strict deserializers refuse any other key.
    assert set(answer) == {"execution_date", "message", "run_id"}
    await client.ask(f"{API}/dags/ref_echo/paused/false")
    _, answer, response = await client.ask(
        f"{API}/dags/ref_echo/dag_runs", "POST", json={"execution_date": "2021-01-01T00:00:00Z"}
    )
    assert "paused" not in response.headers.get("X-Windsock-Warning", "")
    assert set(answer) == {"execution_date", "message", "run_id"}


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/test?x=1", "Query parameter ignored: x (this endpoint has none)"),
        ("/latest_runs?limit=1&limit=2", "Query parameter ignored: limit (those of this endpoint are details)"),
        (
            "/dags/ref_setup/dag_runs?limti=5&state=success",
            "Query parameter ignored: limti (those of this endpoint are ",
        ),
        (
            "/dags?orderby=1&%0d%0aX=1",
            "Query parameter ignored: orderby, \\r\\nX (those of this endpoint are active,",
        ),
        ("/pools/nope?z", "Query parameter ignored: z (this"),
        ("/dags?" + "&".join(f"{'p' * 500}{n}=1" for n in range(12)), "pppp... and 8 more (those"),
        ("/dags/ref_setup/dag_runs?limit=1&offset=0", ""),
        ("/dags", ""),
        ("/nowhere?x=1", ""),
    ],
)
async def test_parameters_that_an_endpoint_has_not_are_named(client: Client, path: str, words: str) -> None:
    """They are ignored, as by Airflow, but a typo can be found; of long and many ones the header stays short."""
    _, _, response = await client.ask(f"{API}{path}")
    warning = response.headers.get("X-Windsock-Warning", "")
    assert words in warning
    assert bool(words) == bool(warning)
    assert len(warning) < 500


async def test_task_info_follows_the_serialized_row(client: Client, connection: asyncpg.Connection) -> None:
    """What is cached of a DAG is never older than its row, whatever column of it changed."""
    path = f"{API}/dags/ref_echo/tasks/after"
    assert (await client.ask(path))[1]["bash_command"] == "echo done"
    await connection.execute(
        "UPDATE serialized_dag SET data = replace(data::text, 'echo done', 'echo anew')::json WHERE dag_id = 'ref_echo'"
    )
    assert (await client.ask(path))[1]["bash_command"] == "echo anew"
    await connection.execute("DELETE FROM serialized_dag WHERE dag_id = 'ref_echo'")
    assert (await client.ask(path))[0] == 404
    assert (await client.ask(f"{API}/dags/ref_echo/dag_runs", "POST", json={}))[0] == 404


async def test_without_any_serialized_dag_triggers_work_and_task_info_says_what_to_do(
    client: Client, connection: asyncpg.Connection
) -> None:
    """An Airflow 1.10 without store_serialized_dags."""
    await connection.execute("DELETE FROM serialized_dag")
    body = {"execution_date": "2021-01-01T00:00:00Z"}
    assert (await client.ask(f"{API}/dags/ref_echo/dag_runs", "POST", json=body))[0] == 200
    assert (await client.ask(f"{API}/dags/ref_echo/dag_runs/2021-01-01"))[1] == {"state": "running"}
    status, answer, _ = await client.ask(f"{API}/dags/ref_echo/tasks/after")
    assert status == 404
    assert "store_serialized_dags" in answer["error"]


async def test_a_serialized_row_that_holds_no_dag_is_404(client: Client, connection: asyncpg.Connection) -> None:
    """Some tools write such rows; they are no reason for a 500."""
    await connection.execute("UPDATE serialized_dag SET data = '{}' WHERE dag_id = 'ref_echo'")
    for path in ("tasks/after", "tasks", "code"):
        status, answer, _ = await client.ask(f"{API}/dags/ref_echo/{path}")
        assert (status, answer) == (404, {"code": "dag_not_found", "error": "Dag id ref_echo not found"})


async def test_a_family_is_triggered_together_or_not_at_all(client: Client, connection: asyncpg.Connection) -> None:
    """A sub-DAG's run that is in the way names itself, and the parent's run is not made."""
    body = {"run_id": "one", "execution_date": "2021-01-01T00:00:00Z"}
    assert (await client.ask(f"{API}/dags/ref_parent.section/dag_runs", "POST", json=body))[0] == 200
    status, answer, _ = await client.ask(f"{API}/dags/ref_parent/dag_runs", "POST", json={**body, "run_id": "two"})
    assert status == 400
    assert "ref_parent.section" in answer["error"]
    assert "one" in answer["error"]
    assert await connection.fetchval("SELECT count(*) FROM dag_run WHERE dag_id = 'ref_parent'") == 0


async def test_offsets_with_seconds_are_kept(serve: Serve, connection: asyncpg.Connection) -> None:
    """Local times of long ago have them; the run is at that very second, and found there."""
    url = await serve(default_timezone="Europe/Amsterdam")
    date = "1890-01-01T00:00:00"
    async with aiohttp.ClientSession() as session:
        client = Client(session, url)
        status, answer, _ = await client.ask(f"{API}/dags/ref_cron/dag_runs", "POST", json={"execution_date": date})
        assert (status, answer["execution_date"][:19]) == (200, date)
        stored = await connection.fetchval("SELECT execution_date FROM dag_run WHERE run_id = $1", answer["run_id"])
        assert stored == datetime.fromisoformat(answer["execution_date"])
        assert stored.second
        assert (await client.ask(f"{API}/dags/ref_cron/dag_runs/{date}"))[1] == {"state": "running"}


async def test_health_is_airflows(client: Client, connection: asyncpg.Connection) -> None:
    """Healthy only with a running scheduler whose heartbeat is recent."""
    _, health, _ = await client.ask("/health")
    assert health["metadatabase"] == {"status": "healthy"}
    assert health["scheduler"]["status"] == "unhealthy"
    await connection.execute(
        "INSERT INTO job (job_type, state, latest_heartbeat) VALUES ('SchedulerJob', 'running', now())"
    )
    _, health, _ = await client.ask("/health")
    assert health["scheduler"]["status"] == "healthy"
    assert health["scheduler"]["latest_scheduler_heartbeat"]
    stopped = "('SchedulerJob', 'success', now() + interval '1 s')"
    await connection.execute(f"INSERT INTO job (job_type, state, latest_heartbeat) VALUES {stopped}")
    assert (await client.ask("/health"))[1]["scheduler"]["status"] == "healthy"
    await connection.execute("UPDATE job SET latest_heartbeat = now() - interval '1 min' WHERE state = 'running'")
    assert (await client.ask("/health"))[1]["scheduler"]["status"] == "unhealthy"


async def test_pausing_waits_for_a_scheduler_that_holds_the_row(client: Client, connection: asyncpg.Connection) -> None:
    """An Airflow's scheduler locks rows of `dag` for seconds; the pause is done, not refused."""
    async with connection.transaction():
        await connection.execute("SELECT FROM dag WHERE dag_id = 'ref_echo' FOR UPDATE")
        asking = asyncio.ensure_future(client.ask(f"{API}/dags/ref_echo/paused/false"))
        await asyncio.sleep(2.5)
        assert not asking.done()
    assert (await asking)[0] == 200
