"""What commands do about an error depends on its code, not on its words."""

import asyncio
from collections.abc import Awaitable, Callable

from tests.acceptance.cli import fill, over_http, windsock
from tests.acceptance.wording import REWORDED, wording

__all__ = ["wording"]

COMMANDS = {
    "trigger_dag -r setup_1 ref_setup": 1,
    "trigger_dag nope": 3,
    "list_dag_runs nope": 3,
    "dag_state ref_setup setup_fail": 0,
    "dag_state ref_setup no_run": 3,
    "dag_state nope 2020-01-01": 3,
    "task_state ref_setup after setup_1": 0,
    "task_log -f ref_setup after setup_1": 3,
    "next_execution nope": 3,
    "delete_dag -y nope": 3,
    "pool -x default_pool": 1,
    "stop_run ref_setup setup_running": 0,
    "clear -y -f ref_setup setup_fail": 0,
    "mark_task nope after 2020-01-01 failed": 3,
    "delete_run -y ref_setup 2019-01-01": 3,
}


async def test_exit_codes(database: str, serve: Callable[..., Awaitable[str]], wording: str) -> None:
    """They are the same however the server words its errors, and if it has no codes; people see the server's words."""
    await fill(database)
    environment = over_http(await serve())
    done = await asyncio.gather(*(windsock(*command.split(), **environment) for command in COMMANDS))
    assert {command: one.code for command, one in zip(COMMANDS, done, strict=True)} == COMMANDS
    shown = [one.err for one in done if one.code and "no_run is not a date" not in one.err]
    assert all(("Something else" in err) == (wording == REWORDED) for err in shown), shown


async def test_another_server(serve: Callable[..., Awaitable[str]], wording: str) -> None:
    """A server without this API at that place is told from one without the DAG."""
    assert wording
    done = await windsock("list_dags", **over_http(f"{await serve()}/elsewhere"))
    assert (done.code, "is not this API" in done.err) == (5, True)
