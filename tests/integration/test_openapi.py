"""The description of the API says what the server does, no less and no more."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import asyncpg
import pytest
from jsonschema import Draft202012Validator
from msgspec import UNSET, structs

from server.api.routes import PARAMETERS
from server.app import create_app
from server.wire import TaskInstance
from tests.contract import cases
from tests.contract.cases import Request
from tests.contract.client import Answer, send
from tests.description import OPENAPI, Description
from tests.live import config_for

API = "/api/experimental"
EVENTS = f"{API}/events"
DAG = f"{API}/dags/ref_setup"
RUN = f"{DAG}/dag_runs/2020-01-05T00:00:00+00:00"

REQUESTS = [
    ("GET", f"{API}/test", None, 200),
    ("GET", f"{API}/openapi.json", None, 200),
    ("GET", f"{API}/whoami", None, 200),
    ("GET", "/health", None, 200),
    ("POST", f"{API}/session", None, 200),
    ("DELETE", f"{API}/session", None, 200),
    ("GET", f"{API}/dags", None, 200),
    ("GET", f"{API}/dags?limit=2&offset=1", None, 200),
    ("GET", f"{API}/dags?limit=0", None, 400),
    ("GET", f"{API}/dags?details=true&order_by=next_dagrun", None, 200),
    ("GET", f"{API}/dags?paused=no", None, 400),
    ("GET", f"{API}/dag_tags", None, 200),
    ("PATCH", DAG, '{"is_paused": true}', 200),
    ("PATCH", DAG, '{"is_paused": 1}', 400),
    ("PATCH", f"{API}/dags/nope", '{"is_paused": true}', 404),
    ("GET", f"{DAG}/paused", None, 200),
    ("GET", f"{API}/dags/ref_nullpaused/paused", None, 200),
    ("GET", f"{API}/dags/nope/paused", None, 404),
    ("GET", f"{DAG}/paused/false", None, 200),
    ("GET", f"{DAG}/paused/no", None, 400),
    ("GET", f"{DAG}/code", None, 200),
    ("GET", f"{API}/dags/nope/code", None, 404),
    ("GET", f"{DAG}/tasks", None, 200),
    ("GET", f"{API}/dags/nope/tasks", None, 404),
    ("GET", f"{API}/version", None, 200),
    ("GET", f"{DAG}/tasks?details=true", None, 200),
    ("GET", f"{API}/pools?details=true", None, 200),
    ("GET", f"{DAG}/grid", None, 200),
    ("GET", f"{DAG}/grid?limit=1&before=1", None, 200),
    ("GET", f"{DAG}/grid?before=x", None, 400),
    ("GET", f"{API}/dags/nope/grid", None, 404),
    ("GET", f"{DAG}/tasks/echo_conf", None, 200),
    ("GET", f"{DAG}/tasks/nope", None, 404),
    ("GET", DAG, None, 200),
    ("GET", f"{DAG}?next_runs=2", None, 200),
    ("GET", f"{API}/dags/ref_echo?next_runs=2&execution_date_gte=2020-01-01&execution_date_lte=2020-02-01", None, 200),
    ("GET", f"{DAG}?next_runs=1001", None, 400),
    ("GET", f"{API}/dags/nope?next_runs=1", None, 404),
    ("GET", f"{API}/dags/nope", None, 404),
    ("GET", f"{DAG}/dag_runs", None, 200),
    ("GET", f"{DAG}/dag_runs?limit=1&order_by=-execution_date", None, 200),
    ("GET", f"{DAG}/dag_runs?order_by=execution_date&state=success&state=failed", None, 200),
    ("GET", f"{DAG}/dag_runs?run_id=setup_1", None, 200),
    ("GET", f"{DAG}/dag_runs?execution_date_gte=2020-01-06&execution_date_lte=2020-01-07", None, 200),
    ("GET", f"{DAG}/dag_runs?order_by=state", None, 400),
    ("GET", f"{API}/dags/nope/dag_runs", None, 400),
    ("POST", f"{DAG}/dag_runs", "{}", 200),
    ("POST", f"{API}/dags/ref_echo/dag_runs", '{"conf": {"a": 1}}', 200),
    ("POST", f"{DAG}/dag_runs", '{"execution_date": "x"}', 400),
    ("POST", f"{API}/dags/nope/dag_runs", "{}", 404),
    ("GET", RUN, None, 200),
    ("POST", f"{API}/dag_runs/states", '[{"dag_id": "ref_setup", "run_id": "setup_1"}, {"dag_id": "d"}, 1]', 200),
    ("POST", f"{API}/dag_runs/states", "{}", 400),
    ("GET", f"{RUN}?details=true", None, 200),
    ("GET", f"{RUN}?details=maybe", None, 400),
    ("GET", f"{RUN}/tasks", None, 200),
    ("GET", f"{RUN}/tasks?limit=1&order_by=-task_id", None, 200),
    ("GET", f"{RUN}/tasks?order_by=state", None, 400),
    ("GET", f"{DAG}/dag_runs/2020-01-09/tasks", None, 404),
    ("GET", f"{DAG}/dag_runs/2020-01-09", None, 404),
    ("GET", f"{RUN}/tasks/echo_conf", None, 200),
    ("GET", f"{RUN}/tasks/nope", None, 404),
    ("GET", f"{RUN}/tasks/echo_conf/logs", None, 200),
    ("GET", f"{RUN}/tasks/echo_conf/logs?try_number=1", None, 200),
    ("GET", f"{RUN}/tasks/echo_conf/logs?try_number=2", None, 404),
    ("GET", f"{RUN}/tasks/echo_conf/logs?try_number=../1", None, 400),
    ("GET", f"{RUN}/tasks/nope/logs", None, 404),
    ("GET", f"{RUN}/tasks/echo_conf/waits_for", None, 200),
    ("GET", f"{DAG}/dag_runs/2020-01-08T00:00:00+00:00/tasks/after/waits_for", None, 200),
    ("GET", f"{RUN}/tasks/nope/waits_for", None, 404),
    ("GET", f"{DAG}/dag_runs/2020-01-09/tasks/after/waits_for", None, 404),
    ("GET", f"{API}/import_errors", None, 200),
    ("GET", f"{API}/import_errors?limit=1&order_by=-filename", None, 200),
    ("GET", f"{API}/import_errors?order_by=id", None, 400),
    ("GET", f"{API}/latest_runs", None, 200),
    ("GET", f"{API}/events?dag_id=", None, 400),
    ("GET", f"{API}/latest_runs?details=true", None, 200),
    ("GET", f"{API}/unfinished_runs", None, 200),
    ("GET", f"{API}/pools", None, 200),
    ("POST", f"{API}/pools", '{"name": "p", "slots": "3", "description": null}', 200),
    ("POST", f"{API}/pools", '{"name": "p"}', 400),
    ("GET", f"{API}/pools/default_pool", None, 200),
    ("GET", f"{API}/pools/nope", None, 404),
    ("DELETE", f"{API}/pools/p_inuse", None, 200),
    ("DELETE", f"{API}/pools/default_pool", None, 400),
    ("POST", f"{DAG}/dag_runs/2020-01-07/clear", '{"dry_run": true}', 200),
    ("POST", f"{DAG}/dag_runs/2020-01-07/clear", "{}", 200),
    ("POST", f"{DAG}/dag_runs/2020-01-07/clear", '{"task_ids": []}', 400),
    ("POST", f"{DAG}/dag_runs/2020-01-07/clear", '{"task_ids": ["nope"]}', 404),
    ("PATCH", f"{DAG}/dag_runs/2020-01-07", '{"state": "failed"}', 200),
    ("PATCH", f"{DAG}/dag_runs/2020-01-07", '{"state": "queued"}', 400),
    ("PATCH", f"{DAG}/dag_runs/2020-01-09", '{"state": "failed"}', 404),
    ("PATCH", f"{RUN}/tasks/echo_conf", '{"state": "failed"}', 200),
    ("PATCH", f"{RUN}/tasks/echo_conf", "{}", 400),
    ("PATCH", f"{RUN}/tasks/nope", '{"state": "failed"}', 404),
    ("DELETE", RUN, None, 200),
    ("DELETE", RUN, None, 404),
    ("DELETE", DAG, None, 200),
    ("DELETE", DAG, None, 404),
    ("DELETE", f"{API}/dags/ref_victim/delete_dag", None, 200),
    ("DELETE", f"{API}/dags/ref_victim/delete_dag", None, 404),
]


@pytest.fixture
async def url(database: str, serve: Callable[..., Awaitable[str]], tmp_path: Path) -> str:
    """Serve a database with DAGs, and the log of a task."""
    folder = tmp_path / "ref_setup" / "echo_conf" / "2020-01-05T00:00:00+00:00"
    folder.mkdir(parents=True)
    (folder / "1.log").write_text("hello\n")
    connection = await asyncpg.connect(database)
    try:
        await connection.execute(cases.ROWS.read_text())
        await connection.execute(
            "INSERT INTO import_error (filename, stacktrace, timestamp) VALUES ('/a.yaml', '/a.yaml:1: no', now()),"
            " (NULL, NULL, NULL)"
        )
    finally:
        await connection.close()
    return await serve(base_log_folder=tmp_path)


def test_every_route_is_described_and_back() -> None:
    """A route without its description, or the other way round, is an error; HEAD goes with GET."""
    app = create_app(config_for("postgresql://nobody@localhost/none"))
    routes = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    assert routes == Description.read().operations()


def test_the_query_parameters_are_those_that_the_server_knows() -> None:
    """Of every endpoint; what it does not know it ignores, with a warning."""
    app = create_app(config_for("postgresql://nobody@localhost/none"))
    known = {
        (route.method, route.resource.canonical): PARAMETERS.get(route.handler, frozenset())
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    assert Description.read().query_parameters() == known


def test_every_schema_is_a_schema() -> None:
    """The schemas are sound, every reference leads somewhere, and every operation has its own id."""
    description = Description.read()
    for schema in description.document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    text = OPENAPI.read_text()
    for kind, parts in description.document["components"].items():
        for name in parts:
            assert kind == "securitySchemes" or f'"#/components/{kind}/{name}"' in text, f"{name} is not used"
    operations = [item[method] for item in description.document["paths"].values() for method in item]
    assert len({operation["operationId"] for operation in operations}) == len(operations)


def test_a_task_instance_has_the_described_shape() -> None:
    """It stands in one place besides the description: the names are the same, and the same ones may be missing."""
    schema = Description.read().document["components"]["schemas"]["TaskInstance"]
    fields = {field.name: field.default for field in structs.fields(TaskInstance)}
    assert set(fields) == set(schema["properties"])
    assert {name for name, default in fields.items() if default is not UNSET} == set(schema["required"])


async def test_answers_are_as_described(url: str) -> None:
    """Every operation, with a success and its failures; a success of each one is among them."""
    description = Description.read()
    wrong, seen = [], set()
    for method, target, body, status in REQUESTS:
        answer = await send(url, Request(method, target, {}, body))
        problems = list(description.problems(method, target, answer))
        if answer.status != status or problems:
            wrong.append((method, target, answer.status, answer.body[:300], problems))
        if status == 200:
            seen.add(description.template(method, target))
    assert not wrong, "\n".join(map(str, wrong))
    assert seen | {("GET", EVENTS)} == description.operations()


async def test_a_stream_is_as_described(url: str) -> None:
    """It has no end."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}{EVENTS}") as response:
        headers = {name.lower(): value for name, value in response.headers.items()}
        assert list(Description.read().problems("GET", EVENTS, Answer(response.status, headers, b""))) == []


async def test_the_description_is_served(url: str) -> None:
    """What is served is the file."""
    answer = await send(url, Request("GET", f"{API}/openapi.json", {}, None))
    assert json.loads(answer.body) == json.loads(OPENAPI.read_bytes())


async def test_the_base_path_is_where_the_server_is(serve: Callable[..., Awaitable[str]]) -> None:
    """Clients made from the description find it behind a prefix too."""
    for base_path, url in (("/", "/"), ("/wind", "/wind")):
        root = await serve(base_path=base_path)
        async with aiohttp.ClientSession() as session, session.get(f"{root}{API}/openapi.json") as response:
            assert [server["url"] for server in (await response.json())["servers"]] == [url]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, '{"is_paused":"yes"}'),
        (200, "{}"),
        (200, "[]"),
        (404, '{"code":"dag_not_found","error":""}'),
        (404, '{"error":"x"}'),
        (404, '{"code":"gone","error":"x"}'),
        (404, '{"code":"locked","error":"x"}'),
        (418, '{"code":"invalid_request","error":"x"}'),
        (503, '{"code":"locked","error":"x"}'),
    ],
)
def test_a_wrong_answer_is_seen(status: int, body: str) -> None:
    """An answer with another shape, status or header than described is a problem."""
    answer = Answer(status, {"content-type": "application/json"}, body.encode())
    assert list(Description.read().problems("GET", f"{DAG}/paused", answer))
    right = Answer(200, {"content-type": "application/json"}, json.dumps({"is_paused": True}).encode())
    assert not list(Description.read().problems("GET", f"{DAG}/paused", right))
