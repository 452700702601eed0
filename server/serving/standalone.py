"""`windsock standalone`: an embedded Postgres, the DAGs of a folder, the API and the scheduler, in one command.

It never touches an Airflow: it has its own database, whatever `airflow.cfg` names, unless `[windsock]` names another
one. If the file names a database, it reads only the file's section `[windsock]`.
"""

import asyncio
import dataclasses
import shlex
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING
from urllib.parse import quote

import click
import structlog

from server.auth.backends import ALIASES
from server.auth.file_source import with_permissions
from server.database import statements
from server.database.connections import open_pool
from server.database.schema import initdb
from server.logs import setup_logs
from server.process.loop import Watcher, first_to_end, run, until_stopped
from server.process.privileges import hide_from_others
from server.serving.listener import listen, serving
from server.standalone.dags.leader import keep_loading
from server.standalone.postgres import EmbeddedPostgres, exclusive
from server.standalone.scheduler.child_process import keep_scheduler
from server.standalone.scheduler.entry_point import check_direct
from windsock.config import Config, Dsn, check_exposure, load_config
from windsock.protocol import PREFIX

if TYPE_CHECKING:
    import asyncpg

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_SQL = statements.load("standalone.sql")
# How long the server waits for DAG files before it serves without them, in seconds.
_LOAD_PATIENCE = 10.0
_CURL = 'curl -X POST {url}{user} -H \'Content-Type: application/json\' -d \'{{"conf":"{{\\"key\\":\\"value\\"}}"}}\''
# The options that curl needs if the API asks for credentials.
_USER = {
    "password_auth": " -u NAME",
    "kerberos_auth": " --negotiate -u :",
    "token_auth": ' -H "Authorization: Bearer $TOKEN"',
}


def run_standalone(*, host: str | None, port: int | None, data_dir: Path | None, dags_folder: Path | None) -> None:
    """Run everything until SIGINT or SIGTERM. Raises StartupError, if possible before it has touched anything."""
    hide_from_others()
    config = with_permissions(read_config(host=host, port=port, data_dir=data_dir, dags_folder=dags_folder))
    setup_logs(config.log_level, config.log_format)
    for warning in config.warnings:
        _log.warning(warning)
    check_exposure(config)
    check_direct(config)
    if config.admin_port or config.workers > 1:
        _log.warning("[windsock] admin_port and workers have an effect on windsock webserver only")
    # The port is bound first, so that a second `windsock standalone` fails before it touches the Postgres of the first.
    with _listening(config) as sock, exclusive(config.data_dir) if not config.dsn else nullcontext():
        run(until_stopped(_standalone(config, sock), "stopping"))


def read_config(*, host: str | None, port: int | None, data_dir: Path | None, dags_folder: Path | None) -> Config:
    """Read the configuration with standalone's own defaults; an argument of None sets nothing. Raises ConfigError."""
    given = {"host": host, "port": port, "data_dir": data_dir, "dags_folder": dags_folder}
    config = load_config(
        overrides={name: value.absolute() if isinstance(value, Path) else value for name, value in given.items()},
        defaults={
            "data_dir": str(Path(".windsock").absolute()),
            "dags_folder": str(Path("dags").absolute()),
            "page": "True",
        },
        database="windsock",
    )
    if "base_log_folder" not in config.sources:
        config = dataclasses.replace(config, base_log_folder=config.data_dir / "logs")
    return config


@contextmanager
def _listening(config: Config) -> Iterator[socket]:
    with listen(config) as sock:
        yield sock


async def _standalone(config: Config, sock: socket) -> None:
    async with _database(config) as (dsn, watchers):
        await _serve_dags(dataclasses.replace(config, dsn=dsn), sock, watchers)


async def _serve_dags(config: Config, sock: socket, watchers: list[Watcher]) -> None:
    await initdb(config.dsn)
    loaded = asyncio.Event()
    await first_to_end(*watchers, partial(keep_loading, config, loaded), partial(_serve_loaded, config, sock, loaded))


async def _serve_loaded(config: Config, sock: socket, loaded: asyncio.Event) -> None:
    """Serve once the DAGs are loaded, or after some time without them: no file keeps the service from starting."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_LOAD_PATIENCE):
            await loaded.wait()
    async with serving(config, sock) as url:
        async with _pool(config) as pool:
            _greet(url, await pool.fetchval(_SQL["first_dag"]), config)
        await keep_scheduler(config)


@asynccontextmanager
async def _database(config: Config) -> AsyncIterator[tuple[Dsn, list[Watcher]]]:
    """Start the embedded Postgres, unless another database is configured; yields the DSN, and a task that guards it."""
    if config.dsn:
        yield config.dsn, []
        return
    postgres = EmbeddedPostgres(config.data_dir)
    await postgres.start()
    try:
        path = _write_commands_file(config, postgres.dsn)
        _log.info("Postgres is ready: other commands find it with AIRFLOW_CONFIG", AIRFLOW_CONFIG=path)
        yield Dsn.parse(postgres.dsn), [postgres.keep_running]
    finally:
        await postgres.stop()


def _write_commands_file(config: Config, dsn: str) -> str:
    """Write the airflow.cfg with which other commands find the database, logs and DAGs; returns its path."""
    path = config.data_dir / "commands.cfg"
    found = {
        "sql_alchemy_conn": dsn,
        "base_log_folder": config.base_log_folder,
        "dags_folder": config.dags_folder,
        "dags_are_paused_at_creation": config.dags_are_paused_at_creation,
        "dag_ignore_file_syntax": config.dag_ignore_file_syntax,
    }
    # By its folder `windsock db` finds the embedded database, even if it does not run.
    ours = {
        "data_dir": config.data_dir,
        "authorization": config.authorization,
        "permissions_file": config.permissions_file,
    }
    # A percent sign must be doubled, as in every airflow.cfg.
    lines = [f"{key} = {str(value).replace('%', '%%')}\n" for key, value in found.items()]
    own = [f"{key} = {str(value).replace('%', '%%')}\n" for key, value in ours.items() if value]
    text = f"# Written by `windsock standalone` at each start.\n[core]\n{''.join(lines)}[windsock]\n{''.join(own)}"
    path.write_text(text, encoding="utf-8")
    return str(path)


@asynccontextmanager
async def _pool(config: Config) -> AsyncIterator["asyncpg.Pool[asyncpg.Record]"]:
    async with await open_pool(dataclasses.replace(config, pool_min_size=0, pool_max_size=1)) as pool:
        yield pool


def _greet(url: str, dag_id: str | None, config: Config) -> None:
    click.echo(f"Windsock serves the DAGs of {config.dags_folder} at {url} (Ctrl-C stops it)")
    names = [ALIASES.get(name, "").rpartition(".")[2] for name in config.auth_backend]
    user = next((_USER[name] for name in names if name in _USER), "")
    if "NAME" in user:
        file = config.data_dir / "commands.cfg"
        beside = f"AIRFLOW_CONFIG={shlex.quote(str(file))} " if file.exists() else ""
        role = " -r Admin" if config.authorization == "file" else ""
        click.echo(f"Create a user first (this asks for the password):\n\n{beside}windsock create_user -u NAME{role}\n")
    if dag_id is None:
        missing = "" if config.dags_folder.is_dir() else "That folder does not exist. "
        click.echo(f"{missing}There are no DAGs yet: put a YAML file there, and it is loaded within a second or two")
        return
    target = f"{url}{PREFIX}/dags/{quote(dag_id, safe='')}/dag_runs"
    click.echo(f"Trigger one:\n\n{_CURL.format(url=shlex.quote(target), user=user)}\n")
