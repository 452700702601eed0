"""Who guesses passwords waits, and does not keep others out, over real sockets and a real database."""

import asyncio
import logging
import os
import socket
import threading
from pathlib import Path

import aiohttp
import pytest

from auth_backends.conformance import API, ask
from server.auth import hashes
from server.serving.listener import serving
from tests.integration.passwords import CHEAP, add_user, basic, execute, other_hash
from tests.integration.test_auth_password import AB_USER, SESSION, Serve, start, status
from tests.live import config_for, live_server
from tests.until import until

__all__ = ["start"]


async def ab_users(database: str, *rows: tuple[str, str, str | None]) -> None:
    """Make `ab_user` with these names, e-mails and hashes instead of `users`."""
    await execute(database, "DROP TABLE users CASCADE")
    await execute(database, AB_USER)
    for number, row in enumerate(rows):
        await execute(database, "INSERT INTO ab_user VALUES ($1, '', '', $2, $4, true, $3)", number, *row)


async def test_the_rows_own_name_is_throttled(database: str) -> None:
    """However it is spelled, and by e-mail; whose password is verified is who was throttled, and who is answered."""
    victim, other = ("Victim", "victim@example.org", CHEAP), ("Other", "victim", other_hash())
    await ab_users(database, victim, other, ("\u0130zmir", "i@example.org", CHEAP))
    options = {"auth_backend": "password_auth", "throttle_failures": "3"}
    async with live_server(database, **options) as url:
        spellings = ("victim", "VICTIM", "victim@example.org", "Victim", "vICTIM", "victim@example.org")
        answers = [await status(url, basic(name, f"guess {name}")) for name in spellings]
        assert answers == [403] * 3 + [429] * 3
        assert await status(url, basic("vicTIM")) == 429
        # The e-mail of one is the name of the other: the name goes first.
        assert await status(url, basic("Other", "other")) == 200
        unknown = ("Nobody", "nobody", "NOBODY", "nObody")
        assert [await status(url, basic(name, "x")) for name in unknown] == [403] * 3 + [429]
        odd = ("\u0130zmir", "i\u0307zmir", "izmir", "victim ", " victim", "Victim@Example.org", "v" * 600, "V" * 600)
        assert {await status(url, basic(name, "x")) for name in odd} == {403}
    async with live_server(database, **options) as url:
        for name in ("victim", "VICTIM", "victim@example.org"):
            reply = await ask(url, basic(name), *SESSION)
            assert (reply.status, '"Victim"' in reply.text) == (200, True), reply.text


async def test_names_of_airflow_1_are_throttled_exactly(database: str, start: Serve) -> None:
    """There `Alice` is another user than `alice`, and one is not held back for guesses at the other."""
    await add_user(database, "Alice", other_hash())
    url = await start(throttle_failures="2")
    assert [await status(url, basic("Alice", "x")) for _ in range(3)] == [403, 403, 429]
    assert await status(url, basic("alice")) == 200


async def test_a_full_queue_is_no_refused_password(start: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever was told 503 has not guessed, so nobody waits for it."""
    url = await start(hash_threads="1", hash_queue_limit="0", throttle_failures="2")
    begun, held, verify = threading.Event(), threading.Event(), hashes.verify

    def slow(password: str, stored: str) -> bool | None:
        begun.set()
        held.wait(30)
        return verify(password, stored)

    monkeypatch.setattr(hashes, "verify", slow)
    running = asyncio.ensure_future(status(url, basic("somebody")))
    await until(begun.is_set)
    assert [await status(url, basic("alice", f"x{number}")) for number in range(4)] == [503] * 4
    held.set()
    assert await running == 403
    assert await status(url, basic("alice")) == 200


async def test_guesses_count_without_anybody_who_waits_for_the_answer(
    start: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leaving early buys no tries."""
    begun, verify = threading.Semaphore(0), hashes.verify

    def noted(password: str, stored: str) -> bool | None:
        begun.release()
        return verify(password, stored)

    monkeypatch.setattr(hashes, "verify", noted)
    url = await start(throttle_failures="2")
    host, port = url.removeprefix("http://").split(":")
    for number in range(2):
        _, writer = await asyncio.open_connection(host, int(port))
        head = basic("alice", f"guess {number}")["Authorization"]
        writer.write(f"GET {API}/test HTTP/1.1\r\nHost: localhost\r\nAuthorization: {head}\r\n\r\n".encode())
        await writer.drain()
        await until(lambda: begun.acquire(blocking=False))
        writer.transport.abort()
    assert await status(url, basic("alice", "guess")) == 429


async def test_a_flood_from_one_address_keeps_nobody_out(start: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its guesses wait and are refused, while others are served before the next of them."""
    url = await start(hash_threads="1", hash_queue_limit="4", throttle_failures="0", trusted_proxies="127.0.0.1")
    gate, verify = threading.Semaphore(0), hashes.verify

    def one_by_one(password: str, stored: str) -> bool | None:
        gate.acquire(timeout=30)
        return verify(password, stored)

    monkeypatch.setattr(hashes, "verify", one_by_one)
    guesses = [
        asyncio.ensure_future(status(url, {**basic(f"made up {number}"), "X-Forwarded-For": "203.0.113.9"}))
        for number in range(5)
    ]
    await asyncio.sleep(0.5)
    user = asyncio.ensure_future(status(url, {**basic("alice"), "X-Forwarded-For": "203.0.113.10"}))
    await asyncio.sleep(0.3)
    gate.release(2)
    assert await user == 200
    assert sum(guess.done() for guess in guesses) <= 2
    gate.release(10)
    assert sorted(await asyncio.gather(*guesses)) == [403] * 4 + [503]


@pytest.mark.parametrize(
    "stored", ["$2b$31$" + "a" * 53, "pbkdf2:sha256:99999999$salt$00", "$argon2id$v=19$m=1$c2E$aA"]
)
async def test_a_costly_hash_is_refused_and_logged(
    database: str, start: Serve, stored: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Once, with the user's name and without the hash; it costs what any refusal does."""
    await add_user(database, "mallory", stored)
    url = await start()
    with caplog.at_level(logging.WARNING):
        assert [await status(url, basic("mallory")) for _ in range(2)] == [403, 403]
    (record,) = [record for record in caplog.records if "stored hash" in record.getMessage()]
    assert vars(record)["user"] == "mallory"
    assert stored[7:] not in record.getMessage()


async def test_clients_of_a_unix_socket(
    database: str, start: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the socket is trusted the proxy says who asks; where it is not, it is the user of the process."""
    del start
    for trusted, expected in (("unix:", [403, 403, 403, 200]), ("127.0.0.1", [403, 403, 429, 429])):
        path = str(tmp_path / trusted)
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(path)
            sock.listen()
            sock.setblocking(False)  # noqa: FBT003 - the socket's own signature
            options = {"trusted_proxies": trusted, "throttle_failures": "2", "access_log": "True"}
            config, answers = config_for(database, auth_backend="password_auth", **options), []
            async with (
                serving(config, sock),
                aiohttp.ClientSession(connector=aiohttp.UnixConnector(path)) as client,
            ):
                for address, password in (("1", "a"), ("1", "b"), ("2", "c"), ("2", "secret")):
                    headers = {**basic("alice", password), "X-Forwarded-For": f"203.0.113.{address}"}
                    async with client.get(f"http://localhost{API}/test", headers=headers) as answer:
                        answers.append(answer.status)
        assert answers == expected
        said = "".join(capsys.readouterr())
        assert (f"unix:uid={os.getuid()}" in said) == (trusted != "unix:")
