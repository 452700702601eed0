"""`windsock create_user` and its kin, as they are typed."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

from server.auth import hashes
from tests.integration.passwords import execute

WINDSOCK = str(Path(sys.executable).with_name("windsock"))


async def windsock(dsn: str, *arguments: str, stdin: str = "", **options: str) -> tuple[int, str, str]:
    """Run a command; status, stdout, stderr."""
    environment = {**os.environ, "AIRFLOW__CORE__SQL_ALCHEMY_CONN": dsn, **options}
    done = await asyncio.to_thread(
        subprocess.run,
        [WINDSOCK, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


async def stored(dsn: str, user: str) -> str:
    """Return the hash in the table."""
    found: str = (await execute(dsn, "SELECT password FROM users WHERE username = $1", user))[0][0]
    return found


async def test_a_user_comes_and_goes(database: str) -> None:
    """Airflow 1.10's options; the password from stdin, which no output repeats."""
    names = ("-u", "alice", "-e", "alice@example.com", "-f", "A", "-l", "B", "-r", "Admin")
    status, out, err = await windsock(database, "create_user", *names, stdin="first secret\n")
    assert (status, "first secret" in out + err) == (0, False)
    assert hashes.verify("first secret", await stored(database, "alice"))
    assert hashes.method(await stored(database, "alice")) == "$2b$12"
    status, out, _ = await windsock(database, "list_users")
    assert (status, "alice@example.com" in out, "$2b$" in out) == (0, True, False)
    status, out, _ = await windsock(database, "list_users", "-o", "json")
    assert [(user["username"], user["email"]) for user in json.loads(out)] == [("alice", "alice@example.com")]
    status, out, _ = await windsock(database, "change_password", "--username", "alice", "--use_random_password")
    assert hashes.verify(out.split()[-1], await stored(database, "alice"))
    assert (await windsock(database, "delete_user", "-u", "alice"))[0] == 0
    assert await execute(database, "SELECT FROM users") == []


async def test_a_terminal_is_asked_twice_and_shows_nothing(database: str) -> None:
    """The prompt is on the terminal; what is typed is not."""
    ours, terminal = os.openpty()
    env = {**os.environ, "AIRFLOW__CORE__SQL_ALCHEMY_CONN": database}
    command = (WINDSOCK, "create_user", "-u", "alice")
    process = await asyncio.create_subprocess_exec(
        *command, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True, env=env
    )
    os.close(terminal)
    shown = ""
    for prompt in ("Password: ", "Repeat the password: "):
        while not shown.endswith(prompt):
            shown += (await asyncio.to_thread(os.read, ours, 1000)).decode()
        os.write(ours, b"typed secret\n")
    shown += (await asyncio.to_thread(os.read, ours, 1000)).decode()
    assert await process.wait() == 0
    os.close(ours)
    assert "typed secret" not in shown
    assert hashes.verify("typed secret", await stored(database, "alice"))


async def test_names_do_not_steer_a_terminal(database: str) -> None:
    """Whatever is in the table, the list shows it escaped."""
    await execute(database, "INSERT INTO users (username, password) VALUES ($1, 'x')", "eve\x1b[2J")
    _, out, _ = await windsock(database, "list_users")
    assert ("eve" in out, "\x1b" in out) == (True, False)


async def test_what_will_not_do(database: str) -> None:
    """One line on stderr, status 1, and nothing is written."""
    await execute(database, "INSERT INTO users (username, password) VALUES ('taken', 'x')")
    for arguments, reason in (
        (("create_user", "-u", "taken", "-p", "secret"), "exists already"),
        (("create_user", "-u", "a:b", "-p", "secret"), "no colon"),
        (("create_user", "-u", "a\x1b", "-p", "secret"), "printable"),
        (("create_user", "-u", "eve", "-e", "e" * 501, "-p", "secret"), "at most 500"),
        (
            ("create_user", "-u", "eve", "-r", "Viwer", "-p", "secret"),
            "There is no role Viwer; there are Public",
        ),
        (("create_user", "-u", "eve", "-p", "x" * 73), "72 bytes"),
        (("create_user", "-u", "eve"), "must not be empty"),
        (("create_user", "-u", "eve", "-p", "x", "--use_random_password"), "either"),
        (("change_password", "-u", "nobody", "-p", "secret"), "not found"),
        (("delete_user", "-u", "nobody"), "not found"),
    ):
        status, _, err = await windsock(database, *arguments)
        assert (status, reason in err, "Traceback" in err) == (1, True, False), (arguments, err)
    assert len(await execute(database, "SELECT FROM users")) == 1


async def test_a_password_that_is_no_text(database: str) -> None:
    """What cannot be decoded is one line too."""
    environment = {**os.environ, "AIRFLOW__CORE__SQL_ALCHEMY_CONN": database, "PYTHONIOENCODING": "utf-8:strict"}
    command = [WINDSOCK, "create_user", "-u", "eve"]
    done = await asyncio.to_thread(
        subprocess.run, command, input=b"\xff\xfe\n", capture_output=True, env=environment, check=False
    )
    assert (done.returncode, done.stderr) == (1, b"Error: The password on stdin is not utf-8\n")


async def test_users_of_newer_airflows_are_their_business(database: str) -> None:
    """The command says which of Airflow's own to use."""
    await execute(database, "DROP TABLE users CASCADE")
    status, _, err = await windsock(database, "create_user", "-u", "eve", "-p", "secret")
    assert (status, "airflow users create" in err) == (1, True)


async def test_roles_come_and_go(database: str, tmp_path: Path) -> None:
    """Built-in ones in any case, and those of the permissions file; deleting a user deletes the roles."""
    file = tmp_path / "permissions.yaml"
    file.write_text("roles: {deployer: [can_edit on DAGs]}\nusers: {ann: Viewer}\n")
    chosen = {"AIRFLOW__WINDSOCK__AUTHORIZATION": "file", "AIRFLOW__WINDSOCK__PERMISSIONS_FILE": str(file)}
    new = ("create_user", "-p", "secret", "-u")
    status, out, err = await windsock(database, *new, "alice", "-r", "viewer", "-r", "deployer", **chosen)
    assert (status, out, err) == (0, "User alice created\n", "")
    listed = (await windsock(database, "list_users", **chosen))[1]
    assert "Viewer" in listed, listed
    assert (await windsock(database, *new, "ann", **chosen))[2] == ""
    status, _, err = await windsock(database, *new, "bob", **chosen)
    assert (status, "bob has no role, and may do nothing: windsock add_role -u bob -r ROLE" in err) == (0, True)
    assert await windsock(database, "add_role", "-u", "alice", "-r", "Op", **chosen) == (
        0, "User alice now has the role Op\n", "",
    )  # fmt: skip
    assert (await windsock(database, "add_role", "-u", "alice", "-r", "Op", **chosen))[1].endswith("already\n")
    assert await listed_roles(database) == {"alice": ["Op", "Viewer", "deployer"], "ann": [], "bob": []}
    # The role is not defined any more.
    assert (await windsock(database, "remove_role", "-u", "alice", "-r", "deployer"))[0] == 0
    for command, said in (
        (("remove_role", "-u", "alice", "-r", "deployer"), "does not have the role deployer"),
        (("add_role", "-u", "alice", "-r", "deployer"), "There is no role deployer"),
        (("add_role", "-u", "nobody", "-r", "Op"), "User nobody not found"),
    ):
        status, _, err = await windsock(database, *command)
        assert (status, said in err) == (1, True), err
    assert await listed_roles(database) == {"alice": ["Op", "Viewer"], "ann": [], "bob": []}
    assert (await windsock(database, "delete_user", "-u", "alice"))[0] == 0
    assert await execute(database, "SELECT FROM windsock_user_role") == []


async def test_roles_without_effect(database: str) -> None:
    """A warning says what to set; Admin needs none, because everybody may do everything."""
    new = ("create_user", "-p", "secret", "-u")
    status, _, err = await windsock(database, *new, "alice", "-r", "Viewer")
    assert (status, "no effect without [windsock] authorization = file" in err) == (0, True)
    assert await windsock(database, *new, "bob", "-r", "admin") == (0, "User bob created\n", "")
    assert await listed_roles(database) == {"alice": ["Viewer"], "bob": ["Admin"]}


async def listed_roles(dsn: str) -> dict[str, list[str]]:
    """Return what `list_users` shows."""
    _, out, _ = await windsock(dsn, "list_users", "-o", "json")
    return {user["username"]: user["roles"] for user in json.loads(out)}
