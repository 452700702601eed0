"""`[windsock] authorization = file`: who may do what, over a real server and database."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from auth_backends.conformance import API, ask
from server.api.routes import ENDPOINTS
from server.auth.permissions import NOTHING_MORE
from tests.integration.passwords import add_user, basic, execute
from tests.live import live_server

ROLES = ("Public", "Viewer", "User", "Op", "Admin")
FILE = """
roles:
  trigger: [can_edit on DAG:etl_*, can_create on DAG Runs]
  nothing_but_runs: [can_read on DAG Runs]
users:
  public: Public
  viewer: Viewer
  user: User
  op: Op
  admin: Admin
  etl: {role: User, dags: [etl_*, one]}
  bot: trigger
  runs: nothing_but_runs
  both: [Viewer, trigger]
"""
USERS = ("public", "viewer", "user", "op", "admin", "etl", "bot", "runs", "both", "unlisted")


def documented() -> dict[str, tuple[str, str]]:
    """Return by request what the page for users says that it needs, and the first built-in role that has it."""
    page = (Path(__file__).parents[2] / "docs" / "authentication.md").read_text("utf-8")
    rows = re.findall(r"^\| (`[A-Z]+ /.*) \| (.*) \| (\w+) \|$", page, re.MULTILINE)
    return {
        request.replace("<", "{").replace(">", "}"): (", ".join(re.findall("`(.+?)`", needed.partition(" (")[0])), role)
        for requests, needed, role in rows
        for request in re.findall("`(.+?)`", requests)
    }


NEEDED = {request: (needed, role.replace("all", "Public")) for request, (needed, role) in documented().items()}
OF_DAGS = {name: needs for name, needs in NEEDED.items() if "{dag_id}" in name}


@pytest.fixture
async def url(database: str, tmp_path: Path) -> AsyncIterator[str]:
    """Serve with the file, and with a user of each kind."""
    for name in USERS:
        await add_user(database, name)
    file = tmp_path / "permissions.yaml"
    file.write_text(FILE)
    options = {"authorization": "file", "permissions_file": str(file), "user_check_seconds": "0"}
    async with live_server(database, auth_backend="password_auth", **options) as address:
        yield address


async def missing(url: str, user: str, endpoint: str, dag_id: str = "nope") -> str | None:
    """Return the permission that the user lacks for a request that changes nothing, None if the server goes on."""
    method, _, path = endpoint.partition(" ")
    path = re.sub(
        r"\{(\w+)\}", lambda name: {"dag_id": dag_id, "execution_date": "2020-01-01"}.get(name[1], "true"), path
    )
    # A stream that is allowed would not end; an empty dag_id is refused.
    query = "?dag_id=" if path == "/events" else ""
    reply = await ask(url, basic(user), method, f"{API}{path}{query}")
    if reply.status != 403:
        return None
    refusal = json.loads(reply.text)
    assert refusal["code"] == "permission_missing"
    return str(refusal["error"].removeprefix("Forbidden: this needs "))


def test_every_endpoint_is_in_the_table() -> None:
    """Also one that is added later, and the page says of each what it needs."""
    table = {f"{each.method} {each.path}": each.needs for each in ENDPOINTS}
    assert sorted(table) == sorted(NEEDED)
    for name, needs in table.items():
        assert needs is not None
        assert ", ".join(map(str, (*needs.every, *needs.either[:1]))) == NEEDED[name][0]
    open_to_all = {name for name, (needed, _) in NEEDED.items() if not needed}
    assert {name for name, needs in table.items() if needs == NOTHING_MORE} == open_to_all


async def test_built_in_roles(url: str) -> None:
    """Every endpoint with every role: allowed, or a 403 that names the first permission that is missing."""
    for endpoint, (needed, first) in NEEDED.items():
        for role in ROLES:
            found = await missing(url, role.lower(), endpoint)
            assert (found is None) == (ROLES.index(role) >= ROLES.index(first)), (endpoint, role, found)
            assert found is None or found in needed.split(", "), (endpoint, role)
        assert await missing(url, "unlisted", endpoint) == await missing(url, "public", endpoint)


async def test_some_dags(url: str) -> None:
    """A role for some DAGs gives what it gives for these alone, and nothing of what belongs to no DAG."""
    for endpoint, (needed, _) in OF_DAGS.items():
        for dag_id, allowed in (("etl_1", True), ("one", True), ("one2", False), ("other", False)):
            found = await missing(url, "etl", endpoint, dag_id)
            assert found == (None if allowed else needed.split(", ")[0]), (endpoint, dag_id)
    for endpoint in ("GET /pools", "POST /pools", "GET /pools/{name}", "DELETE /pools/{name}"):
        assert await missing(url, "etl", endpoint) == NEEDED[endpoint][0]


async def test_lists_and_what_they_leave_out(database: str, url: str) -> None:
    """They have only the DAGs that may be read, and a DAG that may not be is answered like one that is not there."""
    dags = "INSERT INTO dag (dag_id, is_paused, is_active) SELECT id, false, true FROM unnest($1::text[]) AS id"
    await execute(database, dags, ["etl_1", "etl_2", "one", "one2", "other"])
    listed: dict[str, object] = {}
    for user in ("etl", "viewer", "bot"):
        reply = await ask(url, basic(user), "GET", f"{API}/dags")
        listed[user] = [dag["dag_id"] for dag in json.loads(reply.text)] if reply.status == 200 else reply.status
    assert listed == {
        "etl": ["etl_1", "etl_2", "one"],
        "viewer": ["etl_1", "etl_2", "one", "one2", "other"],
        "bot": 403,
    }
    for endpoint in OF_DAGS:
        assert await missing(url, "etl", endpoint, "other") == await missing(url, "etl", endpoint, "nope") is not None


async def test_roles_of_the_file(url: str) -> None:
    """They give what they list, and several roles give all of theirs."""
    trigger, state = "POST /dags/{dag_id}/dag_runs", "GET /dags/{dag_id}/dag_runs/{execution_date}"
    assert [await missing(url, "bot", trigger, dag_id) for dag_id in ("etl_1", "x")] == [None, "can_edit on DAGs"]
    assert await missing(url, "bot", state, "etl_1") == "can_read on DAGs"
    assert await missing(url, "runs", state) == "can_read on DAGs"
    assert await missing(url, "both", state) is None
    assert await missing(url, "both", trigger, "etl_1") is None
    assert await missing(url, "both", "PATCH /dags/{dag_id}", "x") == "can_edit on DAGs"


async def test_who_am_i(url: str) -> None:
    """User, backend, roles, and each permission once, with its DAGs."""
    answers = {}
    for user in ("both", "etl", "unlisted"):
        reply = await ask(url, basic(user), "GET", f"{API}/whoami")
        assert reply.status == 200
        answers[user] = json.loads(reply.text)
    both, etl, unlisted = answers["both"], answers["etl"], answers["unlisted"]
    assert (both["user"], both["backend"], both["roles"]) == ("both", "password_auth", ["Viewer", "trigger"])
    assert {"permission": "can_edit on DAGs", "dags": [["etl_*"]]} in both["permissions"]
    assert {"permission": "can_create on DAG Runs", "dags": None} in both["permissions"]
    assert [each["permission"] for each in both["permissions"]].count("can_read on DAGs") == 1
    assert etl["roles"] == ["User (etl_*, one)"]
    assert {str(each["dags"]) for each in etl["permissions"]} == {"[['etl_*', 'one']]"}
    assert "can_read on Pools" not in {each["permission"] for each in etl["permissions"]}
    assert unlisted == {"user": "unlisted", "backend": "password_auth", "roles": [], "permissions": []}


async def test_roles_in_the_database(database: str, url: str) -> None:
    """They count besides the file's, at once or after user_check_seconds, and end with the user."""
    create = "POST /pools"
    assert await missing(url, "unlisted", create) == "can_create on Pools"
    give = "INSERT INTO windsock_user_role SELECT id, $2 FROM users WHERE username = $1"
    await execute(database, give, "unlisted", "Op")
    assert await missing(url, "unlisted", create) is None
    assert await missing(url, "public", create) == "can_create on Pools"
    await execute(database, "DELETE FROM windsock_user_role")
    assert await missing(url, "unlisted", create) == "can_create on Pools"
    # A role that nobody defines gives nothing.
    await execute(database, give, "unlisted", "gone")
    assert await missing(url, "unlisted", "GET /dags") == "can_read on DAGs"
    await execute(database, "DELETE FROM users WHERE username = 'unlisted'")
    assert await execute(database, "SELECT FROM windsock_user_role") == []


async def test_without_a_file(database: str) -> None:
    """A standalone database may have all the roles itself; an open server asks nobody, so all may do everything."""
    await add_user(database, "alice")
    async with live_server(database, auth_backend="password_auth", authorization="file") as url:
        assert await missing(url, "alice", "GET /dags") == "can_read on DAGs"
    async with live_server(database, auth_backend="default", authorization="file") as url:
        assert (await ask(url, {}, "GET", f"{API}/dags")).status == 200


async def test_concurrent_users_do_not_mix(url: str) -> None:
    """Each request has the permissions of its own user."""
    asked = [(user, endpoint) for user in ("viewer", "op", "public") * 10 for endpoint in ("GET /pools", "POST /pools")]
    found = await asyncio.gather(*(missing(url, *each) for each in asked))
    for (user, endpoint), one in zip(asked, found, strict=True):
        allowed = user == "op" or (user == "viewer" and endpoint == "GET /pools")
        assert (one is None) == allowed, (user, endpoint)
