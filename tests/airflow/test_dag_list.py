"""The list of DAGs, narrowed down and sorted: as Python finds it in the rows of the tables, in every generation.

`WINDSOCK_FUZZ_SEED` makes other rows and other queries.
"""

import json
import os
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple

import aiohttp
import asyncpg
import msgspec
import pytest

from server import wire
from server.api.needs import DAG_READ, RUN_READ
from server.auth import permissions
from server.auth.permissions import Grant, Needs, Permission, Permissions, RoleGrant
from server.database import statements
from server.database.metadata import open_metadata
from server.operations import Operations
from server.wire.dag_patterns import Readable, dag_pattern
from tests import limited
from tests.airflow.schemas import copy_dag, insert_runs
from tests.airflow.serving import Api, connected, served
from tests.airflow.test_grid import generation, made
from tests.airflow.test_readable_lists import ADD_DAGS, ADD_ERROR
from tests.live import config_for, live_server

SEED = int(os.environ.get("WINDSOCK_FUZZ_SEED", "1"))
KINDS = ("1.10.15", "2.7.3", "2.10.5", "3.0.6", "3.3.2", "standalone")
QUERIES = 60
DAGS = 25
TAGS, OWNERS = ["a", "b", "ops%", "Ω"], ["ann", "bob", "ann b", "c'd"]
STATES = ["success", "failed", "running", "queued", "odd", None]
WORDS = ["etl", "Load", "100%", "a_b", "\\", "ETL daily", "report's", "x" * 3000]
FIRST = datetime(2024, 1, 1, tzinfo=UTC)
LISTED = {"dag_id", "is_active", "is_paused", "next_dagrun", "owners", "schedule_interval", "tags"}
DETAILED = LISTED | {
    "description", "has_import_error", "last_runs", "next_dagrun", "next_dagrun_create_after", "run_states",
    "timetable_description",
}  # fmt: skip


class Run(NamedTuple):
    """A row of `dag_run`; `moment` decides how new it is."""

    run_id: str
    moment: datetime
    state: str | None
    start: datetime | None


class Dag(NamedTuple):
    """A row of `dag` with what belongs to it; `runs` has the oldest first."""

    dag_id: str
    description: str | None
    owners: str | None
    paused: bool | None
    active: bool
    next_run: datetime | None
    tags: list[str]
    runs: list[Run]
    broken: bool


def _iso(date: datetime | None) -> str | None:
    return None if date is None else date.isoformat()


def _runs(random: Random, dag_id: str) -> list[Run]:
    days = sorted(random.sample(range(400), random.choice([0, 1, 3, 15])))
    moments = [FIRST + timedelta(days=day) for day in days]
    starts = [random.choice([None, moment, moment + timedelta(days=random.randint(0, 500))]) for moment in moments]
    return [
        Run(f"{dag_id} {n}", moment, random.choice(STATES), start)
        for n, (moment, start) in enumerate(zip(moments, starts, strict=True))
    ]


def _dag(random: Random, number: int, kind: str) -> Dag:
    dag_id = f"{random.choice(WORDS[:6])}.{number}"
    dated = generation(kind) > 1 and random.random() < 0.7
    return Dag(
        dag_id=dag_id,
        description=random.choice([None, *WORDS]),
        owners=random.choice([None, "", ", ".join(random.sample(OWNERS, random.randint(1, 3)))]),
        paused=random.choice([True, False, False] if generation(kind) == 3 else [True, False, None]),
        active=random.random() < 0.7,
        next_run=FIRST + timedelta(days=random.randint(0, 9)) if dated else None,
        tags=sorted(random.sample(TAGS, random.randint(0, 3)), key=str.encode),
        runs=_runs(random, dag_id),
        broken=random.random() < 0.3,
    )


def _row(dag: Dag, kind: str) -> dict[str, Any]:
    file = f"/{dag.dag_id}.py"
    row: dict[str, Any] = {
        "dag_id": dag.dag_id, "description": dag.description, "owners": dag.owners, "is_paused": dag.paused,
        "fileloc": file,
    }  # fmt: skip
    if generation(kind) > 1:
        row |= {"next_dagrun": _iso(dag.next_run), "next_dagrun_create_after": None, "timetable_description": "Never"}
    if generation(kind) == 3:
        return row | {"is_stale": not dag.active, "relative_fileloc": file[1:], "bundle_name": "dags-folder"}
    return row | {"is_active": dag.active, "is_subdag": False}


async def _fill(conn: asyncpg.Connection, dags: list[Dag], kind: str) -> None:
    columns = {row[0] for row in await conn.fetch(statements.load("catalogue.sql")["columns"])}
    await conn.execute("DELETE FROM dag_tag")
    await conn.execute(ADD_DAGS, json.dumps([_row(dag, kind) for dag in dags]))
    tags = [(name, dag.dag_id) for dag in dags for name in dag.tags]
    await conn.executemany("INSERT INTO dag_tag (name, dag_id) VALUES ($1, $2)", tags)
    runs = [(dag, run) for dag in dags for run in dag.runs]
    await insert_runs(
        conn,
        [
            {"dag_id": dag.dag_id, "run_id": run.run_id, "state": run.state or "", "moment": _iso(run.moment)}
            for dag, run in runs
        ],
    )
    await conn.executemany(
        "UPDATE dag_run SET state = $2, start_date = $3 WHERE run_id = $1",
        [(run.run_id, run.state or ("" if generation(kind) > 1 else None), run.start) for _, run in runs],
    )
    errors = [
        {"file": f"/{dag.dag_id}.py", "bundle": "dags-folder" if generation(kind) == 3 else None}
        for dag in dags
        if dag.broken
    ]
    await conn.execute(statements.fit(ADD_ERROR, columns), json.dumps(errors))


def _state(run: Run, kind: str) -> str | None:
    return run.state or ("" if generation(kind) > 1 else None)


def _shown(dag: Dag, kind: str, *, shows_runs: bool) -> dict[str, object]:
    """Say what the list has about a DAG besides its schedule."""
    counts = Counter(run.state for run in dag.runs)
    runs = [
        {"run_id": run.run_id, "state": _state(run, kind), "start_date": _iso(run.start), "end_date": None,
         "execution_date": _iso(run.moment)}
        for run in dag.runs[-10:]
    ]  # fmt: skip
    return {
        "dag_id": dag.dag_id, "is_active": dag.active, "is_paused": dag.paused, "owners": dag.owners, "tags": dag.tags,
        "description": dag.description and dag.description[:2000], "has_import_error": dag.broken,
        "last_runs": runs if shows_runs else None, "next_dagrun": _iso(dag.next_run), "next_dagrun_create_after": None,
        "run_states": {state: counts[state] for state in ("failed", "queued", "running", "success")}
        if shows_runs else None,
        "timetable_description": "Never" if generation(kind) > 1 else None,
    }  # fmt: skip


def _query(random: Random) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    if random.random() < 0.5:
        pairs.append(("search", random.choice(["ET", "load", "%", "_", "\\", "s", ".1", "nothing", "D", "x", ""])))
    for name, values in (("tag", TAGS), ("owner", [*OWNERS, "an"]), ("state", ["success", "FAILED", "odd", "x"])):
        if random.random() < 0.4:
            pairs += [(name, value) for value in random.sample(values, random.randint(1, 2))]
    for name in ("paused", "active", "details"):
        if random.random() < 0.3:
            pairs.append((name, random.choice(["true", "false"])))
    order = random.choice(["dag_id", "next_dagrun", "last_run"])
    pairs.append(("order_by", random.choice(["", "-"]) + order))
    if random.random() < 0.5:
        pairs += [("limit", str(random.randint(1, 30))), ("offset", str(random.choice([0, 0, 1, 7, 100])))]
    return random.sample(pairs, len(pairs))


def _matches(dag: Dag, given: Mapping[str, list[str]], state: str | None) -> bool:
    """Whether a DAG is as the query wants it; `state` is that of its newest run."""
    search = given.get("search", [""])[0].lower()
    owners = [] if dag.owners is None else dag.owners.split(", ")
    return (
        (search in dag.dag_id.lower() or search in (dag.description or "")[:2000].lower())
        and ("tag" not in given or not set(given["tag"]).isdisjoint(dag.tags))
        and ("owner" not in given or not set(given["owner"]).isdisjoint(owners))
        and ("state" not in given or state in {one.lower() for one in given["state"]})
        and given.get("paused", [None])[0] in {None, str(bool(dag.paused)).lower()}
        and given.get("active", [None])[0] in {None, str(dag.active).lower()}
    )


def _expected(
    dags: list[Dag], pairs: list[tuple[str, str]], may_read: set[str] | None, may_read_runs: set[str] | None
) -> list[str]:
    """Filter and sort in Python; return the ids."""
    given: dict[str, list[str]] = {}
    for name, value in pairs:
        given.setdefault(name, []).append(value)
    order = given["order_by"][0]
    newest = {
        dag.dag_id: dag.runs[-1] for dag in dags if dag.runs and (may_read_runs is None or dag.dag_id in may_read_runs)
    }
    found = [
        dag
        for dag in dags
        if (may_read is None or dag.dag_id in may_read)
        and _matches(dag, given, newest[dag.dag_id].state if dag.dag_id in newest else None)
    ]
    moments: dict[str, datetime | None] = {
        "next_dagrun": {dag.dag_id: dag.next_run for dag in found},
        "last_run": {dag.dag_id: newest[dag.dag_id].start if dag.dag_id in newest else None for dag in found},
    }.get(order.lstrip("-"), {})
    ids = sorted((dag.dag_id for dag in found), key=str.encode, reverse=order.startswith("-"))
    dated = sorted(
        (one for one in ids if moments.get(one)), key=lambda one: str(moments[one]), reverse=order.startswith("-")
    )
    return [*dated, *(one for one in ids if not moments.get(one))]


def _limited(random: Random, dags: list[Dag], needs: Needs) -> tuple[Readable | None, set[str] | None]:
    if random.random() < 0.5:
        return None, None
    dag_ids = {dag.dag_id for dag in dags if random.random() < 0.6}
    who = Permissions([Grant(frozenset(needs.every), (dag_pattern([*dag_ids, "unknown"]),))])
    return who.readable(needs), dag_ids


@pytest.mark.parametrize("kind", KINDS)
async def test_dags_are_found_as_python_finds_them(empty_database: str, kind: str, role: str) -> None:
    """Any filters, in any order, in parts, for callers who may read some DAGs, and of some their runs."""
    random = Random(f"{kind} {SEED}")  # noqa: S311 - rows, not secrets
    dags = [_dag(random, n, kind) for n in range(DAGS)]
    by_id = {dag.dag_id: dag for dag in dags}
    dsn = await made(empty_database, kind, role)
    async with connected(empty_database) as conn:
        await _fill(conn, dags, kind)
        # The DAG that the others were copied from.
        await conn.execute("DELETE FROM serialized_dag; DELETE FROM dag WHERE dag_id = 'd'")
    config = config_for(dsn)
    async with open_metadata(config) as metadata:
        operations = Operations(metadata, config)
        for _ in range(QUERIES):
            pairs = _query(random)
            readable, may_read = _limited(random, dags, DAG_READ)
            readable_runs, may_read_runs = _limited(random, dags, RUN_READ)
            query = wire.parse_dags_query(pairs)
            listing = await operations.list_dags(query, readable, readable_runs)
            found = [json.loads(item) async for page in listing.pages for item in page]
            expected = _expected(dags, pairs, may_read, may_read_runs)
            end = None if query.page.limit is None else query.page.offset + query.page.limit
            assert [one["dag_id"] for one in found] == expected[query.page.offset : end], pairs
            assert listing.total == (len(expected) if query.page.partial else None)
            for one in found:
                shows_runs = may_read_runs is None or one["dag_id"] in may_read_runs
                wanted = _shown(by_id[one["dag_id"]], kind, shows_runs=shows_runs)
                assert set(one) == (DETAILED if query.details else LISTED)
                assert {name: one[name] for name in wanted if name in one} == {
                    name: value for name, value in wanted.items() if name in one
                }
            tags = {
                tag for dag in dags if dag.active and (may_read is None or dag.dag_id in may_read) for tag in dag.tags
            }
            assert await operations.dag_tags(readable) == sorted(tags, key=str.encode)


@pytest.mark.parametrize("kind", ["1.10.15", "2.10.5", "3.3.2", "standalone"])
async def test_the_list_over_http(empty_database: str, kind: str, role: str) -> None:
    """What is asked for as before is answered as before; with more there is a number, and links keep what was asked."""
    dsn = await made(empty_database, kind, role)
    for n in range(4):
        await copy_dag(empty_database, f"e{n}")
    async with served(dsn, empty_database) as (api, conn):
        await conn.execute("UPDATE dag SET description = 'find \u00e9 me' WHERE dag_id LIKE 'e%'")
        async with api.session.get(f"{api.url}/api/experimental/dags") as plain:
            assert "X-Total-Count" not in plain.headers
            text = await plain.text()
        async with api.session.get(f"{api.url}/api/experimental/dags?active=true&search=") as answer:
            assert await answer.text() == text
            assert answer.headers["X-Total-Count"] == "5"
        path = "/dags?details=true&search=FIND+%C3%A9&limit=3"
        async with api.session.get(f"{api.url}/api/experimental{path}") as answer:
            assert answer.headers["X-Total-Count"] == "4"
            assert "details=true&search=FIND+%C3%A9&order_by=dag_id&limit=3&offset=3" in answer.headers["Link"]
            assert (await answer.read()).isascii()
            assert [one["dag_id"] for one in await answer.json()] == ["e0", "e1", "e2"]
        for query in (
            "details=1",
            "paused=yes",
            "order_by=state",
            "details=true&limit=1001",
            "search=a%00",
            "active=x",
        ):
            assert (await api.call("GET", f"/dags?{query}"))[0] == 400, query
        assert (await api.call("GET", "/dags?limit=1001"))[0] == 200
        assert (await api.call("GET", "/dag_tags"))[1] == ["a", "b"]


@pytest.mark.parametrize("kind", ["1.10.15", "2.10.5", "3.3.2"])
async def test_who_may_not_read_runs(
    empty_database: str, kind: str, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither their states, nor by a filter or an order what they are; of other DAGs there is not even a number."""
    monkeypatch.setitem(permissions.ROLES, "dags", frozenset({Permission("can_read", "DAGs")}))
    carried = {"blind": [RoleGrant("dags")], "one": [RoleGrant("Viewer", dag_pattern(["d"]))]}
    monkeypatch.setattr(limited, "CARRIED", carried)
    dsn = await made(empty_database, kind, role)
    await copy_dag(empty_database, "e")
    async with connected(empty_database) as conn:
        await insert_runs(conn, [{"dag_id": "e", "run_id": "r", "state": "failed", "moment": "2025-01-01T00:00Z"}])
        await conn.execute("INSERT INTO dag_tag (name, dag_id) VALUES ('of e', 'e')")
    seen = {}
    async with live_server(dsn, auth_backend=limited.NAME) as url:
        for user in ("admin", "blind", "one"):
            async with aiohttp.ClientSession(headers={limited.HEADER: user}) as session:
                api = Api(url, session)
                _, everything = await api.call("GET", "/dags?details=true&order_by=-last_run")
                _, failed = await api.call("GET", "/dags?state=failed")
                _, tags = await api.call("GET", "/dag_tags")
                runs = [(one["dag_id"], one["last_runs"] and len(one["last_runs"])) for one in everything]
                seen[user] = runs, [one["dag_id"] for one in failed], tags
    assert seen == {
        "admin": ([("e", 1), ("d", [])], ["e"], ["a", "b", "of e"]),
        "blind": ([("e", None), ("d", None)], [], ["a", "b", "of e"]),
        "one": ([("d", [])], [], ["a", "b"]),
    }


def test_a_query_that_asks_for_nothing_new_is_plain() -> None:
    """It is answered by the statement that always answered it."""
    for pairs in ([], [("limit", "3")], [("order_by", "-dag_id")], [("search", ""), ("tag", ""), ("details", "false")]):
        assert wire.parse_dags_query(pairs).is_plain, pairs
    for pairs in ([("paused", "false")], [("order_by", "last_run")], [("details", "true")], [("state", "x")]):
        query = wire.parse_dags_query(pairs)
        assert not query.is_plain
        assert query.page.limit == (100 if query.details else 10_000)
        assert msgspec.structs.replace(query, page=query.page) == query
