"""Over HTTP and straight on the database a call has the same result, or the same error."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from server.local_client import LocalClient
from tests.acceptance.cli import fill
from tests.live import config_for
from windsock.client import ApiError, Client
from windsock.client.json_client import JsonClient

RUN = "ref_setup", "2020-01-05T00:00:00+00:00"
DEEP: Any = 0
for _ in range(101):
    DEEP = [DEEP]

CALLS: dict[str, Callable[[Client], object]] = {
    "test": lambda client: client.test(),
    "runs": lambda client: client.get_dag_runs("ref_setup"),
    "some runs": lambda client: client.get_dag_runs("ref_setup", "SUCCESS", descending=True, limit=2),
    "runs of ids": lambda client: client.get_dag_runs("ref_setup", run_id=["setup_1", "setup_2", "none"]),
    "runs of dates": lambda client: client.get_dag_runs("ref_setup", execution_date_gte="2020-01-06 00:00"),
    "state": lambda client: client.get_dag_run_state(*RUN),
    "state by run_id": lambda client: client.get_dag_run_state(RUN[0], "run_id=setup_1", wait=30),
    "states": lambda client: client.get_dag_run_states(
        [RUN, ("ref_setup", "run_id=setup_2"), ("nope", "run_id=x"), ("ref_setup", "never"), ("ref_setup", "run_id=")]
    ),
    "states at the end": lambda client: client.get_dag_run_states([RUN, RUN], wait=5),
    "wait": lambda client: client.wait(*RUN, timeout=5),
    "latest": lambda client: client.get_latest_runs(),
    "latest with states": lambda client: client.get_latest_runs(details=True),
    "unfinished": lambda client: client.get_unfinished_runs(),
    "run": lambda client: client.get_dag_run(RUN[0], "run_id=setup_1", wait=0.1),
    "instances": lambda client: client.get_task_instances(*RUN),
    "dag": lambda client: client.get_dag("ref_setup"),
    "next runs": lambda client: client.get_dag("ref_setup", next_runs=2),
    "runs of a schedule": lambda client: client.get_dag("ref_echo", next_runs=9, execution_date_gte="2020-01-05"),
    "dags": lambda client: client.get_dags(),
    "some dags": lambda client: client.get_dags(search="REF", tag=["none", "x"], paused=False, active=True),
    "dags by their runs": lambda client: client.get_dags(details=True, order_by="-last_run", limit=3, offset=1),
    "dags in a state": lambda client: client.get_dags(state="Success", owner=["airflow"]),
    "tags": lambda client: client.get_dag_tags(),
    "version": lambda client: client.get_version(),
    "grid": lambda client: client.get_grid("ref_setup"),
    "older": lambda client: client.get_grid("ref_setup", 2, client.get_grid("ref_setup", 1)["runs"][0]["id"]),
    "tasks in order": lambda client: client.get_tasks("ref_setup", details=True),
    "pools in use": lambda client: client.get_pools(details=True),
    "import errors": lambda client: client.get_import_errors(),
    "paused": lambda client: client.is_paused("ref_echo"),
    "code": lambda client: client.get_code("ref_setup"),
    "tasks": lambda client: client.get_tasks("ref_setup"),
    "task": lambda client: client.get_task("ref_setup", "after"),
    "instance": lambda client: client.get_task_instance(*RUN, "after"),
    "waits for": lambda client: client.get_waits_for(*RUN, "after"),
    "pools": lambda client: client.get_pools(),
    "pool": lambda client: client.get_pool("default_pool"),
    "set": lambda client: client.create_pool("a/b ü", "3", None),
    "pause": lambda client: client.set_paused("ref_setup", is_paused=True),
    "dry run": lambda client: client.clear_dag_run("ref_setup", "2020-01-07", dry_run=True),
    "dry run of some": lambda client: client.clear_dag_run(
        *RUN, task_ids=("echo_conf",), only_failed=False, downstream=True, dry_run=True
    ),
    "mark again": lambda client: client.set_dag_run_state("ref_setup", "run_id=setup_1", "success"),
    "mark a task again": lambda client: client.set_task_instance_state(*RUN, "after", "success", -1),
}
ERRORS: dict[str, tuple[Callable[[Client], object], str]] = {
    "runs": (lambda client: client.get_dag_runs("nope"), "dag_not_found"),
    "id": (lambda client: client.get_dag_runs("a\0b"), "invalid_request"),
    "date": (lambda client: client.get_dag_run_state("nope", "never"), "invalid_date"),
    "run": (lambda client: client.get_dag_run_state("ref_setup", "2019-01-01"), "run_not_found"),
    "details": (lambda client: client.get_dag_run("ref_setup", "2019-01-01"), "run_not_found"),
    "instances": (lambda client: client.get_task_instances("nope", RUN[1]), "dag_not_found"),
    "dag": (lambda client: client.get_dag("nope"), "dag_not_found"),
    "next runs": (lambda client: client.get_dag("nope", next_runs=0), "invalid_request"),
    "runs of a schedule": (
        lambda client: client.get_dag("ref_setup", next_runs=1, execution_date_lte="never"),
        "invalid_date",
    ),
    "order": (lambda client: client.get_dags(order_by="x"), "invalid_request"),
    "grid": (lambda client: client.get_grid("ref_setup", before=2**31 - 1), "run_not_found"),
    "large grid": (lambda client: client.get_grid("ref_setup", 101), "invalid_request"),
    "task": (lambda client: client.get_task("ref_setup", "nope"), "task_not_found"),
    "log": (lambda client: client.get_task_log(*RUN, "after"), "log_not_found"),
    "pool": (lambda client: client.get_pool(" "), "invalid_pool"),
    "slots": (lambda client: client.create_pool("p", "many", None), "invalid_pool"),
    "default": (lambda client: client.delete_pool("default_pool"), "pool_not_deletable"),
    "deletion": (lambda client: client.delete_dag("nope"), "dag_not_found"),
    "taken": (lambda client: client.trigger_dag("ref_setup", "setup_1"), "run_exists"),
    "date taken": (lambda client: client.trigger_dag("ref_setup", "new", execution_date=RUN[1]), "date_taken"),
    "long": (lambda client: client.trigger_dag("ref_setup", "x" * 251), "invalid_run_id"),
    "text": (lambda client: client.trigger_dag("ref_setup", conf="[1"), "invalid_conf"),
    "mark": (lambda client: client.set_dag_run_state(*RUN, "running"), "invalid_request"),
    "mark nothing": (lambda client: client.set_task_instance_state(*RUN, "nope", "failed"), "task_instance_not_found"),
    "clear": (lambda client: client.clear_dag_run(*RUN, task_ids="echo_conf"), "invalid_request"),
    "clear no task": (lambda client: client.clear_dag_run(*RUN, task_ids=[]), "invalid_request"),
    "clear an unknown task": (lambda client: client.clear_dag_run(*RUN, task_ids=["nope"]), "task_not_found"),
    "delete a run": (lambda client: client.delete_dag_run("ref_setup", "2019-01-01"), "run_not_found"),
    "DAG first": (lambda client: client.trigger_dag("nope", "x" * 251, {"a": "\0"}), "dag_not_found"),
}
UNSTORABLE: dict[str, Any] = {"a": {"a": "\0"}, "b": {"a": float("nan")}, "c": {"a": DEEP}, "d": {"\ud800": 1}}


@pytest.fixture
async def clients(database: str, serve: Callable[..., Awaitable[str]]) -> AsyncIterator[tuple[Client, Client]]:
    """Make one of each kind, for the same database."""
    await fill(database)
    pair = JsonClient(await serve()), LocalClient(config_for(database))
    yield pair
    for client in pair:
        await asyncio.to_thread(client.close)


def test_every_method_has_a_case() -> None:
    """A method of `Client` that nobody compares here would not be missed."""
    called = {
        name for call in (*CALLS.values(), *(call for call, _ in ERRORS.values())) for name in call.__code__.co_names
    }
    methods = {name for name in dir(Client) if callable(getattr(Client, name)) and not name.startswith("_")}
    # `error` is a class; `events` never end, and have tests of their own.
    # A part of a log is read as the whole one is; `whoami` differs on purpose.
    assert methods - called == {"close", "error", "events", "get_task_log_part", "whoami"}


async def test_results(clients: tuple[Client, Client]) -> None:
    """They are equal, down to the order of the keys."""
    for name, call in CALLS.items():
        remote, local = [await asyncio.to_thread(call, client) for client in clients]
        assert repr(local) == repr(remote), name


async def test_errors(clients: tuple[Client, Client]) -> None:
    """Status, code and text are equal."""
    for name, (call, code) in ERRORS.items():
        said = []
        for client in clients:
            with pytest.raises(ApiError) as error:
                await asyncio.to_thread(call, client)
            said.append((error.value.status, error.value.code, str(error.value)))
        assert said[0] == said[1], name
        assert said[0][1] == code, name


@pytest.mark.parametrize("name", UNSTORABLE)
async def test_a_conf_that_is_no_json_is_refused(clients: tuple[Client, Client], name: str) -> None:
    """NUL, NaN, too many levels, half of a surrogate pair: nothing of it reaches the database."""
    for client in clients:
        with pytest.raises(ApiError) as error:
            await asyncio.to_thread(client.trigger_dag, "ref_setup", "new", UNSTORABLE[name])
        assert error.value.status == 400
        assert await asyncio.to_thread(lambda: clients[0].get_dag_runs("ref_setup", run_id="new")) == []


async def test_who_is_asked(clients: tuple[Client, Client]) -> None:
    """Straight on the database nobody authenticates; what may be done is the same as on an open server."""
    over_http, local = [await asyncio.to_thread(client.whoami) for client in clients]
    assert over_http.pop("backend") == "default"
    assert local.pop("backend") is None
    assert over_http == local
    assert (local["user"], local["roles"]) == (None, ["Admin"])
    assert {"permission": "can_create on DAG Runs", "dags": None} in local["permissions"]
