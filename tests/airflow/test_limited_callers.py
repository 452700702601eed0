"""What callers see who may not do everything: nothing that tells them about what they may not read."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest

from server.api.routes import ENDPOINTS
from server.auth import permissions
from server.auth.permissions import Permission, RoleGrant
from server.database import statements
from server.database.database import Database
from server.wire.dag_patterns import dag_pattern
from tests import limited
from tests.airflow.schemas import copy_dag, generation_of
from tests.airflow.serving import connected, prepare
from tests.live import live_server

pytestmark = pytest.mark.usefixtures("role")
RELEASES = ["1.10.15", "2.10.5", "3.3.2"]
DATE = "2021-01-01T00:01:00+00:00"
ADD_ERRORS = """
INSERT INTO import_error (
    bundle_name,  -- if import_error.bundle_name
    filename, stacktrace, timestamp)
SELECT
    'dags-folder',  -- if import_error.bundle_name
    file, 'secret = 1', now()
FROM unnest($1::text[]) AS file"""
# A DAG that may not be read, and one that does not exist.
ALIKE = [("secret", "absent"), ("secret.s", "absent.s"), ("secret", "absent\\"), ("secret.s", "a.%00")]
# What belongs to one answer.
OWN_HEADERS = {"date", "x-request-id"}


@dataclass(frozen=True)
class Answer:
    """What a caller can tell answers apart by, and the statements that it took."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    statements: tuple[str, ...] = field(default=(), compare=False)

    @property
    def error(self) -> str:
        """The text of an error."""
        return str(json.loads(self.body)["error"])


class Service:
    """A server whose callers are in `tests.limited`, and the names of the statements that it runs."""

    def __init__(self, url: str, session: aiohttp.ClientSession, ran: list[str]) -> None:
        self._url = url
        self._session = session
        self._ran = ran

    async def ask(self, user: str, method: str, path: str, body: object = None) -> Answer:
        """Ask as that user."""
        self._ran.clear()
        url = f"{self._url}/api/experimental{path}"
        async with self._session.request(method, url, json=body, headers={limited.HEADER: user}) as answer:
            headers = tuple((name, value) for name, value in answer.headers.items() if name.lower() not in OWN_HEADERS)
            return Answer(answer.status, headers, await answer.read(), tuple(self._ran))


def _spy(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note the names of statements, and that there was a transaction."""
    ran: list[str] = []

    def noting(name: str, original: Callable[..., object]) -> Callable[..., object]:
        def noted(self: Database, *arguments: object) -> object:
            ran.append(str(arguments[0]) if arguments else name)
            return original(self, *arguments)

        return noted

    for name in ("fetch", "stream_rows", "transaction"):
        monkeypatch.setattr(Database, name, noting(name, getattr(Database, name)))
    return ran


@pytest.fixture
def carried(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[RoleGrant]]:
    """What callers may do: `etl` some DAGs, and `nobody` nothing; those who are not named may do everything."""
    found = {
        "etl": [RoleGrant("Op", dag_pattern(["d", "etl_*", "mine.*"]))],
        "two": [RoleGrant("Viewer", dag_pattern(["d"])), RoleGrant("User", dag_pattern(["etl_*"]))],
        "nobody": [RoleGrant("Public")],
    }
    monkeypatch.setattr(limited, "CARRIED", found)
    return found


@asynccontextmanager
async def served(dsn: str, release: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
    """Serve a database with the DAGs `d`, `secret` and, where there are such, its sub-DAG; as a role of few rights."""
    served_dsn = await prepare(dsn, release, "ws_least")
    await copy_dag(dsn, "secret", subdag_id=None if generation_of(release) == 3 else "secret.s")
    async with connected(dsn) as conn:
        columns = {row[0] for row in await conn.fetch(statements.load("catalogue.sql")["columns"])}
        names = ["d.py", "/d.py"] if generation_of(release) == 3 else ["/d.py"]
        await conn.execute(statements.fit(ADD_ERRORS, columns), ["etl_new.py", "secret.py", *names])
    ran = _spy(monkeypatch)
    async with live_server(served_dsn, auth_backend=limited.NAME) as url, aiohttp.ClientSession() as session:
        yield Service(url, session, ran)


def _requests(dag_id: str) -> list[tuple[str, str, object]]:
    """Make a request for every endpoint with a DAG, and for every method that has none there."""
    values = {"{dag_id}": dag_id, "{execution_date}": DATE, "{task_id}": "t", "{paused}": "true"}
    paths = {each.path: {one.method for one in ENDPOINTS if one.path == each.path} for each in ENDPOINTS}
    asked: list[tuple[str, str, object]] = []
    for path, methods in paths.items():
        if "{dag_id}" in path:
            filled = re.sub(r"\{\w+\}", lambda found: values[found[0]], path)
            others = {"HEAD", "OPTIONS", "PUT", "POST", "DELETE"}
            asked += [(method, filled, {"is_paused": True}) for method in sorted(methods | others)]
            asked.append(("GET", f"{filled}?limit=nonsense&unknown=1", None))
    return asked


@pytest.mark.parametrize("release", RELEASES)
async def test_unknown_and_forbidden_dags_are_alike(
    empty_database: str, release: str, monkeypatch: pytest.MonkeyPatch, carried: dict[str, list[RoleGrant]]
) -> None:
    """Status, headers and bytes are the same for every endpoint, and so are the statements that an answer takes."""
    assert carried
    async with served(empty_database, release, monkeypatch) as service:
        for user, pairs in (("etl", ALIKE), ("nobody", ALIKE[:1])):
            for forbidden, unknown in pairs:
                asked = zip(_requests(forbidden), _requests(unknown), strict=True)
                for (method, path, body), (_, other, _) in asked:
                    one, two = await service.ask(user, method, path, body), await service.ask(user, method, other, body)
                    assert one == two, (user, method, path, other)
                    assert one.status in {403, 404, 405}, (user, method, path)
                    if "%" not in unknown:
                        assert one.statements == two.statements, (user, method, path, other)
                    assert len(one.statements) <= ("." in forbidden), (user, method, path)
        assert (await service.ask("admin", "GET", "/dags/secret/paused")).status == 200
        assert (await service.ask("etl", "GET", "/dags/d/paused")).statements == ("find_dags",)


@pytest.mark.parametrize("release", ["1.10.15", "2.7.3", "2.10.5"])
async def test_whose_permissions_a_subdag_has(
    empty_database: str, release: str, monkeypatch: pytest.MonkeyPatch, carried: dict[str, list[RoleGrant]]
) -> None:
    """Up to Airflow 2.7 those of its root; in 1.10, and from 2.8 on, its own. Only a look at the database can tell."""
    for name in ("secret", "secret.s"):
        carried[name] = [RoleGrant("Viewer", dag_pattern([name]))]
    may = {"secret"} if release == "2.7.3" else {"secret.s"}
    async with served(empty_database, release, monkeypatch) as service:
        for user in ("secret", "secret.s"):
            answer = await service.ask(user, "GET", "/dags/secret.s/paused")
            assert (answer.status == 200) == (user in may), user
            assert answer.statements.count("find_roots") == (release != "1.10.15")
        for user, path in (("secret", "/dags/secret/paused"), ("admin", "/dags/secret.s/paused")):
            assert (await service.ask(user, "GET", path)).statements == ("find_dags",)


async def test_what_handlers_ask_for_a_subdag(
    empty_database: str, monkeypatch: pytest.MonkeyPatch, carried: dict[str, list[RoleGrant]]
) -> None:
    """A trigger that waits, and a collision that names a run, go by the root too."""
    for name, actions in (("reader", {"can_read"}), ("blind", {"can_edit", "can_create"})):
        found = {Permission(action, resource) for action in actions for resource in ("DAGs", "DAG Runs")}
        monkeypatch.setitem(permissions.ROLES, name, frozenset(found))
    carried["root"] = [RoleGrant("User", dag_pattern(["secret"]))]
    for name, readable in (("editor", "secret"), ("subdag", "secret.*")):
        carried[name] = [RoleGrant("blind"), RoleGrant("reader", dag_pattern([readable]))]
    async with served(empty_database, "2.7.3", monkeypatch) as service:
        first = {"execution_date": DATE, "run_id": "first", "conf": {"n": 5}}
        assert (await service.ask("admin", "POST", "/dags/secret.s/dag_runs", first)).status == 200
        for user, reads in (("root", True), ("editor", True), ("subdag", False)):
            again, path = {**first, "run_id": "again"}, "/dags/secret.s/dag_runs"
            assert (await service.ask(user, "POST", f"{path}?wait=1", again)).status == (400 if reads else 403), user
            assert ("by run id first" in (await service.ask(user, "POST", path, again)).error) == reads, user


async def test_a_warning_does_not_tell_of_other_files(
    empty_database: str, monkeypatch: pytest.MonkeyPatch, carried: dict[str, list[RoleGrant]]
) -> None:
    """The DAG of a trigger that waits is deleted, because its file is broken: why is not for everybody."""
    assert carried
    async with served(empty_database, "2.10.5", monkeypatch) as service:
        waiting = asyncio.create_task(service.ask("etl", "POST", "/dags/d/dag_runs?wait=30", {"conf": {"n": 5}}))
        async with connected(empty_database) as conn, asyncio.timeout(20):
            while not await conn.fetchval("SELECT count(*) FROM dag_run"):
                await asyncio.sleep(0.02)
            await conn.execute("DELETE FROM dag_run; DELETE FROM serialized_dag; DELETE FROM dag WHERE dag_id = 'd'")
            warning = dict((await waiting).headers)["X-Windsock-Warning"]
        assert "Dag id d not found" in warning
        assert "cannot be loaded" not in warning


@pytest.mark.parametrize("release", RELEASES)
async def test_lists_over_http(
    empty_database: str, release: str, monkeypatch: pytest.MonkeyPatch, carried: dict[str, list[RoleGrant]]
) -> None:
    """Lists, their numbers and their links are those of what may be read; the runs of another DAG are forbidden."""
    async with served(empty_database, release, monkeypatch) as service:
        for user, dags in [("admin", ["d", "secret"]), *((user, ["d"]) for user in carried if user != "nobody")]:
            answer = await service.ask(user, "GET", "/dags")
            assert [one["dag_id"] for one in json.loads(answer.body)] == dags
            for method in ("GET", "HEAD"):
                page = dict((await service.ask(user, method, "/dags?limit=1")).headers)
                assert page["X-Total-Count"] == str(len(dags))
                assert ("next" in page["Link"]) == (len(dags) > 1)
            errors = json.loads((await service.ask(user, "GET", "/import_errors")).body)
            assert ("etl_new.py" in {one["filename"] for one in errors}) == (user == "admin")
            # `secret` is in the same file as `d`.
            assert {"secret" in one["stacktrace"] for one in errors} == {user == "admin"}
            status = 200 if user == "admin" else 403
            assert (await service.ask(user, "GET", "/dags/secret/dag_runs")).status == status
        for path in ("/dags", "/latest_runs", "/import_errors"):
            assert (await service.ask("nobody", "GET", path)).status == 403
        plain = await service.ask("admin", "GET", "/dags")
        assert plain.statements == ("dags", "transaction")


@pytest.mark.parametrize("release", RELEASES)
async def test_errors_do_not_tell_of_other_files(
    empty_database: str, release: str, monkeypatch: pytest.MonkeyPatch, carried: dict[str, list[RoleGrant]]
) -> None:
    """Why a file cannot be loaded is for those who may read all DAGs and all import errors: it may be anybody's."""
    assert carried
    async with served(empty_database, release, monkeypatch) as service:
        for path in ("/dags/etl_new/paused", "/dags/etl_new/dag_runs", "/dags/etl_new/code"):
            full, short = await service.ask("admin", "GET", path), await service.ask("etl", "GET", path)
            assert "its file cannot be loaded: etl_new.py" in full.error
            assert short.error == full.error.partition(":")[0]
            assert short.status == full.status


async def test_who_may_not_read_pools_learns_only_the_name(
    empty_database: str, monkeypatch: pytest.MonkeyPatch, carried: dict[str, list[RoleGrant]]
) -> None:
    """What a task waits for says how many slots its pool has only to those who may read pools."""
    assert carried
    path = f"/dags/d/dag_runs/{DATE}/tasks/t/waits_for"
    async with served(empty_database, "2.10.5", monkeypatch) as service:
        body = {"execution_date": DATE, "conf": {"n": 5}}
        assert (await service.ask("etl", "POST", "/dags/d/dag_runs", body)).status == 200
        async with connected(empty_database) as conn:
            await conn.execute("UPDATE slot_pool SET slots = 0")
        full, short = [json.loads((await service.ask(user, "GET", path)).body) for user in ("admin", "etl")]
        assert "it takes 1 slot of its pool default_pool, which has 0" in full["waits_for"]
        assert "its pool default_pool has no room for it" in short["waits_for"]
        assert (await service.ask("etl", "GET", "/pools")).status == 403


@pytest.mark.parametrize("release", RELEASES)
async def test_a_collision_names_runs_only_to_readers(
    empty_database: str, release: str, monkeypatch: pytest.MonkeyPatch, carried: dict[str, list[RoleGrant]]
) -> None:
    """Whoever may trigger and not read runs learns that the date is taken, and not by which run."""
    blind = {Permission("can_edit", "DAGs"), Permission("can_create", "DAG Runs")}
    monkeypatch.setitem(permissions.ROLES, "blind", frozenset(blind))
    carried["blind"] = [RoleGrant("blind", dag_pattern(["d"]))]
    async with served(empty_database, release, monkeypatch) as service:
        first = {"execution_date": DATE, "run_id": "first", "conf": {"n": 5}}
        assert (await service.ask("admin", "POST", "/dags/d/dag_runs", first)).status == 200
        again = {**first, "run_id": "again"}
        for user, names in (("admin", True), ("etl", True), ("blind", False)):
            answer = await service.ask(user, "POST", "/dags/d/dag_runs", again)
            assert answer.status == 400
            assert answer.error.startswith(f"Execution date {DATE} is taken for dag id d")
            assert ("first" in answer.error) == names


async def test_making_a_pool_and_changing_one_are_two_permissions(
    empty_database: str, monkeypatch: pytest.MonkeyPatch, carried: dict[str, list[RoleGrant]]
) -> None:
    """The 403 names the one that is missing, and nothing has been done; that holds for requests at the same time."""
    for action in ("create", "edit"):
        monkeypatch.setitem(permissions.ROLES, action, frozenset({Permission(f"can_{action}", "Pools")}))
        carried[action] = [RoleGrant(action)]

    async with served(empty_database, "2.10.5", monkeypatch) as service:

        async def post(user: str, name: str, slots: int) -> Answer:
            return await service.ask(user, "POST", "/pools", {"name": name, "slots": slots, "description": "x"})

        assert (await post("etl", "new", 1)).error == "Forbidden: this needs can_create on Pools"
        assert (await post("edit", "new", 1)).error == "Forbidden: this needs can_create on Pools"
        answers = await asyncio.gather(*(post("create", "new", slots) for slots in range(1, 20)))
        refused = [one for one in answers if one.status != 200]
        assert len(refused) == len(answers) - 1
        assert {one.error for one in refused} == {"Forbidden: this needs can_edit on Pools"}
        made = json.loads(next(one.body for one in answers if one.status == 200))
        assert json.loads((await service.ask("admin", "GET", "/pools/new")).body) == made
        assert json.loads((await post("edit", "new", 77)).body) == made | {"slots": 77}
        assert (await service.ask("edit", "DELETE", "/pools/new")).error == "Forbidden: this needs can_delete on Pools"
        assert (await post("admin", "new", 78)).status == (await post("admin", "newer", 78)).status == 200
