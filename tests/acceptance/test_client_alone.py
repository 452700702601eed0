"""Programs that use the client over HTTP: nothing of the service is imported, whatever stands beside the program."""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.acceptance.cli import fill, on_database, over_http, program, windsock
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


@pytest.mark.parametrize("words", [["list_dags"], ["check"], ["webserver"], ["create_user", "-u", "ann"]], ids=" ".join)
async def test_what_needs_the_service_says_what_is_in_its_place(
    words: list[str], tmp_path: Path, database: str
) -> None:
    """The client on the database and the service's own commands cannot do without it."""
    (tmp_path / "server.py").write_text("x = 1\n")
    done = await windsock(*words, PYTHONPATH=str(tmp_path), **on_database(database))
    assert done.code == 1
    assert done.err.startswith(f"Error: this needs the service, but Python finds {tmp_path}/server.py in its place")
    shown = await windsock("--help", PYTHONPATH=str(tmp_path))
    assert (shown.code, "It cannot be imported" in shown.out) == (0, True)


async def test_the_user_that_a_program_names(
    tmp_path: Path, database: str, serve: Callable[..., Awaitable[str]]
) -> None:
    """It counts before the environment, the configuration and the URL, which are another one's."""
    await fill(database)
    await add_user(database, "alice")
    url = await serve(auth_backend="password_auth")
    script = tmp_path / "nightly.py"
    others = url.replace("//", "//other:other-password@")
    other = {"WINDSOCK_USERNAME": "other", "WINDSOCK_PASSWORD": "other", "AIRFLOW__CLI__USERNAME": "other"}
    alice = {"AIRFLOW__CLI__USERNAME": "alice"}
    right = {**alice, "AIRFLOW__CLI__PASSWORD": PASSWORD}
    both = f"username='alice', password={PASSWORD!r}"
    for arguments, environment in (
        (f"{others!r}, {both}", over_http(others, **other)),
        (both, over_http(others, **other)),
        (f"{url!r}, password={PASSWORD!r}", over_http(url, **alice, AIRFLOW__CLI__PASSWORD="wrong")),
        (f"{url.replace('//', '//alice:wrong@')!r}, password={PASSWORD!r}", over_http(url)),
        (f"{url!r}, username='alice'", over_http(url, AIRFLOW__CLI__PASSWORD=PASSWORD)),
        (f"{url!r}, username='', password=''", over_http(url, **right)),
    ):
        script.write_text(
            f"from windsock import connect\nwith connect({arguments}) as client:\n    print(client.test()['status'])\n"
        )
        done = await program(sys.executable, str(script), **environment)
        assert (done.code, done.out, done.err) == (0, "OK\n", ""), arguments
    script.write_text(
        "from windsock import ConfigError, connect\n"
        f"try:\n    connect({url!r}, password='alone')\nexcept ConfigError as error:\n    print(error)\n"
    )
    done = await program(sys.executable, str(script), **over_http(url))
    assert done.out == "a password needs a username; neither the program nor the configuration has one\n"
