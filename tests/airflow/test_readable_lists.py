"""Every list holds what its caller may read: as much as a look at every row, one by one, in Python.

`WINDSOCK_FUZZ_SEED` makes other rows and other permissions.
"""

import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

import msgspec
import pytest

from server import wire
from server.api.needs import DAG_READ, IMPORT_ERROR_READ, RUN_READ
from server.auth.permissions import Grant, Needs, Permission, Permissions
from server.database import statements
from server.database.catalogue import read_catalogue
from server.database.metadata import open_metadata
from server.operations import Operations
from server.overviews import Listing
from server.wire.dag_patterns import DagPattern, dag_pattern
from tests.airflow.schemas import RELEASES, add_dag, generation_of, insert_runs, make_schema
from tests.airflow.serving import connected
from tests.live import config_for

SEED = int(os.environ.get("WINDSOCK_FUZZ_SEED", "1"))
USERS = 30
STANDALONE = "standalone"
FILES = [f"{folder}{name}.py" for folder in ("", "/dags/") for name in "abc"]
ROOTS = ["a", "b", "etl_1", "etl_2", "etlx1", "a%", "a_", "a\\", "p", "q", "Ω.x", "not.a.subdag", "x" * 250]
GONE = ["gone", "gone.x", "etl_gone", "p.gone"]
TEXTS = [
    *ROOTS, *GONE, "p.s", "p.s.t", "q.s", "*", "etl_*", "a*", "*.s", "*.*", "p*", "a%*", "a\\*", "*" * 50,
    "*x" * 100, "nobody", "*é*", "under_q", "Ω*",
]  # fmt: skip
MANY = """
INSERT INTO dag (dag_id, is_active) SELECT 'd' || n, true FROM generate_series(1, 20000) AS n;
INSERT INTO dag_run (dag_id, run_id, execution_date)
SELECT dag_id, 'r' || n, now() + n * interval '1 hour' FROM dag, generate_series(1, 3) AS n;
ANALYZE"""
ADD_DAGS = """
INSERT INTO dag SELECT (jsonb_populate_record(d, one)).*
FROM dag AS d, jsonb_array_elements($1::jsonb) AS one WHERE d.dag_id = 'd'"""
ADD_ERROR = """
INSERT INTO import_error (
    bundle_name,  -- if import_error.bundle_name
    filename, stacktrace, timestamp)
SELECT
    bundle,  -- if import_error.bundle_name
    file, 'why ' || file, now()
FROM json_to_recordset($1) AS one (file text, bundle text)"""


@dataclass(frozen=True)
class Dag:
    """A row of `dag`; `root` is the DAG whose permissions count, as Airflow finds it."""

    dag_id: str
    root: str
    is_subdag: bool
    files: frozenset[tuple[str, str | None]]


@dataclass(frozen=True)
class Rows:
    """All that a database has."""

    dags: Mapping[str, Dag]
    run_dag_ids: frozenset[str]
    errors: frozenset[tuple[str, str | None]]

    def may(self, who: Permissions, needs: Needs, dag_id: str) -> bool:
        """Whether that user has these permissions for the DAG."""
        return who.missing(needs, self.dags[dag_id].root if dag_id in self.dags else dag_id) is None

    def errors_of(self, who: Permissions) -> dict[tuple[str, str | None], bool]:
        """Files whose errors that user may know of, and whether to read why."""
        found = {}
        for file in self.errors:
            may = [self.may(who, IMPORT_ERROR_READ, dag.dag_id) for dag in self.dags.values() if file in dag.files]
            if any(may):
                found[file] = all(may)
        return found


def _dag_row(random: Random, generation: int, dag_id: str, root: str | None, *, is_subdag: bool) -> dict[str, Any]:
    file, bundle = random.choice(FILES), random.choice(["one", "two"])
    row: dict[str, Any] = {"dag_id": dag_id, "fileloc": file, "is_active": random.random() < 0.7}
    if generation < 3:
        return row | {"root_dag_id": root, "is_subdag": is_subdag}
    return row | {"relative_fileloc": file.removeprefix("/dags/"), "bundle_name": bundle, "is_stale": False}


def _dag_rows(random: Random, generation: int) -> list[dict[str, Any]]:
    rows = [_dag_row(random, generation, dag_id, random.choice([None, ""]), is_subdag=False) for dag_id in ROOTS]
    if generation < 3:
        below = [("p.s", "p"), ("p.s.t", "p"), ("q.s", "q"), ("b.s", "unknown"), ("under_q", "q")]
        rows += [_dag_row(random, generation, dag_id, root, is_subdag=True) for dag_id, root in below]
    return rows


def _known(row: Mapping[str, Any], release: str) -> Dag:
    bundle, dag_id = row.get("bundle_name"), row["dag_id"]
    root = row.get("root_dag_id") if release == "2.7.3" and "." in dag_id else None
    files = frozenset((row[name], bundle) for name in ("fileloc", "relative_fileloc") if row.get(name))
    return Dag(dag_id, root or dag_id, bool(row.get("is_subdag")), files)


async def _fill(dsn: str, release: str, generation: int, random: Random) -> Rows:
    """Put in random rows; DAGs, some with sub-DAGs, share files, and some runs are of DAGs without a row."""
    dags = _dag_rows(random, generation)
    run_dag_ids = [dag_id for dag_id in [*(row["dag_id"] for row in dags), *GONE] if random.random() < 0.8]
    bundles = ["one", "two"] if generation == 3 else [None]
    errors = [(file, bundle) for file in [*FILES, "nobody's.py"] for bundle in bundles]
    async with connected(dsn) as conn:
        columns = {row[0] for row in await conn.fetch(statements.load("catalogue.sql")["columns"])}
        await conn.execute(ADD_DAGS, json.dumps(dags))
        dates = {f"r{n}": f"2021-01-0{n + 1}T00:00:00+00:00" for n in (1, 2, 3)}
        await insert_runs(
            conn,
            [
                {"dag_id": dag_id, "run_id": run_id, "state": "success", "moment": moment}
                for dag_id in run_dag_ids
                for run_id, moment in dates.items()
            ],
        )
        given = [{"file": file, "bundle": bundle} for file, bundle in errors]
        await conn.execute(statements.fit(ADD_ERROR, columns), json.dumps(given))
        originals = [dict(row) for row in await conn.fetch("SELECT * FROM dag WHERE dag_id = 'd'")]
    known = [_known(row, release) for row in [*dags, *originals]]
    return Rows({dag.dag_id: dag for dag in known}, frozenset(run_dag_ids), frozenset(errors))


@asynccontextmanager
async def _operations(database: str, empty_database: str, release: str) -> AsyncIterator[tuple[Operations, Rows]]:
    dsn, generation = (database, 1) if release == STANDALONE else (empty_database, generation_of(release))
    if release == STANDALONE:
        async with connected(dsn) as conn:
            await conn.execute("INSERT INTO dag (dag_id, is_active, fileloc) VALUES ('d', true, '/d.py')")
    else:
        await make_schema(dsn, release)
        await add_dag(dsn, release)
    rows = await _fill(dsn, release, generation, Random(f"{release} {SEED}"))  # noqa: S311 - rows, not secrets
    config = config_for(dsn)
    async with open_metadata(config) as metadata:
        yield Operations(metadata, config), rows


def _somebody(random: Random) -> Permissions:
    """A user with a few grants, some of them for nothing in particular."""
    wanted = [*IMPORT_ERROR_READ.every, *RUN_READ.every, Permission("can_edit", "DAGs")]

    def some() -> DagPattern:
        return dag_pattern(random.sample(TEXTS, random.randint(1, 5)))

    def grant() -> Grant:
        permissions = frozenset(random.sample(wanted, random.randint(1, len(wanted))))
        return Grant(permissions, random.choice([(), (some(),), (some(),), (some(), some())]))

    return Permissions([grant() for _ in range(random.randint(0, 4))])


async def _items(listing: Listing) -> list[Any]:
    return [json.loads(item) async for page in listing.pages for item in page]


async def _check_dags(operations: Operations, rows: Rows, who: Permissions, random: Random) -> None:
    readable = who.readable(DAG_READ)
    expected = sorted(
        (dag.dag_id for dag in rows.dags.values() if not dag.is_subdag and rows.may(who, DAG_READ, dag.dag_id)),
        key=str.encode,
    )
    found = await _items(await operations.list_dags(wire.parse_dags_query([]), readable, None))
    assert [item["dag_id"] for item in found] == expected
    limit, offset = random.randint(1, 4), random.randint(0, 6)
    pairs = [("limit", str(limit)), ("offset", str(offset)), ("order_by", "-dag_id")]
    part = await operations.list_dags(wire.parse_dags_query(pairs), readable, None)
    assert part.total == len(expected)
    assert [item["dag_id"] for item in await _items(part)] == expected[::-1][offset : offset + limit]


async def _check_latest(operations: Operations, rows: Rows, who: Permissions) -> None:
    everything = msgspec.json.decode(await operations.latest_runs(None))["items"]
    assert {item["dag_id"] for item in everything} == rows.run_dag_ids
    found = msgspec.json.decode(await operations.latest_runs(who.readable(RUN_READ)))["items"]
    assert found == [item for item in everything if rows.may(who, RUN_READ, item["dag_id"])]


async def _check_errors(operations: Operations, rows: Rows, who: Permissions, random: Random) -> None:
    readable, expected = who.readable(IMPORT_ERROR_READ), rows.errors_of(who)
    if readable is None:
        expected = dict.fromkeys(rows.errors, True)
    found = await _items(await operations.list_import_errors(wire.parse_import_errors_query([]), readable))
    files = [(item["filename"], item["bundle_name"]) for item in found]
    assert {*files} == {*expected}
    assert [name for name, _ in files] == sorted((name for name, _ in expected), key=str.encode)
    for item in found:
        may_know = expected[item["filename"], item["bundle_name"]]
        assert item["stacktrace"].startswith("why" if may_know else "REDACTED"), item
    limit, offset = random.randint(1, 4), random.randint(0, 6)
    pairs = [("limit", str(limit)), ("offset", str(offset))]
    part = await operations.list_import_errors(wire.parse_import_errors_query(pairs), readable)
    assert part.total == len(expected)
    assert await _items(part) == found[offset : offset + limit]


async def _check_roots(operations: Operations, rows: Rows) -> None:
    for dag_id in [*rows.dags, *GONE, "no.such", "bad.\0id", "x." * 200]:
        assert await operations.root(dag_id) == (rows.dags[dag_id].root if dag_id in rows.dags else dag_id)


@pytest.mark.parametrize("release", [STANDALONE, *RELEASES])
async def test_lists_hold_what_may_be_read(database: str, empty_database: str, release: str) -> None:
    """DAGs, latest runs and import errors, with their order, pages and numbers; in every generation."""
    random = Random(SEED)  # noqa: S311 - permissions to try, not secrets
    async with _operations(database, empty_database, release) as (operations, rows):
        await _check_roots(operations, rows)
        for number in range(USERS):
            who = Permissions([]) if number == 0 else _somebody(random)
            await _check_dags(operations, rows, who, random)
            await _check_latest(operations, rows, who)
            await _check_errors(operations, rows, who, random)


async def test_ten_thousand_ids(database: str) -> None:
    """As many as an Airflow may have DAGs, each with a grant of its own, which all exist."""
    async with connected(database) as conn:
        await conn.execute(MANY)
    permissions = frozenset(RUN_READ.every)
    who = Permissions([Grant(permissions, (dag_pattern([f"d{n}"]),)) for n in range(2, 20_002, 2)])
    readable = who.readable(RUN_READ)
    assert readable is not None
    assert len(readable.every) == len(readable.every[0]) == 1, "the grants are not put together"
    config = config_for(database)
    async with open_metadata(config) as metadata:
        operations = Operations(metadata, config)
        assert len(await _items(await operations.list_dags(wire.parse_dags_query([]), readable, None))) == 10_000
        assert len(msgspec.json.decode(await operations.latest_runs(readable))["items"]) == 10_000


TEN = f"'{{{','.join(f'd{n}' for n in range(10))}}}'"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("readable_dags", (TEN, "'{}'")),
        ("readable.latest_runs", ("'/graph'", "'&d='", TEN)),
        ("readable.dags", ("100", "0", TEN)),
    ],
)
async def test_ten_dags_are_found_by_index(database: str, name: str, arguments: tuple[str, ...]) -> None:
    """Whoever may read ten DAGs costs a look at ten, however many there are; with the plan for any arguments too."""
    async with connected(database) as conn:
        await conn.execute(MANY)
        found = await read_catalogue(conn, allow_unknown=False)
        await conn.execute(f"PREPARE listed AS {found.statements[name]}")
        for plan in ("force_custom_plan", "force_generic_plan"):
            await conn.execute(f"SET plan_cache_mode = {plan}")
            explain = f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE listed ({', '.join(arguments)})"
            read = _rows_read(json.loads(await conn.fetchval(explain))[0]["Plan"])
            assert read <= 30, (plan, read)


def _rows_read(plan: dict[str, Any]) -> float:
    """How many rows of tables a statement has read."""
    own = (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
    below = sum(_rows_read(child) for child in plan.get("Plans", ()))
    return float(own + below) if "Relation Name" in plan else below
