"""Programs that use the client over HTTP: nothing of the service is imported, whatever stands beside the program."""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.acceptance.cli import fill, over_http, program, windsock
from tests.integration.passwords import PASSWORD, add_user

PROGRAM = """
import sys
from windsock import connect

with connect({url!r}) as client:
    print(client.trigger_dag("ref_setup", run_id="alone")["run_id"], client.get_pools()[0]["pool"])
assert not [name for name in sys.modules if name.partition(".")[0] in ("server", "auth_backends")]
"""
COMMANDS = (["list_dags"], ["trigger_dag", "-r", "by_command", "ref_setup"], ["version"], ["trigger_dag", "--help"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of modules that end every program that imports them."""
    for name in ("server", "auth_backends"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('this is the program's own module')\n")
    return tmp_path


async def test_a_program_beside_a_server_py(folder: Path, database: str, serve: Callable[..., Awaitable[str]]) -> None:
    """A user's `server.py` is first on the path of a script in its folder."""
    await fill(database)
    script = folder / "nightly.py"
    script.write_text(PROGRAM.format(url=await serve()))
    done = await program(sys.executable, str(script))
    assert (done.code, done.out.split(), done.err) == (0, ["alone", "default_pool"], "")


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
async def test_the_command_line_beside_a_server_py(
    words: list[str], folder: Path, database: str, serve: Callable[..., Awaitable[str]]
) -> None:
    """Likewise for commands over HTTP, if PYTHONPATH puts the user's modules first."""
    await fill(database)
    done = await windsock(*words, PYTHONPATH=str(folder), **over_http(await serve()))
    assert done.code == 0, done.err


async def test_the_user_that_a_program_names(
    tmp_path: Path, database: str, serve: Callable[..., Awaitable[str]]
) -> None:
    """It counts before the environment, the configuration and the URL, which are another one's."""
    await fill(database)
    await add_user(database, "alice")
    url = await serve(auth_backend="password_auth")
    script = tmp_path / "nightly.py"
    others = url.replace("//", "//other:other-password@")
    for arguments in (f"{others!r}, ", ""):
        script.write_text(
            "from windsock import connect\n"
            f"with connect({arguments}username='alice', password={PASSWORD!r}) as client:\n"
            "    print(client.test()['status'])\n"
        )
        other = {"WINDSOCK_USERNAME": "other", "WINDSOCK_PASSWORD": "other", "AIRFLOW__CLI__USERNAME": "other"}
        done = await program(sys.executable, str(script), **over_http(others, **other))
        assert (done.code, done.out, done.err) == (0, "OK\n", ""), arguments
