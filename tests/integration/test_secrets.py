"""No credential, hash or token is in any log line, error or metric, whatever is done with it, at the noisiest level."""

import base64
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import aiohttp
import gssapi
import pytest

from server.auth.sessions import COOKIE
from server.standalone.postgres import EmbeddedPostgres
from tests.acceptance.cli import over_http, windsock
from tests.acceptance.service import Service
from tests.integration.passwords import add_user, basic, execute
from tests.kerberos import Realm

# What every secret of this test has, and nothing else.
MARK = "Zq7"
RIGHT, WRONG, NEW, IN_DSN, KEY = (f"{MARK}-{kind}-password" for kind in ("right", "wrong", "new", "dsn", "secret-key"))
API = "/api/experimental"
REQUESTS = (
    ("GET", f"{API}/test"),
    ("GET", f"{API}/dags/nope/tasks"),
    ("POST", f"{API}/pools"),
    ("PUT", f"{API}/test"),
    ("GET", f"{API}/nope"),
)


class Told:
    """All that anybody could read, and the secrets that must not be in it."""

    def __init__(self) -> None:
        self.secrets: list[str] = [MARK]
        self.texts: dict[str, str] = {}

    def hide(self, *secrets: str) -> None:
        """Add secrets, and what they look like on the wire."""
        for secret in secrets:
            encoded = base64.b64encode(secret.encode()).decode()
            self.secrets += [secret, encoded.rstrip("="), quote(secret)]

    def add(self, name: str, text: str) -> None:
        """Keep what was told."""
        self.texts[name] = self.texts.get(name, "") + text

    def found(self) -> list[tuple[str, str]]:
        """Return which secret is told where."""
        return [(name, secret) for name, text in self.texts.items() for secret in self.secrets if secret in text]


@pytest.fixture
async def told(database: str, postgres: EmbeddedPostgres) -> AsyncIterator[Told]:
    """Collect; in the end nothing is found, neither in the table `log` nor in what Postgres logged."""
    found = Told()
    start = len(postgres.log_file.read_text("utf-8"))
    yield found
    rows = await execute(database, "SELECT * FROM log")
    found.add("table log", "".join(str(tuple(row)) for row in rows))
    found.add("log of Postgres", postgres.log_file.read_text("utf-8")[start:])
    assert found.found() == []


def with_password(dsn: str) -> str:
    """Put a password into the DSN; the tests' Postgres asks for none."""
    parts = urlsplit(dsn)
    user = parts.username or "postgres"
    return urlunsplit(parts._replace(netloc=f"{user}:{IN_DSN}@{parts.netloc.rpartition('@')[2]}"))


def service(dsn: str, folder: Path, **options: str) -> Service:
    """Serve with everything logged that can be."""
    noisy: dict[str, Any] = {"log_level": "DEBUG", "access_log": "True", "secret_key": KEY, **options}
    return Service(with_password(dsn), folder, env={"PYTHONASYNCIODEBUG": "1"}, **noisy)


async def send(told: Told, url: str, headers: Sequence[tuple[str, str]], *requests: tuple[str, str]) -> set[int]:
    """Send each request with these headers, and keep what is answered; the statuses."""
    statuses = set()
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
        for method, path in requests or REQUESTS:
            async with client.request(method, url + path, headers=headers, data=b'{"name": 1}') as response:
                statuses.add(response.status)
                told.add("answers", await response.text())
    return statuses


async def begin_session(told: Told, url: str, headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the header of a new session, whose cookie is a secret from now on."""
    async with aiohttp.ClientSession() as client, client.post(f"{url}{API}/session", headers=headers) as response:
        told.add("answers", await response.text())
        value = response.cookies[COOKIE].value
    told.hide(value, value[:60])
    return [("Cookie", f"{COOKIE}={value}")]


def odd(told: Told) -> list[list[tuple[str, str]]]:
    """Return headers with secrets where they do not belong, or that cannot be read."""
    secret = f"{MARK}-misplaced"
    encoded = base64.b64encode(secret.encode()).decode()
    told.hide(secret, f"user:{secret}")
    values = [secret, f"Basic {secret}", f"Basic {encoded}", f"Bearer {secret}", f"Negotiate {encoded}"]
    values += [f'Digest username="a", response="{secret}"', f"Basic {secret}\xff", f"Basic {secret}" + "x" * 70_000]
    return [
        *([("Authorization", value)] for value in values),
        [("Authorization", f"Basic {encoded}"), ("Authorization", f"Basic {secret}")],
        [("Cookie", f"{COOKIE}={secret}; other={secret}")],
        [(f"Authorization {secret}", secret)],
    ]


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_passwords(database: str, told: Told, tmp_path: Path) -> None:
    """Right, wrong, malformed, throttled, in sessions, against broken hashes, and with the tables gone."""
    await add_user(database, "broken", f"$2b$12${MARK}-broken-hash")
    await add_user(database, "alice")
    told.hide(RIGHT, WRONG, KEY, IN_DSN, f"alice:{RIGHT}", f"alice:{WRONG}", f"broken:{RIGHT}")
    await commands(told, with_password(database))
    told.hide(*(row[0] for row in await execute(database, "SELECT password FROM users")))
    options = {"auth_backend": "password_auth", "user_check_seconds": "0", "throttle_failures": "5"}
    with service(database, tmp_path, **options) as server:
        url = f"http://127.0.0.1:{server.port}"
        right, wrong = ([*basic("alice", password).items()] for password in (RIGHT, WRONG))
        assert await send(told, url, right) == {200, 400, 404, 405}
        session = await begin_session(told, url, dict(right))
        assert await send(told, url, session) == {200, 400, 404, 405}
        assert await send(told, url, [("Cookie", session[0][1][:-9] + "AAAAAAAAA")]) == {401}
        for headers in odd(told):
            assert await send(told, url, headers, *REQUESTS[:2]) <= {400, 401}
        assert await send(told, url, [*basic("broken", RIGHT).items()], REQUESTS[0]) == {403}
        assert await send(told, url, wrong, REQUESTS[0]) == {403}
        await clients(told, url, tmp_path)
        assert await send(told, url, wrong, *REQUESTS) >= {429}
        await execute(database, "DROP TABLE users CASCADE")
        assert await send(told, url, [*basic("bob", WRONG).items()], REQUESTS[0]) <= {500, 503}
        assert await send(told, url, session, REQUESTS[0]) <= {500, 503}
        told.add("metrics", str(server.metrics()))
        told.add("log of the service", server.log)
    assert '"user":"alice"' in told.texts["log of the service"]
    assert "Traceback" in told.texts["log of the service"]
    assert "refused" in told.texts["metrics"]


async def commands(told: Told, dsn: str) -> None:
    """Run the commands for users, in the ways in which they succeed and fail."""
    on_database = {"AIRFLOW__CORE__SQL_ALCHEMY_CONN": dsn, "AIRFLOW__WINDSOCK__LOG_LEVEL": "DEBUG"}
    nowhere = {**on_database, "AIRFLOW__CORE__SQL_ALCHEMY_CONN": f"postgresql://x:{IN_DSN}@127.0.0.1:1/x"}
    for arguments, stdin, environment, status in (
        (("change_password", "-u", "alice"), RIGHT, on_database, 0),
        (("create_user", "-u", "bob"), NEW, on_database, 0),
        (("create_user", "-u", "bob"), NEW, on_database, 1),
        (("create_user", "-u", "eve"), NEW * 9, on_database, 1),
        (("create_user", "-u", "eve", "-p", NEW, "--use_random_password"), None, on_database, 1),
        (("create_user", "-u", "eve"), NEW, nowhere, 1),
        (("list_users",), None, on_database, 0),
        (("change_password", "-u", "bob", "-p", NEW), None, on_database, 0),
        (("delete_user", "-u", "bob"), None, on_database, 0),
    ):
        done = await windsock(*arguments, stdin=stdin, **environment)
        assert (done.code != 0) == (status != 0), (arguments, done)
        told.add("commands", done.out + done.err)


async def clients(told: Told, url: str, folder: Path) -> None:
    """Run a command over HTTP with each kind of credentials, as talkative as it gets."""
    there = urlsplit(url).netloc
    netrc = folder / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login alice password {WRONG}\n")
    broken = folder / "broken"
    broken.write_text(f"machine 127.0.0.1 login alice passwd {WRONG}\n")
    none = {"NETRC": str(folder / "none")}
    user = {**none, "WINDSOCK_USERNAME": "alice"}
    for environment, codes in (
        (over_http(url, **user, WINDSOCK_PASSWORD=RIGHT), {0}),
        (over_http(url, **user, WINDSOCK_PASSWORD=WRONG), {4}),
        (over_http(url, **user, AIRFLOW__CLI__PASSWORD_CMD=f"echo {RIGHT}"), {0, 4}),
        (over_http(url, **user, AIRFLOW__CLI__PASSWORD_CMD=f"echo {WRONG} >&2; false"), {1, 4}),
        (over_http(f"http://alice:{WRONG}@{there}", **none), {4}),
        (over_http(f"http://alice:{WRONG}@127.0.0.1:1", **none), {5}),
        (over_http(f"http://alice:{WRONG}@127.0.0.1:x", **none), {1, 2}),
        (over_http(url, NETRC=str(netrc)), {4}),
        (over_http(url, NETRC=str(broken)), {1}),
        (over_http("http://proxied.test", **user, http_proxy=f"http://u:{WRONG}@127.0.0.1:1"), {5}),
    ):
        done = await windsock("pool", "-v", **environment)
        assert done.code in codes, (environment, done)
        told.add("clients", done.out + done.err)


def token(service: str = "airflow") -> bytes:
    """Return a client's first token."""
    name = gssapi.Name(f"{service}@localhost", gssapi.NameType.hostbased_service)
    return gssapi.SecurityContext(name=name, usage="initiate").step() or b""


async def test_tickets(database: str, realm: Realm, told: Told, tmp_path: Path) -> None:
    """Taken, replayed, changed, for others, in sessions, without a keytab; and the command line's."""
    keytab = tmp_path / "airflow.keytab"
    keytab.write_bytes(realm.keytab.read_bytes())
    options = {"kerberos_hostname": "localhost", "auth_backend": "kerberos_auth"}
    environment = {"AIRFLOW__KERBEROS__KEYTAB": str(keytab)}
    told.hide(KEY, IN_DSN)

    def negotiate(sent: bytes) -> list[tuple[str, str]]:
        encoded = base64.b64encode(sent).decode()
        # A part will do, wherever lines are cut; the beginning is the same in all tokens.
        told.secrets += [encoded, encoded[400:480]] if len(encoded) > 480 else [encoded]
        return [("Authorization", f"Negotiate {encoded}")]

    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        with service(database, tmp_path, **options) as server:
            url = f"http://localhost:{server.port}"
            headers = negotiate(token())
            assert await send(told, url, headers, REQUESTS[0]) == {200}
            assert await send(told, url, headers) == {403}
            session = await begin_session(told, url, dict(negotiate(token())))
            assert await send(told, url, session) == {200, 400, 404, 405}
            fresh = token()
            for bad in (token("HTTP"), fresh[:-9], fresh[:-9] + bytes(9), b"NTLMSSP\0\1\0\0\0" + os.urandom(400)):
                assert await send(told, url, negotiate(bad), REQUESTS[0]) == {403}
            for headers in odd(told):
                assert await send(told, url, headers, *REQUESTS[:2]) <= {400, 401, 403}
            ticket = over_http(url, AIRFLOW__API__AUTH_BACKEND="kerberos_auth")
            done = await windsock("pool", "-v", **ticket)
            assert done.code == 0, done
            told.add("clients", done.out + done.err)
            keytab.unlink()
            assert await send(told, url, negotiate(token()), REQUESTS[0]) == {503}
            told.add("metrics", str(server.metrics()))
            told.add("log of the service", server.log)
    assert '"user":"alice@WINDSOCK.TEST"' in told.texts["log of the service"]
    assert "Request is a replay" in told.texts["log of the service"]


@pytest.mark.parametrize("backend", ["default", "deny_all"])
async def test_who_asks_for_nothing_tells_nothing(database: str, told: Told, tmp_path: Path, backend: str) -> None:
    """Credentials that nobody wanted are secrets all the same."""
    told.hide(KEY, IN_DSN, RIGHT, f"alice:{RIGHT}")
    with service(database, tmp_path, auth_backend=backend) as server:
        url = f"http://127.0.0.1:{server.port}"
        for headers in ([*basic("alice", RIGHT).items()], *odd(told)):
            assert await send(told, url, headers)
        told.add("metrics", str(server.metrics()))
        told.add("log of the service", server.log)
    assert '"event":"request"' in told.texts["log of the service"]
