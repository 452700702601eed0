"""Whatever goes wrong, the caller gets JSON that says what, and nothing that it should not see."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import asyncpg
import pytest

from server.metrics.counters import COUNTERS, NO_ROUTE
from tests.contract import cases

API = "/api/experimental"
Serve = Callable[..., Awaitable[str]]


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database)
    await connection.execute(cases.ROWS.read_text())
    yield connection
    await connection.close()


async def raw(url: str, data: bytes, *, wait: float = 5.0) -> bytes:
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(data)
    await writer.drain()
    async with asyncio.timeout(wait):
        answer = await reader.read(65536)
    writer.close()
    return answer


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", f"{API}/nope", 404, "endpoint_not_found"),
        ("GET", "/", 404, "endpoint_not_found"),
        ("PUT", f"{API}/test", 405, "method_not_allowed"),
        ("HEAD", f"{API}/dags/ref_echo/paused/true", 405, ""),
        ("GET", f"{API}/dags/a%00b/dag_runs", 400, "invalid_request"),
        ("GET", f"{API}/dags/%FF/paused", 404, "dag_not_found"),
        ("GET", f"{API}/dags/ref_echo/dag_runs/never", 400, "invalid_date"),
        ("POST", f"{API}/dags/ref_echo/dag_runs", 400, "invalid_request"),
    ],
)
async def test_every_error_is_json(
    serve: Serve,
    connection: asyncpg.Connection,
    session: aiohttp.ClientSession,
    method: str,
    path: str,
    status: int,
    code: str,
) -> None:
    """4xx with `{"code": ..., "error": ...}`, a 405 with `Allow`, and no version in `Server`."""
    assert connection
    async with session.request(method, await serve() + path) as response:
        assert response.status == status
        assert response.content_type == "application/json"
        assert response.headers["Server"] == "windsock"
        if method != "HEAD":
            answer = await response.json()
            assert set(answer) == {"code", "error"}
            assert answer["code"] == code
        assert ("Allow" in response.headers) == (status == 405)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "dags/a%00b/dag_runs", b" " * 2_000),
        ("POST", "dags/a%00b/dag_runs", b"{"),
        ("POST", "dags/a%00b/dag_runs", b"[]"),
        ("PATCH", "dags/a%00b", b" " * 2_000),
        ("PATCH", "dags/a%00b", b"{"),
        ("PATCH", "dags/a%00b/dag_runs/2020-01-01", b"{"),
        ("POST", "dags/a%00b/dag_runs/2020-01-01/clear", b"{"),
        ("PATCH", "dags/a%00b/dag_runs/2020-01-01/tasks/t?map_index=x", b"{"),
        ("DELETE", "dags/a%00b/dag_runs/2020-01-01", None),
        ("GET", "dags/a%00b/paused/perhaps", None),
        ("GET", "dags/a%00b/dag_runs?limit=many", None),
        ("GET", "dags/a%00b/dag_runs/2020-01-01/tasks/t?map_index=x", None),
        ("GET", "dags/a%00b/dag_runs/2020-01-01/tasks/t/logs?tail=x", None),
    ],
)
async def test_the_path_comes_first(
    serve: Serve, session: aiohttp.ClientSession, method: str, path: str, body: bytes | None
) -> None:
    """Of two mistakes the one in the path is told, without a look at the query or the body."""
    async with session.request(method, f"{await serve(max_body_size=1024)}{API}/{path}", data=body) as response:
        assert response.status == 400
        assert "dag_id holds a NUL character" in (await response.json())["error"]
        assert "X-Windsock-Warning" not in response.headers


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        (b"Expect: hush", b"417", "expectation_failed"),
        (b"Origin: http://[hush", b"403", "cross_site"),
        (b"Cookie: windsock_session=\xff\xfehush", b"400", "invalid_request"),
        (b"Host: [hush", b"403", "unknown_host"),
    ],
)
async def test_odd_headers_are_answered_in_json_without_echo(
    serve: Serve, headers: bytes, status: bytes, code: str
) -> None:
    """Whatever a header says, it is no surprise, and the server tells no version."""
    request = b"POST /api/experimental/pools HTTP/1.1\r\n%b\r\nConnection: close\r\nContent-Length: 2\r\n\r\n[]"
    host = b"" if headers.startswith(b"Host") else b"Host: localhost\r\n"
    answer = await raw(await serve(), request % (host + headers))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split(b" ")[1] == status, answer
    assert b"Server: windsock\r\n" in head + b"\r\n"
    assert set(json.loads(body)) == {"code", "error"}
    assert json.loads(body)["code"] == code
    assert b"hush" not in answer


@pytest.mark.parametrize(
    "request_line",
    [b"get /api/experimental/test HTTP/1.1", b"GET /api/experimental/test HTTP/9", b"\x16\x03\x01\x02\x00"],
)
async def test_what_is_not_http_is_answered_in_json_without_echo(serve: Serve, request_line: bytes) -> None:
    """The parser's own errors bypass every middleware; they are JSON all the same, and counted."""
    counted = COUNTERS.requests.get((NO_ROUTE, "other", 400), [0.0])[0]
    answer = await raw(await serve(), request_line + b"\r\nHost: localhost\r\nX-Secret: hush\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    assert json.loads(body) == {"code": "invalid_request", "error": "The request is not well-formed HTTP"}
    assert b"hush" not in answer
    assert COUNTERS.requests[NO_ROUTE, "other", 400][0] == counted + 1


async def test_a_declared_body_over_the_limit_is_refused_before_it_is_sent(serve: Serve) -> None:
    """413 comes while the client has sent nothing of the body yet."""
    url = await serve(max_body_size="1024")
    head = b"POST /api/experimental/pools HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"
    answer = await raw(url, head)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"at most 1024 bytes" in answer


async def test_an_undeclared_body_over_the_limit_is_refused(serve: Serve, session: aiohttp.ClientSession) -> None:
    """A chunked body is counted while it is read."""

    async def body() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b"x" * 1024

    async with session.post(await serve(max_body_size="4096") + f"{API}/pools", data=body()) as response:
        assert response.status == 413


async def test_a_stalled_body_is_cut(serve: Serve) -> None:
    """Half a body does not hold a handler for ever."""
    url = await serve(body_timeout="0.2")
    head = b'POST /api/experimental/pools HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"name"'
    answer = await raw(url, head)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"within 0.2 seconds" in answer


async def test_an_encoded_body_is_not_inflated(serve: Serve, session: aiohttp.ClientSession) -> None:
    """A gzip bomb is refused by its header."""
    headers = {"Content-Encoding": "gzip"}
    async with session.post(await serve() + f"{API}/pools", data=b"\x1f\x8b", headers=headers) as response:
        assert response.status == 415


async def test_a_refused_request_takes_no_connection(
    serve: Serve, connection: asyncpg.Connection, session: aiohttp.ClientSession
) -> None:
    """With every connection of the pool held, bad requests are still answered at once."""
    url = await serve(pool_min_size="1", pool_max_size="1", acquire_timeout="30")
    async with connection.transaction():
        await connection.execute("LOCK TABLE slot_pool IN ACCESS EXCLUSIVE MODE")
        holder = asyncio.ensure_future(session.get(url + f"{API}/pools"))
        await asyncio.sleep(0.3)
        bad = [
            ("POST", f"{API}/dags/ref_echo/dag_runs", "not json"),
            ("POST", f"{API}/dags/ref_echo/dag_runs", '{"execution_date": "never"}'),
            ("POST", f"{API}/pools", '{"name": "x"}'),
            ("GET", f"{API}/dags/ref_echo/dag_runs/never", None),
            ("GET", f"{API}/pools/%20", None),
        ]
        async with asyncio.timeout(5):
            for method, path, body in bad:
                async with session.request(method, url + path, data=body) as response:
                    assert response.status == 400, path
    (await holder).release()


async def test_an_exhausted_pool_is_503_after_a_bounded_wait(
    serve: Serve, connection: asyncpg.Connection, session: aiohttp.ClientSession
) -> None:
    """Who finds no connection in time is told to come back."""
    url = await serve(pool_min_size="1", pool_max_size="1", acquire_timeout="0.2", statement_timeout="20")
    async with connection.transaction():
        await connection.execute("LOCK TABLE slot_pool IN ACCESS EXCLUSIVE MODE")
        holder = asyncio.ensure_future(session.get(url + f"{API}/pools"))
        await asyncio.sleep(0.1)
        async with session.get(url + f"{API}/latest_runs") as response:
            assert response.status == 503
            assert response.headers["Retry-After"] == "1"
            assert (await response.json())["code"] == "database_unavailable"
    (await holder).release()


async def test_a_locked_row_fails_alone(
    serve: Serve, connection: asyncpg.Connection, session: aiohttp.ClientSession
) -> None:
    """A trigger that collides with a row of an open transaction is 503; its neighbours in the batch are made."""
    url = await serve()
    date = "2020-05-05T00:00:{:02}Z"
    async with connection.transaction():
        await connection.execute(
            "INSERT INTO dag_run (dag_id, run_id, execution_date) VALUES ('ref_echo', 'run_3', now())"
        )

        async def trigger(number: int) -> int:
            body = {"run_id": f"run_{number}", "execution_date": date.format(number)}
            async with session.post(url + f"{API}/dags/ref_echo/dag_runs", json=body) as response:
                return response.status

        assert await asyncio.gather(*map(trigger, range(6))) == [200, 200, 200, 503, 200, 200]


async def test_an_unexpected_error_is_500_without_details(
    serve: Serve, connection: asyncpg.Connection, session: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller gets a request id, the log gets the traceback."""
    url = await serve()
    await connection.execute("ALTER TABLE slot_pool RENAME TO gone")
    async with session.get(url + f"{API}/pools", headers={"X-Request-ID": "abc"}) as response:
        assert response.status == 500
        assert await response.json() == {
            "code": "internal_error",
            "error": "Internal server error",
            "request_id": "abc",
        }
        assert response.headers["X-Request-ID"] == "abc"
    assert any(record.exc_info for record in caplog.records)


async def test_a_request_id_that_could_break_a_log_is_replaced(serve: Serve, session: aiohttp.ClientSession) -> None:
    """Ids are taken from callers only where they are short and printable."""
    headers = {"X-Request-ID": "x" * 200}
    async with session.get(await serve() + f"{API}/test", headers=headers) as response:
        assert 0 < len(response.headers["X-Request-ID"]) < 30
