"""token_auth: tokens in the table of a standalone database, and in a file."""

import asyncio
import json
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from auth_backends.conformance import API, BackendConformance, ask, served
from server.auth import tokens
from server.auth.sessions import COOKIE
from server.auth.token_file import TokenFile
from server.database.tokens import Token
from server.errors import StartupError
from tests.acceptance.cli import Done, over_http, windsock
from tests.integration.passwords import execute
from tests.live import live_server
from tests.until import until
from windsock import ConfigError, connect
from windsock.cli import main

SESSION = ("POST", f"{API}/session")
Server = Callable[..., Awaitable[str]]


def bearer(text: str, word: str = "Bearer") -> Mapping[str, str]:
    """Return the header for a token."""
    return {"Authorization": f"{word} {text}"}


class Place:
    """Where tokens are in a test: the table of a database, or a file."""

    def __init__(self, dsn: str, file: Path | None) -> None:
        self.dsn = dsn
        self.file = file
        self.options = {"auth_backend": "token_auth"} | ({} if file is None else {"tokens_file": str(file)})
        self.environment = {"AIRFLOW__CORE__SQL_ALCHEMY_CONN": dsn} | (
            {} if file is None else {"AIRFLOW__WINDSOCK__TOKENS_FILE": str(file)}
        )

    async def add(self, name: str, expires: datetime | None = None, dags: list[str] | None = None) -> str:
        """Add a token without the command, which takes long to start; return its text."""
        text, now = tokens.make(), datetime.now(UTC)
        if self.file is not None:
            await TokenFile(self.file).create(Token(name, tokens.digest(text), "User", dags, now, expires))
        else:
            insert = "INSERT INTO windsock_token (name, digest, role, dags, expires) VALUES ($1, $2, 'User', $3, $4)"
            await execute(self.dsn, insert, name, tokens.digest(text), dags, expires)
        return text

    async def revoke(self, name: str) -> None:
        """Remove a token."""
        if self.file is not None:
            await TokenFile(self.file).revoke(name)
        else:
            await execute(self.dsn, "DELETE FROM windsock_token WHERE name = $1", name)

    async def used(self) -> dict[str, str | None]:
        """Return the last uses, as the command says them."""
        done = await self.command("list_tokens", "-o", "json")
        return {row["name"]: row["last_used"] for row in json.loads(done.out)}

    async def command(self, *arguments: str) -> Done:
        """Run a command in this process, which is quicker."""
        run = CliRunner(env=self.environment).invoke
        done = await asyncio.to_thread(run, main, arguments)
        return Done(done.exit_code, done.stdout, done.stderr)


@pytest.fixture(params=["table", "file"])
def place(request: pytest.FixtureRequest, database: str, tmp_path: Path) -> Place:
    """Return a place of each kind."""
    return Place(database, tmp_path / "tokens.json" if request.param == "file" else None)


class TestTokensInAFile(BackendConformance):
    """The suite, without a database."""

    backend = "token_auth"
    text = tokens.make()
    expired = tokens.make()
    secrets = (text, expired)

    @pytest.fixture
    async def url(self, tmp_path: Path) -> AsyncIterator[str]:
        """Serve tokens of a file."""
        file, now = TokenFile(tmp_path / "tokens"), datetime.now(UTC)
        await file.create(Token("ci", tokens.digest(self.text), "User", None, now))
        await file.create(Token("old", tokens.digest(self.expired), "User", None, now, now))
        async with served(self.backend, {"tokens_file": str(tmp_path / "tokens")}) as url:
            yield url

    def right(self) -> Mapping[str, str]:
        return bearer(self.text)

    def wrong(self) -> Sequence[Mapping[str, str]]:
        return [bearer(text) for text in (tokens.make(), self.text[:-1], self.text.swapcase(), "x", self.expired)]


async def test_a_token_comes_and_goes(place: Place) -> None:
    """The commands: the token is printed once, and counts from the next request until it is revoked."""
    limited = ("--dags", "etl_*, nightly", "--dags", "a", "--expires", "90d")
    made = await place.command("create_token", "--name", "ci", "--role", "User", *limited)
    text = made.out.removesuffix("\n")
    assert (made.code, tokens.is_well_formed(text), text in made.err) == (0, True, False)
    assert "User for etl_*, nightly, a; it expires on " in made.err
    async with live_server(place.dsn, **place.options, user_check_seconds="60") as url:
        assert (await ask(url, bearer(text, "bEARER"))).status == 200
        assert (await ask(url, bearer(text), *SESSION)).text == '{"user":"token:ci"}\n'
        # A new token need not wait for `user_check_seconds`.
        second = await place.add("second")
        assert (await ask(url, bearer(second))).status == 200
        await until(lambda: _is_used(place, {"ci", "second"}))
    unknown = await place.command("create_token", "--name", "other", "--role", "Users")
    assert (unknown.code, unknown.out) == (1, "")
    assert "There is no role Users; there are Public, Viewer, User, Op, Admin" in unknown.err
    again = await place.command("create_token", "--name", "ci", "--role", "user")
    assert (again.code, again.out, "Token ci exists already" in again.err) == (1, "", True)
    rows = json.loads((await place.command("list_tokens", "-o", "json")).out)
    assert [(row["name"], row["role"], row["dags"]) for row in rows] == [
        ("ci", "User", "etl_*,nightly,a"), ("second", "User", None),
    ]  # fmt: skip
    life = datetime.fromisoformat(rows[0]["expires"]) - datetime.fromisoformat(rows[0]["created"])
    assert (life, rows[1]["expires"]) == (timedelta(days=90), None)
    assert (await place.command("revoke_token", "--name", "ci")).out == "Token ci revoked\n"
    assert (await place.command("revoke_token", "--name", "ci")).err == "Error: Token ci not found\n"


async def _is_used(place: Place, names: set[str]) -> bool:
    today = {str(datetime.now(UTC).date()), str((datetime.now(UTC) - timedelta(minutes=5)).date())}
    return {name for name, used in (await place.used()).items() if used in today} == names


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--name", "a:b", "--role", "User"), "A token's name has"),
        (("--name", "x" * 101, "--role", "User"), "A token's name has"),
        (("--name", "ci", "--role", "User", "--dags", " ,"), "--dags: expected"),
        (("--name", "ci", "--role", "User", "--expires", "90"), "--expires: expected a time such as 90d"),
        (("--name", "ci", "--role", "User", "--expires", "2020-01-01"), "--expires: expected a time in the future"),
        (("--name", "ci", "--role", "User", "--expires", "99999w"), "--expires: expected a time in the future"),
        (("--name", "ci", "--role", "User", "--expires", "0d"), "--expires: expected a time in the future"),
    ],
)
def test_what_is_no_token(arguments: Sequence[str], reason: str) -> None:
    """One line says what would be right, before anything is looked at."""
    done = CliRunner().invoke(main, ["create_token", *arguments])
    assert (done.exit_code, reason in done.output) == (1, True), done.output


async def test_the_table_shows_when_a_token_ends_and_was_used(database: str, tmp_path: Path) -> None:
    """In 80 columns too: the day when it was made gives way first."""
    place = Place(database, None)
    await place.add("nightly-warehouse", datetime.now(UTC) + timedelta(days=1), ["etl_*"])
    shown = (await place.command("list_tokens")).out.splitlines()[0].split()
    assert shown[:5] == ["name", "role", "dags", "expires", "last_used"]
    missing = (await Place(database, tmp_path / "tokens.json").command("list_tokens")).err
    assert "there is no such file; `windsock create_token` makes it\n" in missing


async def test_revoked_and_expired_tokens_stop(place: Place) -> None:
    """Within `user_check_seconds`, with their sessions; an expired one at its moment."""
    ends = datetime.now(UTC) + timedelta(seconds=4)
    texts = {"stays": await place.add("stays"), "goes": await place.add("goes"), "ends": await place.add("ends", ends)}
    async with live_server(place.dsn, **place.options, user_check_seconds="0.5", throttle_failures="0") as url:
        headers = {name: bearer(text) for name, text in texts.items()}
        for name, text in texts.items():
            cookie = (await ask(url, bearer(text), *SESSION)).cookies[COOKIE]
            headers[f"{name}'s session"] = {"Cookie": f"{COOKIE}={cookie}"}

        async def statuses() -> dict[str, int]:
            return {name: (await ask(url, sent)).status for name, sent in headers.items()}

        assert set((await statuses()).values()) == {200}
        await place.revoke("goes")
        revoked = {"goes": 403, "goes's session": 401}
        await until(lambda: _are(statuses, {name: revoked.get(name, 200) for name in headers}))
        revoked |= {"ends": 403, "ends's session": 401}
        await until(lambda: _are(statuses, {name: revoked.get(name, 200) for name in headers}))
        # Another one of its name is another one.
        await place.add("goes")
        await asyncio.sleep(0.6)
        assert await statuses() == {name: revoked.get(name, 200) for name in headers}


async def _are(statuses: Callable[[], Awaitable[dict[str, int]]], expected: dict[str, int]) -> bool:
    return await statuses() == expected


async def test_guesses_are_throttled(place: Place) -> None:
    """By client, whatever is guessed; a token that is known never has to wait."""
    text = await place.add("ci")
    async with live_server(place.dsn, **place.options, throttle_failures="5", throttle_seconds="60") as url:
        guesses = [tokens.make(), "x", text[:-1], tokens.make() + "x", tokens.make().swapcase()]
        assert [(await ask(url, bearer(guess))).status for guess in guesses] == [403] * 5
        reply = await ask(url, bearer(tokens.make()))
        assert (reply.status, json.loads(reply.text)["code"]) == (429, "too_many_refusals")
        assert 0 < int(reply.headers["Retry-After"]) <= 60
        assert (await ask(url, bearer(text))).status == 200
        assert (await ask(url, bearer("x"))).status == 429


async def test_no_statement_for_known_and_guessed_tokens(database: str) -> None:
    """The tokens are read once in `user_check_seconds`, and for guesses four times a second at the most."""
    place = Place(database, None)
    text = await place.add("ci")
    async with live_server(database, **place.options, throttle_failures="0", user_check_seconds="60") as url:
        await ask(url, bearer(text))
        await until(lambda: _is_used(place, {"ci"}))
        await execute(database, "ALTER TABLE windsock_token RENAME TO hidden")
        await execute(database, "CREATE SEQUENCE reads MINVALUE 0")
        await execute(
            database, "CREATE VIEW windsock_token AS SELECT hidden.* FROM hidden, (SELECT nextval('reads')) AS n"
        )
        began = time.monotonic()
        assert {(await ask(url, bearer(text))).status for _ in range(50)} == {200}
        [[reads, is_called]] = await execute(database, "SELECT last_value, is_called FROM reads")
        assert (reads, is_called) == (0, False)
        guesses = [await ask(url, bearer(tokens.make())) for _ in range(6)]
        guesses += await asyncio.gather(*(ask(url, bearer(tokens.make())) for _ in range(50)))
        elapsed = time.monotonic() - began
        assert {reply.status for reply in guesses} == {403}
        [[reads]] = await execute(database, "SELECT last_value + 1 FROM reads")
        assert 1 <= reads <= elapsed * 4 + 1


async def test_the_file_must_stay_usable(database: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """While it is not, nobody is let in or refused: it is a 503 that the log explains; later all is as before."""
    caplog.set_level(logging.DEBUG)
    path = tmp_path / "tokens"
    place = Place(database, path)
    text = await place.add("ci")
    async with live_server(database, **place.options, user_check_seconds="0") as url:
        assert (await ask(url, bearer(text))).status == 200
        good = path.read_bytes()

        async def broken(change: Callable[[], object], reason: str) -> None:
            change()
            reply = await ask(url, bearer(text))
            assert (reply.status, reply.headers["Retry-After"], str(path) in reply.text) == (503, "1", False)
            assert reason in caplog.text
            path.unlink(missing_ok=True)
            path.touch(0o600)
            path.write_bytes(good)
            assert (await ask(url, bearer(text))).status == 200

        await broken(lambda: path.chmod(0o644), "others may use it (mode 0644)")
        await broken(lambda: path.write_bytes(good[:-20]), "no complete file of tokens")
        await broken(path.unlink, "there is no such file")


async def test_what_is_missing_stops_the_start(database: str, tmp_path: Path) -> None:
    """One line says what it is."""
    path = tmp_path / "tokens"
    place = Place(database, path)
    with pytest.raises(StartupError, match=f"tokens_file: {path}: there is no such file"):
        async with live_server(database, **place.options):
            pass
    await place.add("ci")
    path.chmod(0o644)
    with pytest.raises(StartupError, match="chmod 600"):
        async with live_server(database, **place.options):
            pass
    environment = {**place.environment, "AIRFLOW__API__AUTH_BACKEND": "token_auth", "AIRFLOW_HOME": str(tmp_path)}
    check = CliRunner(env=environment).invoke
    refused = await asyncio.to_thread(check, main, ["config", "check"])
    assert (refused.exit_code, "chmod 600" in refused.output) == (1, True)
    path.chmod(0o600)
    assert (await asyncio.to_thread(check, main, ["config", "check"])).exit_code == 0


async def test_two_commands_at_once(database: str) -> None:
    """Of one name, one of them makes a token; of two names, both do."""
    place = Place(database, None)
    create = ("create_token", "--role", "User", "--name")
    done = await asyncio.gather(*(windsock(*create, name, **place.environment) for name in ("ci", "ci", "other")))
    assert sorted(each.code for each in done) == [0, 0, 1]
    assert set(await place.used()) == {"ci", "other"}


async def test_the_clients_send_it(database: str, tmp_path: Path) -> None:
    """From the environment, the configuration, a program and a program's argument; never to be seen."""
    place = Place(database, None)
    text = await place.add("ci")
    async with live_server(database, **place.options) as url:
        program = tmp_path / "print-token"
        program.write_text(f"#!/bin/sh\necho {text}\n")
        program.chmod(0o700)
        for way in (
            {"WINDSOCK_TOKEN": text}, {"AIRFLOW__WINDSOCK__TOKEN": text},
            {"AIRFLOW__WINDSOCK__TOKEN_CMD": str(program)},
        ):  # fmt: skip
            done = await windsock("pool", "-v", **over_http(url, **way))
            assert (done.code, text in done.out + done.err) == (0, False), done.err
        without = await windsock("pool", **over_http(url, NETRC=str(tmp_path / "none")))
        assert (without.code, "set WINDSOCK_TOKEN" in without.err) == (4, True)
        wrong = await windsock("pool", "-v", **over_http(url, WINDSOCK_TOKEN=tokens.make()))
        assert (wrong.code, "windsock_" in wrong.err) == (4, False)
        odd = await windsock("pool", **over_http(url, WINDSOCK_TOKEN=f"{text}\r\nX-Other: 1"))
        assert (odd.code, text in odd.err, "characters that a bearer token cannot have" in odd.err) == (1, False, True)

        def call(**credentials: str) -> object:
            with connect(url, **credentials) as client:  # type: ignore[arg-type]
                return client.test()

        assert await asyncio.to_thread(call, token=text) == {"status": "OK"}
    with pytest.raises(ConfigError, match="either a token or a user"):
        connect(url, token=text, username="ann")


async def test_nothing_tells_a_token(
    place: Place, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither a log line of any level nor an answer has a token, its digest or the file's content."""
    caplog.set_level(logging.DEBUG)
    text, wrong = await place.add("ci"), tokens.make()
    told = ""
    async with live_server(place.dsn, **place.options, access_log="True", user_check_seconds="0") as url:
        cut = [text[:-4], f"{text}x", f"{text}\u00ff", text.upper()]
        for sent in (text, wrong, *cut):
            reply = await ask(url, bearer(sent), "POST", f"{API}/pools")
            told += reply.text + repr(reply.headers)
        await until(lambda: _is_used(place, {"ci"}))
    told += "".join((caplog.text, *capsys.readouterr(), *(repr(vars(record)) for record in caplog.records)))
    assert "token:ci" in told
    parts = (text[9:40], wrong[9:40], tokens.digest(text).hex(), repr(tokens.digest(text)))
    assert not [part for part in parts if part in told]


async def test_a_token_has_its_role_alone(place: Place) -> None:
    """Its role and DAGs, under whatever says what users may do; and its name is in the log of changes."""
    text = await place.add("ci", dags=["etl_*"])
    viewer = tokens.make()
    if place.file is None:
        await execute(
            place.dsn, "INSERT INTO windsock_token VALUES ('viewer', $1, 'Viewer', NULL, now())", tokens.digest(viewer)
        )
    else:
        await TokenFile(place.file).create(Token("viewer", tokens.digest(viewer), "Viewer", None, datetime.now(UTC)))
    for dag_id in ("etl_one", "other"):
        await execute(place.dsn, "INSERT INTO dag (dag_id, is_paused, is_active) VALUES ($1, false, true)", dag_id)
    async with live_server(place.dsn, **place.options) as url:

        async def paused(sent: str, dag_id: str) -> int:
            return (await ask(url, bearer(sent), "GET", f"{API}/dags/{dag_id}/paused/true")).status

        assert (await paused(text, "etl_one"), await paused(text, "other"), await paused(text, "nope")) == (
            200,
            403,
            403,
        )
        assert (await paused(viewer, "etl_one"), await paused(viewer, "other")) == (403, 403)
        assert (await ask(url, bearer(viewer), "GET", f"{API}/pools")).status == 200
        assert (await ask(url, bearer(text), "DELETE", f"{API}/pools/nope")).status == 403
    assert [row[0] for row in await execute(place.dsn, "SELECT owner FROM log")] == ["token:ci"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
async def test_a_file_of_somebody_else(database: str, tmp_path: Path) -> None:
    """It stops the start."""
    place = Place(database, tmp_path / "tokens")
    await place.add("ci")
    os.chown(tmp_path / "tokens", 12345, 12345)
    with pytest.raises(StartupError, match="belongs to the user with the id 12345"):
        async with live_server(database, **place.options):
            pass


def test_no_command_takes_a_token() -> None:
    """Everybody may read the arguments of a process."""
    context = click.Context(main)
    commands = [main.get_command(context, name) for name in main.list_commands(context)]
    options = {option for command in commands if command for one in command.params for option in one.opts}
    assert "--name" in options
    assert not [option for option in options if "token" in option]
