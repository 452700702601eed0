"""What a command costs before it does anything."""

import json
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence

import pytest

from tests.acceptance.cli import WINDSOCK, fill, over_http, windsock

HEAVY = {"aiohttp", "asyncpg", "asyncio", "msgspec", "pendulum", "structlog", "yaml", "bcrypt", "jinja2", "requests"}
HELP_LIMIT, TRIGGER_LIMIT = 7, 15
_IMPORTED = """
import json, sys
from windsock.cli import main
try:
    main(sys.argv[1:])
except SystemExit:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


@pytest.mark.parametrize("words", [["--help"], ["trigger_dag", "--help"], ["pools", "--help"], ["version"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    """Nor does anything else that answers by itself."""
    done = subprocess.run([sys.executable, "-c", _IMPORTED, *words], capture_output=True, text=True, check=True)
    assert HEAVY & set(json.loads(done.stderr)) == set()


def test_the_json_client_imports_nothing_heavy() -> None:
    """Only what HTTP needs, even where nothing answers."""
    command = [sys.executable, "-c", _IMPORTED, "trigger_dag", "x"]
    environment = {**os.environ, **over_http("http://127.0.0.1:9")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert HEAVY & set(json.loads(done.stderr.splitlines()[-1])) == set()


def _seconds(command: Sequence[str], environment: Mapping[str, str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env={**os.environ, **environment}, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


async def test_start_up_beside_an_empty_program(
    database: str, serve: Callable[..., Awaitable[str]], record_property: Callable[[str, object], None]
) -> None:
    """CPU of `--help` and of a trigger over HTTP, in multiples of `python -c pass`."""
    await fill(database)
    environment = over_http(await serve())
    assert (await windsock("trigger_dag", "ref_setup", **environment)).code == 0
    # The server cannot answer while this test blocks its loop: a closed port costs the client as much.
    closed = over_http("http://127.0.0.1:9")
    commands = {
        "pass": ([sys.executable, "-c", "pass"], {}),
        "help": ([WINDSOCK, "--help"], {}),
        "trigger": ([WINDSOCK, "trigger_dag", "ref_setup"], closed),
    }
    # In turns, so that a busy machine is as busy for each.
    measured: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(7):
        for name, (command, more) in commands.items():
            measured[name].append(_seconds(command, more))
    medians = {name: statistics.median(times) for name, times in measured.items()}
    ratios = {name: medians[name] / medians["pass"] for name in medians}
    record_property("ratios", ratios)
    assert ratios["help"] <= HELP_LIMIT, ratios
    assert ratios["trigger"] <= TRIGGER_LIMIT, ratios
