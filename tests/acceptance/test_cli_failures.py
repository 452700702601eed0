"""What a person sees when something is wrong: one line, a documented exit status, never a traceback."""

import asyncio
import json
import os
import ssl
from asyncio import StreamReader as Reader
from asyncio import StreamWriter as Writer
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.acceptance.cli import WINDSOCK, fill, on_database, over_http, rows, windsock
from tests.acceptance.wording import REWORDED, wording
from tests.integration.passwords import PASSWORD, add_user

__all__ = ["wording"]

Handler = Callable[[Reader, Writer], Awaitable[None]]


@asynccontextmanager
async def listener(handler: Handler, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Answer connections with `handler`; yields the URL."""
    server = await asyncio.start_server(handler, "127.0.0.1", 0, ssl=context)
    scheme = "https" if context else "http"
    try:
        yield f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()


async def _request(reader: Reader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-l")), 0
    )
    return head + await reader.readexactly(length)


async def _close(writer: Writer) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


def answering(answer: bytes) -> Handler:
    """Make a server that has one answer for everything."""

    async def handle(reader: Reader, writer: Writer) -> None:
        await _request(reader)
        writer.write(answer)
        await writer.drain()
        await _close(writer)

    return handle


def _answer(status: str, body: str, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", body]
    return "\r\n".join(lines).encode()


@pytest.mark.parametrize(
    ("answer", "code", "expected"),
    [
        (_answer("200 OK", "<html>hello</html>"), 5, "is not this API; check [cli] endpoint_url"),
        (_answer("200 OK", '"text"'), 5, "is not this API; check [cli] endpoint_url"),
        (_answer("404 Not Found", "<html></html>"), 5, "is not this API; check [cli] endpoint_url"),
        (_answer("302 Found", "", "Location: https://elsewhere/"), 5, "redirects to https://elsewhere/"),
        (_answer("401 No", '{"error": "Unauthorized"}', "WWW-Authenticate: Basic"), 4, "WINDSOCK_USERNAME"),
        (_answer("401 No", '{"error": "Unauthorized"}', "WWW-Authenticate: Negotiate"), 4, "run kinit"),
        (_answer("403 No", '{"error": "Forbidden"}'), 4, "Error: Forbidden\n"),
        (_answer("500 No", '{"error": "Internal server error"}', "X-Request-ID: abc"), 5, "(request id abc)"),
        (_answer("503 No", '{"error": "The database is away"}'), 5, "Error: The database is away\n"),
        (_answer("502 No", "<html></html>"), 5, "status 502: the server failed"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", 5, "does not speak HTTP"),
        (b"", 5, "the connection broke before the answer"),
    ],
)
async def test_odd_answers(answer: bytes, code: int, expected: str) -> None:
    """Whatever answers there, it is one line that says what and what next."""
    async with listener(answering(answer)) as url:
        done = await windsock("pool", **over_http(url.replace("//", "//bob:geheim@")))
    assert (done.code, done.out) == (code, "")
    assert expected in done.err
    assert done.err.count("\n") == 1
    assert "geheim" not in done.err


async def test_nobody_answers() -> None:
    """No server, no host, no answer in time, no database: 5, and the place is named."""
    done = await windsock("pool", **over_http("http://127.0.0.1:9"))
    assert (done.code, done.err.startswith("Error: cannot reach http://127.0.0.1:9: nothing listens there")) == (
        5,
        True,
    )
    done = await windsock("pool", **over_http("http://no-such-host.invalid"))
    assert done.code == 5
    assert "no-such-host.invalid" in done.err

    async def silent(reader: Reader, writer: Writer) -> None:
        await reader.read()
        await _close(writer)

    async with listener(silent) as url:
        done = await windsock("pool", "-x", "p", **over_http(url, AIRFLOW__WINDSOCK__CLIENT_TIMEOUT="0.3"))
    assert done.code == 5
    assert "no answer within 0.3 seconds" in done.err
    done = await windsock("pool", **on_database("postgresql://u:geheim@127.0.0.1:9/x"))
    assert done.code == 5
    assert "cannot connect to postgresql://u:***@127.0.0.1:9/x" in done.err
    assert "geheim" not in done.err


async def test_configuration_mistakes(tmp_path: Path) -> None:
    """They are named with their place, and are status 1."""
    done = await windsock("pool", **over_http("ftp://x"))
    assert (done.code, "ENDPOINT_URL" in done.err) == (1, True)
    done = await windsock("pool", AIRFLOW__CLI__API_CLIENT="airflow.api.client.xml_client")
    assert (done.code, "[cli] api_client = airflow.api.client.xml_client: expected" in done.err) == (1, True)
    done = await windsock("pool")
    assert (done.code, "no database is configured" in done.err) == (1, True)
    broken = tmp_path / "netrc"
    broken.write_text("machine x login y geheim")
    done = await windsock("pool", **over_http("http://127.0.0.1:9", NETRC=str(broken)))
    assert (done.code, str(broken) in done.err, "geheim" in done.err) == (1, True, False)
    broken.write_bytes(b"machine 127.0.0.1 login \xff password geheim")
    done = await windsock("pool", **over_http("http://127.0.0.1:9", NETRC=str(broken)))
    assert (done.code, "not UTF-8" in done.err, "Traceback" in done.err) == (1, True, False)


@pytest.mark.parametrize("run_id", ["again", None])
async def test_a_lost_answer(
    database: str, serve: Callable[..., Awaitable[str]], run_id: str | None, wording: str
) -> None:
    """A trigger that names its run id is tried again and is made once; one that does not is sent once."""
    assert wording
    await fill(database)
    port = urlsplit(await serve()).port
    requests = 0

    async def lossy(reader: Reader, writer: Writer) -> None:
        nonlocal requests
        requests += 1
        lose = requests == 1
        upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", port)
        upstream.write((await _request(reader)).replace(b"Connection: keep-alive", b"Connection: close"))
        answer = await _request(upstream_reader)
        if not lose:
            writer.write(answer.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
            await writer.drain()
        await _close(writer)
        await _close(upstream)

    before = len((await rows(database))["dag_run"])
    async with listener(lossy) as url:
        done = await windsock("trigger_dag", *(["-r", run_id] if run_id else []), "ref_setup", **over_http(url))
    assert len((await rows(database))["dag_run"]) == before + 1
    if run_id:
        assert (done.code, done.err) == (0, "")
        assert done.out.startswith("Created <DagRun ref_setup @ ")
        assert ": again, externally triggered: True>" in done.out
    else:
        assert (done.code, requests) == (5, 1)
        assert "the connection broke before the answer" in done.err


STEER = ("stop_run d r", "clear -y d 2020-01-01", "mark_task d t 2020-01-01 failed", "delete_run -y d 2020-01-01")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (_answer("404 Not Found", "<html></html>"), "cannot do this: it is an older Windsock, or Airflow itself"),
        (_answer("405 No", "<html></html>"), "cannot do this: it is an older Windsock, or Airflow itself"),
        (
            _answer("404 No", '{"code": "endpoint_not_found", "error": "Not found: there is no such endpoint"}'),
            "cannot do this: it is an older Windsock, or Airflow itself",
        ),
        (_answer("405 No", '{"error": "Method not allowed here"}'), "cannot do this: it is an older Windsock"),
        (
            _answer("501 No", '{"code": "not_supported", "error": "Use its own command"}'),
            "Error: Use its own command\n",
        ),
    ],
)
async def test_a_server_that_cannot_steer(answer: bytes, said: str) -> None:
    """One line says so, and the status is 1: nothing is missing, and nothing has failed."""
    async with listener(answering(answer)) as url:
        done = await asyncio.gather(*(windsock(*line.split(), **over_http(url)) for line in STEER))
    for one in done:
        assert (one.code, one.out, one.err.count("\n")) == (1, "", 1)
        assert said in one.err


@pytest.mark.parametrize(("line", "tries"), [(STEER[0], 3), (STEER[1], 1), (STEER[2], 3), (STEER[3], 1)])
async def test_what_is_not_sent_twice(line: str, tries: int) -> None:
    """Marking twice is marking once; clearing or deleting twice may hit what is new meanwhile."""
    seen = []

    async def lossy(reader: Reader, writer: Writer) -> None:
        seen.append(await _request(reader))
        await _close(writer)

    async with listener(lossy) as url:
        done = await windsock(*line.replace("d r", "d run_id=r").split(), **over_http(url))
    assert (done.code, len(seen)) == (5, tries)
    assert len(set(seen)) == 1


async def test_a_question_on_a_terminal(database: str) -> None:
    """It says what would be repeated; a no changes nothing, and is status 1."""
    await fill(database)
    before = await rows(database)
    for answer, code in (("n", 1), ("y", 0)):
        terminal, inner = os.openpty()
        process = await asyncio.create_subprocess_exec(
            WINDSOCK, "clear", "-f", "ref_setup", "setup_fail", stdin=inner, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, env={**os.environ, **on_database(database)},
        )  # fmt: skip
        os.close(inner)
        os.write(terminal, f"{answer}\n".encode())
        out, err = await asyncio.wait_for(process.communicate(), 60)
        os.close(terminal)
        assert process.returncode == code
        assert b"  echo_conf in setup_fail, now failed\n" in err
        assert out == (b"setup_fail: cleared 2 task instances\n" if answer == "y" else b"")
        assert (await rows(database) == before) == (answer == "n")


async def test_a_lost_answer_to_another(database: str, serve: Callable[..., Awaitable[str]], wording: str) -> None:
    """Whoever named a date is not told that another's run with that run id is the one that was asked for."""
    await fill(database)
    url = await serve()
    assert (await windsock("trigger_dag", "-r", "r", "-e", "2024-01-01", "ref_setup", **over_http(url))).code == 0
    port = urlsplit(url).port
    requests = 0

    async def lossy(reader: Reader, writer: Writer) -> None:
        nonlocal requests
        requests += 1
        if requests > 1:
            upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", port)
            upstream.write((await _request(reader)).replace(b"Connection: keep-alive", b"Connection: close"))
            answer = await _request(upstream_reader)
            writer.write(answer.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
            await writer.drain()
            await _close(upstream)
        await _close(writer)

    for date, code in (("2024-01-02", 1), ("2024-01-01T00:00:00Z", 0)):
        requests = 0
        async with listener(lossy) as broken:
            done = await windsock("trigger_dag", "-r", "r", "-e", date, "ref_setup", **over_http(broken))
        said = "Something else" if wording == REWORDED else "Run id r already exists"
        assert (done.code, said in done.err) == (code, code == 1), done


async def test_passwords(database: str, serve: Callable[..., Awaitable[str]], tmp_path: Path) -> None:
    """From the environment, the configuration, the URL and netrc; without one 4 and what to do."""
    await add_user(database, "alice")
    url = await serve(auth_backend="password_auth")
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login alice password {PASSWORD}\n")
    netrc.chmod(0o600)
    none = {"NETRC": str(tmp_path / "none")}
    ways = [
        over_http(url, WINDSOCK_USERNAME="alice", WINDSOCK_PASSWORD=PASSWORD, AIRFLOW__CLI__USERNAME="other", **none),
        over_http(url, AIRFLOW__CLI__USERNAME="alice", AIRFLOW__CLI__PASSWORD=PASSWORD, **none),
        over_http(url.replace("//", f"//alice:{PASSWORD}@"), **none),
        over_http(url, NETRC=str(netrc)),
    ]
    assert [(await windsock("pool", **way)).code for way in ways] == [0, 0, 0, 0]
    without = await windsock("pool", **over_http(url, **none))
    assert (without.code, "set WINDSOCK_USERNAME and WINDSOCK_PASSWORD" in without.err) == (4, True)
    wrong = await windsock("pool", "-v", **over_http(url.replace("//", "//alice:wrong-one@"), **none))
    assert wrong.code == 4
    assert "wrong-one" not in wrong.err


async def test_deny_all(serve: Callable[..., Awaitable[str]]) -> None:
    """Nobody is let in: 4."""
    done = await windsock("pool", **over_http(await serve(auth_backend="deny_all")))
    assert (done.code, done.err.startswith("Error: Forbidden")) == (4, True)


BAD = {
    "good": {"slots": 1, "description": "x"},
    "float": {"slots": 1.5, "description": "x"},
    "keys": {"slots": 1},
    "text": {"slots": 1, "description": 5},
    " ": {"slots": 1, "description": "x"},
    "many": {"slots": 2**31, "description": "x"},
    "deferred": {"slots": 1, "description": "x", "include_deferred": True},
}


async def test_an_import_is_checked_before_anything_is_written(
    database: str, serve: Callable[..., Awaitable[str]]
) -> None:
    """Every bad entry is named, and the good one beside them is not written."""
    environment = over_http(await serve())
    before = (await rows(database))["slot_pool"]
    done = await windsock("pool", "-i", "-", stdin=json.dumps(BAD), **environment)
    assert done.code == 1
    assert all(f"  {name}: " in done.err for name in BAD if name != "good")
    assert "  good: " not in done.err
    twice = '{"a": {"slots": 1, "description": "x"}, "a": {"slots": 2, "description": "y"}}'
    done = await windsock("pool", "-i", "-", stdin=twice, **environment)
    assert (done.code, "a: the name appears twice" in done.err) == (1, True)
    # The server alone knows how long a name may be here: it is asked about long ones first.
    long = {"b": {"slots": 1, "description": "x"}, "n" * 60: {"slots": 1, "description": "x"}}
    done = await windsock("pool", "-i", "-", stdin=json.dumps(long), **environment)
    assert (done.code, "0 of 2 pools imported" in done.err) == (1, True)
    assert (await rows(database))["slot_pool"] == before
