"""A service as a small team has it after some weeks, for the pictures of the documentation."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, timedelta
from importlib import resources
from pathlib import Path

import asyncpg
import yaml

from server.database import statements
from server.serving.listener import listen, serving
from server.wire.pickles import pickle_conf
from tests.scheduling import bench

_FILES = resources.files("tests.page")
_SQL = statements.parse(_FILES.joinpath("history.sql").read_text("utf-8"))
_LOG = """\
[{day} 03:01:02,114] {{task_runner.py}} INFO - Running: report --day {day}
[{day} 03:01:02,391] {{task_runner.py}} INFO - reading 48,113 orders of 12 shops
[{day} 03:01:09,802] {{task_runner.py}} INFO - \x1b[33mshop 7 sent no prices for 312 orders\x1b[0m
[{day} 03:01:09,803] {{task_runner.py}} INFO - \x1b[1;31mnumbers.csv: line 4711: expected 9 columns, found 8\x1b[0m
[{day} 03:01:09,911] {{task_runner.py}} ERROR - The command ended with exit status 3
"""
REPORT, ORDERS, BACKUP, INVOICES = "nightly_report", "import_orders", "backup_warehouse", "send_invoices"


@asynccontextmanager
async def some_weeks(dsn: str, folder: Path) -> AsyncIterator[str]:
    """Serve a standalone database with these DAGs and their runs; the URL."""
    async with bench(dsn, folder, page="True") as made:
        await made.load(yaml.safe_load(_FILES.joinpath("history.yaml").read_text("utf-8")))
        await made.pool.execute(_SQL["scheduler"])
        await _add(made.pool, REPORT, 25, timedelta(hours=9), timedelta(days=1), [0, 8, 17], None)
        await _add(
            made.pool, ORDERS, 40, timedelta(minutes=1), timedelta(hours=1), [11], {"shop": "Kraków", "limit": 500}
        )
        await _add(made.pool, BACKUP, 12, timedelta(hours=12), timedelta(days=1), [5], None)
        await made.pool.execute(_SQL["under_way"], ORDERS)
        await made.pool.execute(_SQL["tasks"])
        await made.pool.execute("UPDATE dag SET is_paused = true WHERE dag_id = $1", INVOICES)
        await made.pool.execute(
            "INSERT INTO slot_pool (pool, slots, description) VALUES ('warehouse', 4, 'The warehouse')"
        )
        newest = await made.pool.fetchval("SELECT max(execution_date) FROM dag_run WHERE dag_id = $1", REPORT)
        date = newest.astimezone(UTC)
        log = made.log_folder / REPORT / "check_numbers" / date.isoformat() / "1.log"
        log.parent.mkdir(parents=True)
        log.write_text(_LOG.format(day=date.date()))
        async with serving(made.config, listen(made.config)) as url:
            yield url


async def _add(
    pool: "asyncpg.Pool[asyncpg.Record]",
    dag_id: str,
    number: int,
    newest: timedelta,
    apart: timedelta,
    failed: list[int],
    conf: Mapping[str, object] | None,
) -> None:
    await pool.execute(_SQL["runs"], dag_id, number, newest, apart, failed, pickle_conf(conf, 1))
