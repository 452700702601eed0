"""Runs the scheduler of `windsock standalone` in a child process, so that it does not hold up the server.

`keep_scheduler` starts the child again if it ends. Run as a module, this is that child, which runs `entry_point`.
"""

import asyncio
import signal
import sys
from contextlib import suppress

import asyncpg
import structlog

from server.database.schema import SchemaError
from server.errors import StartupError
from server.process.python_child import start_with, take_over
from server.process.spawn import ChildProcess
from windsock.config import Config, ConfigError
from windsock.config.secrets import without_options
from windsock.text import first_line

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_AGAIN = 1.0


async def keep_scheduler(config: Config) -> None:
    """Run a scheduler with this configuration until cancelled; then it ends its tasks first."""
    while True:
        process = start_with(config, __spec__.name, env=without_options())
        try:
            status = await process.wait()
        finally:
            await _stop(process, config.killed_task_cleanup_time + config.shutdown_timeout)
        _log.error("the scheduler ended unexpectedly, starting it again", status=status)
        await asyncio.sleep(_AGAIN)


async def _stop(process: ChildProcess, patience: float) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await process.wait()
        process.send_signal(signal.SIGKILL)
        await process.wait()


def main() -> None:
    """Run the scheduler for the process that started this one."""
    from server.standalone.scheduler.entry_point import run_scheduler  # noqa: PLC0415 - the server itself needs none of it

    config: Config = take_over()
    try:
        run_scheduler(config, with_parent=True)
    except (ConfigError, SchemaError, StartupError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        sys.exit(f"Error: {first_line(error)}")


if __name__ == "__main__":
    main()
