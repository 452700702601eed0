"""A real server on a free port, for the length of a block."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from server.serving.listener import listen, serving
from windsock.config import Config, load_config


def config_for(dsn: str, **options: object) -> Config:
    """Make the configuration of a server on this database; `options` are fields of `Config`."""
    overrides = {"dsn": dsn, "port": "0", "access_log": "False", **options}
    return load_config({"AIRFLOW_HOME": "/nonexistent"}, overrides=overrides)


@asynccontextmanager
async def live_server(dsn: str, **options: object) -> AsyncIterator[str]:
    """Serve the database while the block runs; yields the URL."""
    config = config_for(dsn, **options)
    async with serving(config, listen(config)) as url:
        yield url
