"""The page as a browser gets it: its addresses, headers and files; what the API answers to it."""

from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from multidict import CIMultiDictProxy

Serve = Callable[..., Awaitable[str]]
API = "/api/experimental"
ADDRESSES = (
    "/", "/dags/a%2Fb", "/dags/d/runs/manual__2020-01-01T00%3A00%3A00%2B00%3A00", "/dags/d/runs/r/tasks/t", "/pools",
    "/runs", "/status", "/sign-in", "/admin/airflow/graph?dag_id=d&execution_date=2020-01-01", f"{API}/docs",
)  # fmt: skip


async def ask(url: str, method: str = "GET", **headers: str) -> tuple[int, CIMultiDictProxy[str], bytes]:
    async with (
        aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=["Accept-Encoding", "Accept"]) as session,
        session.request(method, url, headers=headers) as response,
    ):
        return response.status, response.headers, await response.read()


@pytest.mark.parametrize("base_path", ["", "/w"])
async def test_every_address_of_the_page(serve: Serve, base_path: str) -> None:
    url = await serve(page="True", base_path=base_path)
    for address in ADDRESSES:
        status, headers, body = await ask(url + address)
        assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8"), address
        assert f'data-base="{base_path}"'.encode() in body


async def test_without_the_option_there_is_no_page(serve: Serve) -> None:
    url = await serve()
    for address in ADDRESSES:
        status, headers, _ = await ask(url + address, Accept="text/html")
        assert (status, headers["Content-Type"]) == (404, "application/json"), address
