"""Standalone services: one with DAGs to work with, which a scheduler runs, and databases with many rows."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg

from server.database import statements
from server.serving.listener import listen, serving
from server.standalone.postgres import EmbeddedPostgres
from tests.conftest import TEMPLATE
from tests.scheduling import Bench, bash, bench, empty

_numbers = count(1)
_ERROR = "broken.yaml:7: tasks: extract: unknown key 'bash_comand'; did you mean 'bash_command'?"
_SQL = statements.parse(resources.files("tests.page").joinpath("volume.sql").read_text("utf-8"))


def operators_dags(folder: Path) -> Mapping[str, Mapping[str, Any]]:
    """DAGs of a small team; `nightly_report` fails until there is a file `numbers.csv` in the folder."""
    numbers = folder / "numbers.csv"
    return {
        "nightly_report": {
            "description": "Fetches the numbers of the day and sends the report",
            "schedule": "0 3 * * *",
            "tags": ["reports", "daily"],
            "default_args": {"owner": "finance"},
            "tasks": {
                "fetch": bash(f'[ -e {numbers} ] || {{ echo "{numbers} is missing"; exit 3; }}'),
                "check": bash("echo all numbers are there", "fetch"),
                "send": bash("echo sent", "check"),
            },
        },
        "import_orders": {
            "description": "Takes the orders of one shop into the warehouse",
            "tags": ["orders"],
            "default_args": {"owner": "shop"},
            "params": {"shop": "Kraków", "limit": 100},
            "tasks": {
                "extract": bash('echo "conf is $CONF"', env={"CONF": "{{ (dag_run.conf or {}) | tojson }}"}),
                "clean": empty("extract"),
                "prices": bash("echo prices", "extract", pool="warehouse"),
                "load": bash("echo loaded", "clean", "prices", pool="warehouse"),
            },
        },
        "long_watch": {
            "description": "Says every moment that it still works",
            "tags": ["demo"],
            "default_args": {"owner": "ops"},
            "tasks": {"watch": bash("for n in $(seq 1 400); do echo line $n; sleep 0.1; done")},
        },
        "housekeeping": {
            "description": "Does nothing, quickly",
            "default_args": {"owner": "ops"},
            "tasks": {"sweep": empty()},
        },
    }  # fmt: skip


@dataclass(frozen=True)
class Ground:
    """A service with a scheduler; `bench` has its database, and `folder` what its tasks look for."""

    url: str
    bench: Bench
    folder: Path

    @property
    def numbers(self) -> Path:
        """The file without which `nightly_report` fails."""
        return self.folder / "numbers.csv"


@asynccontextmanager
async def new_database(postgres: EmbeddedPostgres, template: str | None = TEMPLATE) -> AsyncIterator[str]:
    """Make a standalone database, or with no template an empty one; its DSN."""
    name = f"page_{next(_numbers)}"
    server = await asyncpg.connect(postgres.dsn)
    try:
        await server.execute(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
        yield postgres.dsn_of(name)
        await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await server.close()


@asynccontextmanager
async def operations(dsn: str, folder: Path, **options: object) -> AsyncIterator[Ground]:
    """Serve the DAGs of a small team, and run what is triggered."""
    async with bench(dsn, folder, page="True", **options) as made:
        await made.load(operators_dags(folder))
        await made.pool.execute(
            "INSERT INTO slot_pool (pool, slots, description) VALUES ('warehouse', 4, 'The warehouse')"
        )
        for dag_id, runs in {"import_orders": 3, "nightly_report": 1, "housekeeping": 1}.items():
            for n in range(runs):
                await made.trigger(dag_id, n, {"shop": "Kraków"})
        error = "INSERT INTO import_error (timestamp, filename, stacktrace) VALUES (now(), $1, $2)"
        await made.pool.execute(error, f"{made.dags_folder}/broken.yaml", _ERROR)
        async with serving(made.config, listen(made.config)) as url, made.scheduler():
            await made.until_done()
            yield Ground(url, made, folder)


async def fill(dsn: str, *, dags: int = 1000, runs: int = 1000, tasks: int = 200) -> None:
    """Fill a standalone database: many DAGs, one of them with many runs, and one with many tasks."""
    connection = await asyncpg.connect(dsn, command_timeout=120)
    try:
        await connection.execute(_SQL["dags"], dags)
        await connection.execute(_SQL["special"])
        await connection.execute(_SQL["serialized"], tasks)
        await connection.execute(_SQL["few_runs"])
        await connection.execute(_SQL["runs_left"])
        await connection.execute(_SQL["many_runs"], runs)
        await connection.execute(_SQL["task_instances"])
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()
