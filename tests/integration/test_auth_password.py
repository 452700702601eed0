"""password_auth and sessions against a real database, over real sockets."""

import asyncio
import hashlib
import json
import logging
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from auth_backends import password_auth
from auth_backends.conformance import API, ask
from server.auth import hashes
from server.auth.sessions import COOKIE, SECURE_COOKIE
from server.errors import StartupError
from tests.integration.passwords import CHEAP, add_user, basic, execute, other_hash
from tests.live import live_server

Serve = Callable[..., Awaitable[str]]
SESSION = ("POST", f"{API}/session")
KEY, OTHER_KEY = "k" * 32, "o" * 32


@pytest.fixture
async def start(database: str, serve: Serve) -> Serve:
    """Serve with a user, and rows that are read anew each time unless the test says otherwise."""
    await add_user(database, "alice")

    async def begin(**options: object) -> str:
        return await serve(**{"auth_backend": "password_auth", "user_check_seconds": "0", **options})

    return begin


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the hashes that were verified, in their order."""
    seen: list[str] = []
    verify = hashes.verify

    def noted(password: str, stored: str) -> bool | None:
        seen.append(stored)
        return verify(password, stored)

    monkeypatch.setattr(hashes, "verify", noted)
    return seen


async def status(url: str, headers: Any, *request: str) -> int:  # noqa: ANN401 - whatever makes a header
    return (await ask(url, headers, *request)).status


async def test_a_password_is_hashed_once(start: Serve, checks: list[str]) -> None:
    """However many requests come, at the same time too; wrong ones are hashed each time."""
    url = await start()
    assert await asyncio.gather(*(status(url, basic("alice")) for _ in range(20))) == [200] * 20
    assert len(checks) == 1
    for _ in range(3):
        assert await status(url, basic("alice", "wrong")) == 403
    assert len(checks) == 4


async def test_a_changed_or_deleted_user_is_refused(database: str, start: Serve) -> None:
    """At once where the row is read: the old password, and the session."""
    url = await start()
    cookies = (await ask(url, basic("alice"), *SESSION)).cookies
    session = {"Cookie": f"{COOKIE}={cookies[COOKIE]}"}
    assert [await status(url, headers) for headers in (basic("alice"), session)] == [200, 200]
    await add_user(database, "alice", other_hash())
    assert [await status(url, headers) for headers in (basic("alice"), session)] == [403, 401]
    assert await status(url, basic("alice", "other")) == 200
    await execute(database, "DELETE FROM users")
    assert await status(url, basic("alice", "other")) == 403


async def test_the_row_is_read_once_in_n_seconds(database: str, start: Serve) -> None:
    """Meanwhile the old password goes on; afterwards it does not."""
    url = await start(user_check_seconds="1.5")
    assert await status(url, basic("alice")) == 200
    await add_user(database, "alice", other_hash())
    assert await status(url, basic("alice")) == 200
    await asyncio.sleep(1.6)
    assert await status(url, basic("alice")) == 403


@pytest.mark.parametrize("stored", [None, "", "secret", "$2b$12$short", "pbkdf2:sha256$x"])
async def test_a_broken_hash_refuses(database: str, start: Serve, stored: str | None) -> None:
    """Whatever stands in the table, the answer is 403."""
    await add_user(database, "broken", stored)
    assert await status(await start(), basic("broken", "secret")) == 403


async def test_long_passwords_and_names(database: str, start: Serve) -> None:
    """The first 72 bytes count; names are as they are; NUL and endless names are nobody's."""
    await add_user(database, "\u4e2d\u6587", other_hash("a" * 72))
    url = await start()
    assert await status(url, basic("\u4e2d\u6587", "a" * 72 + "more")) == 200
    for user in ("\u4e2d", "Alice", "alice ", "alice\0", "x" * 10000, "", "' OR 1=1 --"):
        assert await status(url, basic(user)) == 403


async def test_an_unknown_user_costs_what_a_known_one_does(start: Serve, checks: list[str]) -> None:
    """Exactly one check, of a hash made the way the users' hashes are."""
    url = await start()
    assert [await status(url, basic(user, "wrong")) for user in ("alice", "nobody")] == [403, 403]
    assert [hashes.method(stored) for stored in checks] == ["$2b$04", "$2b$04"]
    assert checks[1] != CHEAP


async def test_guessers_wait(start: Serve) -> None:
    """Known and unknown users alike, by user and address; what has verified is not held back."""
    url = await start(throttle_failures="3", trusted_proxies="127.0.0.1")
    assert await status(url, basic("alice")) == 200
    for user in ("alice", "nobody"):
        wrong = basic(user, "wrong")
        assert [await status(url, wrong) for _ in range(5)] == [403] * 3 + [429] * 2
        assert 0 < int((await ask(url, wrong)).headers["Retry-After"]) <= 60
        assert await status(url, {**wrong, "X-Forwarded-For": "203.0.113.9"}) == 403
    assert await status(url, basic("alice")) == 200
    assert await status(url, basic("bob", "wrong")) == 403


async def test_many_guesses_at_once_count(start: Serve) -> None:
    """Sending them together does not buy more tries."""
    url = await start(throttle_failures="3")
    answers = await asyncio.gather(*(status(url, basic("alice", f"wrong{number}")) for number in range(20)))
    assert (answers.count(403), answers.count(429)) == (3, 17)


async def test_only_trusted_proxies_name_addresses(start: Serve) -> None:
    """Whoever writes X-Forwarded-For oneself is still the same guesser; and throttling can be switched off."""
    url = await start(throttle_failures="2")
    guesses = [{**basic("alice", "wrong"), "X-Forwarded-For": f"203.0.113.{number}"} for number in range(4)]
    assert [await status(url, guess) for guess in guesses] == [403, 403, 429, 429]
    url = await start(throttle_failures="0")
    assert [await status(url, guess) for guess in guesses] == [403] * 4


async def test_a_flood_of_guesses(start: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full queue is 503 with Retry-After; those who have verified go on; afterwards all is well."""
    url = await start(hash_threads="1", hash_queue_limit="1", throttle_failures="0")
    assert await status(url, basic("alice")) == 200
    verify = hashes.verify

    def slow(password: str, stored: str) -> bool | None:
        time.sleep(0.3)
        return verify(password, stored)

    monkeypatch.setattr(hashes, "verify", slow)
    guesses = [asyncio.ensure_future(ask(url, basic(f"user{number}"))) for number in range(10)]
    await asyncio.sleep(0.1)
    assert await asyncio.gather(*(status(url, basic("alice")) for _ in range(10))) == [200] * 10
    replies = await asyncio.gather(*guesses)
    answers = [reply.status for reply in replies]
    assert (answers.count(403), answers.count(503)) == (2, 8)
    assert all("Retry-After" in reply.headers for reply in replies if reply.status == 503)
    assert await status(url, basic("alice", "wrong")) == 403


async def test_the_cookie(start: Serve) -> None:
    """Its attributes, over plain HTTP and behind a proxy that speaks TLS; neither is taken for the other."""
    url = await start(secret_key=KEY, trusted_proxies="127.0.0.1", base_path="/w")
    tls = {"X-Forwarded-Proto": "https"}
    paths = (f"{url}".removesuffix("/w"), f"/w{API}/session", f"/w{API}/test")
    plain = (await ask(paths[0], basic("alice"), "POST", paths[1])).headers["Set-Cookie"]
    secure = (await ask(paths[0], {**basic("alice"), **tls}, "POST", paths[1])).headers["Set-Cookie"]
    assert plain.startswith(f"{COOKIE}=")
    assert {"HttpOnly", "SameSite=Strict", "Path=/w/", "Max-Age=28800"} <= set(plain.split("; "))
    assert secure.startswith(f"{SECURE_COOKIE}=")
    assert {"HttpOnly", "SameSite=Strict", "Path=/", "Secure"} <= set(secure.split("; "))
    for cookie, extra, expected in ((plain, {}, 200), (secure, tls, 200), (plain, tls, 401), (secure, {}, 401)):
        headers = {"Cookie": cookie.partition(";")[0], **extra}
        assert await status(paths[0], headers, "GET", paths[2]) == expected
    # Whoever asks at the root sees other paths.
    at_root = (await ask(paths[0], basic("alice"), "POST", f"{API}/session")).headers["Set-Cookie"]
    assert "Path=/" in at_root.split("; ")
    headers = {"Cookie": at_root.partition(";")[0]}
    assert await status(paths[0], headers, "GET", f"{API}/test") == 200
    assert "Path=/" in (await ask(paths[0], headers, "DELETE", f"{API}/session")).headers["Set-Cookie"].split("; ")


async def test_the_cookie_of_a_server_that_speaks_tls(start: Serve, tmp_path: Path) -> None:
    """It is secure without any proxy that says so."""
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    made = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-keyout", key, "-out", cert)
    await asyncio.to_thread(subprocess.run, made, check=True, capture_output=True)
    url = (await start(ssl_cert=cert, ssl_key=key)).replace("http://", "https://")
    curl = ("curl", "-sik", "-u", "alice:secret", "-X", "POST", f"{url}{API}/session")
    answer = (await asyncio.to_thread(subprocess.run, curl, check=True, capture_output=True, text=True)).stdout
    cookie = next(line for line in answer.splitlines() if line.startswith("Set-Cookie: "))
    assert cookie.startswith(f"Set-Cookie: {SECURE_COOKIE}=")
    assert {"HttpOnly", "SameSite=Strict", "Path=/", "Secure"} <= set(cookie.split("; "))


async def test_keys_lifetime_and_backend_of_sessions(start: Serve) -> None:
    """A new key with the old one kept takes old cookies; another key, backend or a later time does not."""
    url = await start(secret_key=KEY)
    cookie = {"Cookie": f"{COOKIE}={(await ask(url, basic('alice'), *SESSION)).cookies[COOKIE]}"}
    assert await status(await start(secret_key=KEY), cookie) == 200
    assert await status(await start(secret_key=OTHER_KEY, old_secret_keys=KEY), cookie) == 200
    assert await status(await start(secret_key=OTHER_KEY), cookie) == 401
    assert await status(await start(secret_key=KEY, auth_backend="deny_all"), cookie) == 403
    url = await start(secret_key=KEY, session_lifetime="1")
    short = {"Cookie": f"{COOKIE}={(await ask(url, basic('alice'), *SESSION)).cookies[COOKIE]}"}
    assert await status(url, short) == 200
    await asyncio.sleep(2.1)
    assert await status(url, short) == 401


async def test_credentials_go_before_cookies(start: Serve) -> None:
    """Wrong ones are refused though there is a session."""
    url = await start()
    cookie = {"Cookie": f"{COOKIE}={(await ask(url, basic('alice'), *SESSION)).cookies[COOKIE]}"}
    assert await status(url, {**basic("alice", "wrong"), **cookie}) == 403


async def test_who_did_what(database: str, start: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    """What changed is in the log table with its user, unless that is switched off; every request in the access log."""
    await execute(database, "INSERT INTO dag (dag_id, is_paused) VALUES ('d', false)")
    url, alice = await start(access_log="True"), basic("alice")
    for method, path in (("GET", "/dags/d/paused/true"), ("GET", "/pools"), ("DELETE", "/pools/nope"), *[SESSION]):
        await ask(url, alice, method, path if path.startswith(API) else API + path)
    found = await execute(database, "SELECT event, dag_id, owner, extra FROM log")
    described = {"method": "GET", "path": f"{API}/dags/d/paused/true", "permission": "can_edit on DAGs"}
    assert [(*row[:3], json.loads(row["extra"])) for row in found] == [("api_set_paused", "d", "alice", described)]
    assert "".join(capsys.readouterr()).count("user=alice") == 4
    url = await start(audit_log="False")
    assert await status(url, alice, "GET", f"{API}/dags/d/paused/false") == 200
    assert len(await execute(database, "SELECT FROM log")) == 1


async def test_the_log_has_the_permission_that_was_used(database: str, start: Serve) -> None:
    """Who may both create and change a pool has used one of the two."""
    url, alice = await start(), basic("alice")
    async with aiohttp.ClientSession(headers=alice) as session:
        for _ in range(2):
            async with session.post(f"{url}{API}/pools", json={"name": "p", "slots": 1, "description": ""}) as answer:
                assert answer.status == 200
    found = await execute(database, "SELECT extra FROM log ORDER BY id")
    used = [json.loads(row["extra"])["permission"] for row in found]
    assert used == ["can_create on Pools", "can_edit on Pools"]


async def test_a_log_that_cannot_be_written_stops_nothing(
    database: str, start: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """What was asked for is done and answered; the failure is logged."""
    url = await start()
    await execute(database, "INSERT INTO dag (dag_id, is_paused) VALUES ('d', false)")
    await execute(database, "DROP TABLE log")
    with caplog.at_level(logging.WARNING):
        assert await status(url, basic("alice"), "GET", f"{API}/dags/d/paused/true") == 200
    assert "could not be written" in caplog.text


AB_USER = """
CREATE TABLE ab_user (id int PRIMARY KEY, first_name varchar(256) NOT NULL, last_name varchar(256) NOT NULL,
    username varchar(512) NOT NULL, password varchar(256), active boolean, email varchar(512) NOT NULL)
"""


async def test_users_of_newer_airflows(database: str) -> None:
    """`ab_user`: active ones, in any case, by e-mail too; werkzeug's hashes and bcrypt's."""
    await execute(database, "DROP TABLE users CASCADE")
    await execute(database, AB_USER)
    hashed = "scrypt:1024:8:1$salty$" + hashlib.scrypt(b"secret", salt=b"salty", n=1024, r=8, p=1).hex()
    rows = [("Alice", hashed, True), ("bcrypt", CHEAP, True), ("gone", hashed, False), ("never", hashed, None),
            ("twice", hashed, True), ("TWICE", hashed, True), ("none", None, True)]  # fmt: skip
    for number, (name, stored, active) in enumerate(rows):
        await execute(
            database,
            "INSERT INTO ab_user VALUES ($1, '', '', $2, $3, $4, $5)",
            number,
            name,
            stored,
            active,
            f"{name}@x",
        )
    async with live_server(database, auth_backend="airflow.api.auth.backend.basic_auth") as url:
        for user in ("Alice", "aLICE", "Alice@x", "bcrypt"):
            assert await status(url, basic(user)) == 200, user
        for user in ("alice@x", "gone", "never", "twice", "none", "gone@x", "nobody"):
            assert await status(url, basic(user)) == 403, user
        assert '"Alice"' in (await ask(url, basic("alice"), *SESSION)).text


async def test_without_users_the_server_does_not_start(database: str) -> None:
    """A stock Airflow 3 has no table of users: the line says so."""
    await execute(database, "DROP TABLE users CASCADE")
    with pytest.raises(StartupError, match="no table of users"):
        async with live_server(database, auth_backend="password_auth"):
            pass


def test_refusals_are_held_for_a_moment() -> None:
    """Long enough to slow guessers, too short to hold a connection for long."""
    assert 0.1 <= password_auth._HOLD <= 1
