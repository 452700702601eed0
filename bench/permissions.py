"""What permissions cost: those that an Airflow's roles give, and lists of the DAGs that may be read."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from statistics import median

import asyncpg
import click

from bench import cache
from bench.asking import PASSWORD, POOL, USER, Headers, basic, load, served, tell
from bench.data import DataSet
from bench.data import load as load_data
from bench.works import API
from server.auth import hashes
from server.standalone.postgres import EmbeddedPostgres
from tests.airflow.ab_tables import add_user, make_roles
from tests.airflow.schemas import add_dag, make_schema

_AIRFLOW = "2.10.5"
_LATEST = f"{API}/latest_runs"
_DAGS = DataSet("bench_permissions", 1_000, 100_000)
_READABLE = 10
_SOME = "some"
_COST, _FILTERED = 0.95, 0.7
# What is near its bar takes more turns.
_CLOSE = 3
_BACKEND = {"auth_backend": "password_auth"}


def ratio(ways: Mapping[str, tuple[str, Headers]], path: str, turns: int) -> float:
    """Measure two ways in turn, a second each; print medians, and return the median of the first over the second.

    A machine's moods last for seconds and are worth a fifth of the rate. So many short turns can tell what differs by a
    few per cent, and few long ones cannot.
    """
    for url, headers in ways.values():
        load(url, headers, 1, path)
    found: dict[str, list[float]] = defaultdict(list)
    for number in range(turns):
        # What the first of a turn leaves behind is not always the same one's burden.
        for name in [*ways][:: -1 if number % 2 else 1]:
            found[name].append(load(*ways[name], 1, path))
    for name, each in found.items():
        click.echo(f"{name:<38} {median(each):>8,.0f} requests/s")
    ours, other = (found[name] for name in ways)
    return median(mine / theirs for mine, theirs in zip(ours, other, strict=True))


def measure(postgres: EmbeddedPostgres, runner: asyncio.Runner, turns: int) -> None:
    """Measure both, in so many turns or more; print whether they are as wanted."""
    good = _credentials(USER)
    dsn = runner.run(_make_airflow(postgres))
    click.echo(f"\nGET {POOL}, beside Airflow {_AIRFLOW}")
    with served(dsn, "roles", authorization="airflow", **_BACKEND) as roles, \
         served(dsn, "no-roles", authorization="none", **_BACKEND) as none:  # fmt: skip
        ways = {"airflow": (roles, good), "none": (none, good)}
        found = ratio(ways, POOL, turns * _CLOSE)
    tell("authorization: airflow / none", f"{found:.2f}", f"at least {_COST:g}", met=found >= _COST)
    dsn = runner.run(_make_dags(postgres))
    click.echo(f"\nGET {_LATEST}, {_DAGS.dags:,} DAGs")
    with served(dsn, "filtered", authorization="file", permissions_file=str(_write_file()), **_BACKEND) as url:
        ways = {f"{_READABLE} readable DAGs": (url, _credentials(_SOME)), "all": (url, good)}
        found = ratio(ways, _LATEST, turns)
    tell(f"latest_runs of {_READABLE} DAGs / of all", f"{found:.2f}", f"at least {_FILTERED:g}", met=found >= _FILTERED)


def _credentials(user: str) -> Headers:
    return {"Authorization": f"Basic {basic(user, PASSWORD)}"}


async def _make_airflow(postgres: EmbeddedPostgres) -> str:
    server = await asyncpg.connect(postgres.dsn)
    await server.execute("CREATE DATABASE bench_airflow")
    await server.close()
    dsn = postgres.dsn_of("bench_airflow")
    await make_schema(dsn, _AIRFLOW)
    await add_dag(dsn, _AIRFLOW)
    connection = await asyncpg.connect(dsn)
    dags = [(action, f"DAG:dag_{number}") for number in range(50) for action in ("can_read", "can_edit")]
    await make_roles(connection, {"bench": [("can_read", "Pools"), *dags]})
    await add_user(connection, USER, "bench", password=hashes.make(PASSWORD))
    await connection.close()
    return dsn


async def _make_dags(postgres: EmbeddedPostgres) -> str:
    dsn = await load_data(postgres, _DAGS)
    connection = await asyncpg.connect(dsn)
    add = "INSERT INTO users (username, password) SELECT name, $2 FROM unnest($1::text[]) AS name"
    await connection.execute(add, [USER, _SOME], hashes.make(PASSWORD))
    await connection.close()
    return dsn


def _write_file() -> Path:
    step = _DAGS.dags // _READABLE
    readable = ", ".join(_DAGS.dag_id(number * step) for number in range(_READABLE))
    path = cache.CACHE / "permissions.yaml"
    path.write_text(f"users:\n  {USER}: Viewer\n  {_SOME}: {{role: Viewer, dags: [{readable}]}}\n")
    return path
