"""Default-deny: every route and method, under every backend, with no, wrong and right credentials."""

import base64
import re
from collections.abc import Callable, Mapping, Sequence

import gssapi
import pytest
from aiohttp import web

from auth_backends.conformance import API, MALFORMED, ask
from server.app import create_app
from tests.integration.passwords import add_user, basic, execute
from tests.kerberos import Realm
from tests.live import config_for, live_server

PROBES = (f"{API}/latest_runs", f"{API}/test", f"{API}/dags/example_trigger_target_dag/paused/false", f"{API}/pools")
# A stream has no end; one that is asked for wrongly is refused at once.
_ENDLESS = {f"{API}/events": f"{API}/events?dag_id="}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def walk() -> list[tuple[str, str]]:
    """Return each method, those without a route too, of each path of the real table."""
    app: web.Application = create_app(config_for("postgresql://nobody@localhost/none"))
    paths = {route.resource.canonical for route in app.router.routes() if route.resource is not None}
    filled = sorted(_ENDLESS.get(path, re.sub(r"\{[^}]*\}", "x", path)) for path in paths)
    assert f"{API}/openapi.json" in filled
    assert len(filled) >= 15
    return [(method, path) for path in filled for method in METHODS if path.startswith(API)]


async def check(
    url: str, headers: Mapping[str, str] | Callable[[], Mapping[str, str]], allowed: set[int], *, hidden: bool = True
) -> None:
    """Every route answers one of `allowed`, and without a body that says more than an error."""
    wrong = []
    for method, path in [*walk(), ("GET", f"{API}/no-such-route"), ("GET", f"{API}%2Ftest"), ("GET", "/")]:
        reply = await ask(url, headers() if callable(headers) else headers, method, path)
        if reply.status not in allowed or (hidden and method != "HEAD" and not reply.text.startswith('{"code":"')):
            wrong.append((method, path, reply.status, reply.text[:80]))
    assert not wrong


def ticket() -> Mapping[str, str]:
    """Return a new header: no ticket's token is taken twice."""
    name = gssapi.Name("airflow@localhost", gssapi.NameType.hostbased_service)
    token = gssapi.SecurityContext(name=name, usage="initiate").step() or b""
    return {"Authorization": f"Negotiate {base64.b64encode(token).decode()}"}


@pytest.mark.parametrize(
    ("backend", "nothing", "refused"),
    [("deny_all", {403}, {403}), ("password_auth", {401}, {403}), ("kerberos_auth", {401}, {403})],
)
async def test_every_route_is_closed(
    database: str, realm: Realm, backend: str, nothing: set[int], refused: set[int]
) -> None:
    """Without credentials, with wrong and with malformed ones nothing is answered, nor changed; health is open."""
    await add_user(database, "alice")
    options = {"kerberos_keytab": str(realm.keytab), "kerberos_hostname": "localhost", "throttle_failures": "0"}
    wrong = {"password_auth": basic("alice", "wrong")}.get(backend, {"Authorization": "Negotiate YWJj"})
    async with live_server(database, auth_backend=backend, **options) as url:
        await check(url, {}, nothing)
        await check(url, wrong, refused)
        await check(url, {"Authorization": MALFORMED[0]}, {401, 403})
        await check(url, {"Cookie": "windsock_session=gAAAAABforged; __Host-windsock_session=x"}, nothing)
        assert (await ask(url, {}, path="/health")).status == 200
        for path in PROBES:
            assert "items" not in (await ask(url, {}, path=path)).text
    assert [row[0] for row in await execute(database, "SELECT pool FROM slot_pool")] == ["default_pool"]
    assert await execute(database, "SELECT FROM log") == []


async def test_every_route_is_open_with_credentials(database: str, realm: Realm) -> None:
    """With right ones none of them answers 401 or 403."""
    await add_user(database, "alice")
    everything = {200, 400, 404, 405}
    async with live_server(database, auth_backend="password_auth") as url:
        await check(url, basic("alice"), everything, hidden=False)
    options = {"kerberos_keytab": str(realm.keytab), "kerberos_hostname": "localhost"}
    async with live_server(database, auth_backend="kerberos_auth", **options) as url:
        await check(url, ticket, everything, hidden=False)
    async with live_server(database) as url:
        await check(url, {}, everything, hidden=False)


async def test_scanners_find_nothing(database: str) -> None:
    """The public probes for the API that Airflow left open see neither its words nor its data."""
    signs: Sequence[str] = ('"status":"OK"', "dag_id", "items", "airflow")
    async with live_server(database, auth_backend="deny_all") as url:
        for path in PROBES:
            reply = await ask(url, {"User-Agent": "scanner"}, path=path)
            assert reply.status == 403
            assert not [sign for sign in signs if sign in reply.text.lower()]
