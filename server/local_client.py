"""The client that works straight on the database: it calls the operations that the server's handlers call.

It needs `[core] sql_alchemy_conn` and the rights that the server has, and no other credentials.
"""

import asyncio
import dataclasses
import getpass
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, closing
from datetime import UTC, datetime
from typing import Any, TypeVar

import asyncpg
from msgspec import Raw, Struct, to_builtins
from msgspec.json import decode, encode

from server import wire
from server.auth.permissions import EVERYTHING
from server.database.metadata import open_metadata
from server.database.pools import Pool
from server.errors import SchemaChanged, StartupError, Unavailable, WindsockError
from server.operations import Listing, Operations
from server.task_logs.reading import LogFile
from server.wire import warning_header
from windsock.client.interface import (
    Answer,
    ApiError,
    Client,
    TaskLog,
    TaskLogPart,
    Unreachable,
    runs_query,
    trigger_fields,
    unknown_dag,
    with_warning,
)
from windsock.config import Config, ConfigError

T = TypeVar("T")
# Who has the password of the database may read all of it.
_ALL = None


class LocalClient(Client):
    """The API's methods on a database. Do not use it inside a running event loop."""

    def __init__(self, config: Config, warn: Callable[[str], None] | None = None) -> None:
        """Use the database of `config`; raises ConfigError if there is none. `warn` is called with warnings."""
        config.dsn.connect_arguments()
        self._config = dataclasses.replace(config, pool_min_size=1, pool_max_size=1)
        self._warn = warn
        self._runner: asyncio.Runner | None = None
        self._resources = AsyncExitStack()
        self._operations: Operations | None = None

    def close(self) -> None:
        """Close the database's connections."""
        if self._runner is not None:
            self._runner.run(self._resources.aclose())
            self._runner.close()
        self._runner = self._operations = None

    def _call(self, use: Callable[[Operations], Awaitable[T]]) -> T:
        if self._runner is None:
            self._runner = asyncio.Runner()
        try:
            return self._runner.run(self._within(use))
        except SchemaChanged as error:
            # The next call then looks at the database again.
            self.close()
            raise Unreachable(error.message, repr(error.__cause__)) from error
        except Unavailable as error:
            raise Unreachable(error.message, repr(error.__cause__)) from error
        except WindsockError as error:
            raise ApiError(error.status, error.message, code=error.code.value) from error
        except ConfigError:
            raise
        except StartupError as error:
            raise Unreachable(str(error), repr(error.__cause__)) from error
        except (OSError, TimeoutError, asyncpg.InterfaceError) as error:
            raise Unreachable(f"lost {self._config.dsn.redacted()}: {error}", repr(error)) from error
        except asyncpg.PostgresError as error:
            raise ApiError(500, f"The database refused: {error}", repr(error)) from error

    async def _within(self, use: Callable[[Operations], Awaitable[T]]) -> T:
        if self._operations is None:
            metadata = await self._resources.enter_async_context(open_metadata(self._config))
            self._operations = Operations(metadata, self._config)
        warning_header.begin()
        try:
            return await use(self._operations)
        finally:
            if self._warn is not None and (warning := warning_header.joined()) is not None:
                self._warn(warning)

    def test(self) -> Answer:
        """See `Client.test`."""
        self._call(lambda operations: operations.list_dags(wire.parse_dags_query([("limit", "1")]), _ALL))
        return {"status": "OK"}

    def whoami(self) -> Answer:
        """See `Client.whoami`."""
        self.test()
        described: Answer = decode(encode(EVERYTHING.described()))
        return {"user": None, "backend": None, **described}

    def trigger_dag(
        self,
        dag_id: str,
        run_id: str | None = None,
        conf: Mapping[str, object] | str | None = None,
        execution_date: str | None = None,
        *,
        replace_microseconds: bool | None = None,
    ) -> Answer:
        """See `Client.trigger_dag`."""
        fields = trigger_fields(run_id, _text(conf), execution_date, replace_microseconds=replace_microseconds)

        async def trigger(operations: Operations) -> Answer:
            checked = wire.check_id(dag_id, "dag_id")
            asked = wire.read_trigger(fields, operations.timezone, datetime.now(UTC))
            made = await operations.trigger(checked, asked, getpass.getuser())
            return with_warning(wire.trigger_answer(dag_id, made), warning_header.joined())

        return self._call(trigger)

    def get_dag_runs(
        self,
        dag_id: str,
        state: str | None = None,
        *,
        run_id: str | Sequence[str] | None = None,
        execution_date_gte: str | None = None,
        execution_date_lte: str | None = None,
        descending: bool = False,
        limit: int | None = None,
    ) -> list[Answer]:
        """See `Client.get_dag_runs`."""
        pairs = runs_query(state, run_id, execution_date_gte, execution_date_lte, descending=descending, limit=limit)

        async def runs(operations: Operations) -> list[Answer]:
            checked = wire.check_id(dag_id, "dag_id")
            query = wire.parse_dag_runs_query(pairs, operations.timezone)
            return await _all(operations.list_runs(checked, query))

        try:
            return self._call(runs)
        except ApiError as error:
            raise unknown_dag(error) from error

    def get_dag_run_state(self, dag_id: str, execution_date: str, wait: float = 0) -> str | None:
        """See `Client.get_dag_run_state`."""
        return self._call(lambda operations: operations.run_state(operations.run(dag_id, execution_date), wait))

    def get_latest_runs(self) -> list[Answer]:
        """See `Client.get_latest_runs`."""
        items: list[Answer] = self._read(lambda operations: operations.latest_runs(_ALL))["items"]
        return items

    def get_dags(self) -> list[Answer]:
        """See `Client.get_dags`."""
        return self._call(lambda operations: _all(operations.list_dags(wire.parse_dags_query([]), _ALL)))

    def get_import_errors(self) -> list[Answer]:
        """See `Client.get_import_errors`."""
        return self._call(
            lambda operations: _all(operations.list_import_errors(wire.parse_import_errors_query([]), _ALL))
        )

    def delete_dag(self, dag_id: str) -> Answer:
        """See `Client.delete_dag`."""
        return wire.delete_answer(self._call(lambda operations: operations.delete_dag(dag_id)))

    def is_paused(self, dag_id: str) -> bool | None:
        """See `Client.is_paused`."""
        return self._call(lambda operations: operations.is_paused(dag_id))

    def set_paused(self, dag_id: str, *, is_paused: bool) -> None:
        """See `Client.set_paused`."""
        self._call(lambda operations: operations.pause(dag_id, is_paused=is_paused))

    def get_code(self, dag_id: str) -> str:
        """See `Client.get_code`."""
        return self._call(lambda operations: operations.code(dag_id, None))

    def get_tasks(self, dag_id: str) -> list[Answer]:
        """See `Client.get_tasks`."""
        tasks: list[Answer] = self._read(lambda operations: operations.list_tasks(dag_id))
        return tasks

    def get_task(self, dag_id: str, task_id: str) -> Answer:
        """See `Client.get_task`."""
        task: Answer = self._read(lambda operations: operations.task(dag_id, task_id))
        return task

    def get_task_instance(self, dag_id: str, execution_date: str, task_id: str) -> Answer:
        """See `Client.get_task_instance`."""
        return self._object(
            lambda operations: operations.task_instance(operations.instance(dag_id, execution_date, task_id))
        )

    def get_waits_for(self, dag_id: str, execution_date: str, task_id: str) -> list[str]:
        """See `Client.get_waits_for`."""
        return self._call(lambda operations: operations.waits_for(operations.instance(dag_id, execution_date, task_id)))

    def get_task_log(self, dag_id: str, execution_date: str, task_id: str, try_number: int | None = None) -> TaskLog:
        """See `Client.get_task_log`; the log is read on this machine."""
        with closing(self._open_log(dag_id, execution_date, task_id, try_number)) as log:
            return TaskLog(log.try_number, log.read(0, log.size).decode("utf-8", errors="replace"))

    def get_task_log_part(
        self, dag_id: str, execution_date: str, task_id: str, try_number: int | None, start: int, size: int
    ) -> TaskLogPart:
        """See `Client.get_task_log_part`; the log is read on this machine."""
        with closing(self._open_log(dag_id, execution_date, task_id, try_number)) as log:
            return TaskLogPart(log.try_number, log.read(start, size), log.size)

    def _open_log(self, dag_id: str, execution_date: str, task_id: str, try_number: int | None) -> LogFile:
        def task_log(operations: Operations) -> Awaitable[LogFile]:
            return operations.task_log(operations.instance(dag_id, execution_date, task_id), try_number)

        return self._call(task_log)

    def get_pools(self) -> list[Answer]:
        """See `Client.get_pools`."""
        pools: list[Answer] = self._read(lambda operations: operations.list_pools())
        return pools

    def get_pool(self, name: str) -> Answer:
        """See `Client.get_pool`."""
        return self._object(lambda operations: operations.pool(name))

    def create_pool(self, name: str, slots: int | str, description: str | None) -> Answer:
        """See `Client.create_pool`."""
        fields = {"name": name, "slots": slots, "description": description}

        async def create(operations: Operations) -> Pool:
            return await operations.set_pool(wire.read_pool(fields, operations.pool_name_limit))

        return self._object(create)

    def delete_pool(self, name: str) -> Answer:
        """See `Client.delete_pool`."""
        return self._object(lambda operations: operations.delete_pool(name))

    def _read(self, use: Callable[[Operations], Awaitable[Raw]]) -> Any:  # noqa: ANN401 - what the JSON holds
        """Return what an operation's JSON holds."""
        return decode(self._call(use))

    def _object(self, use: Callable[[Operations], Awaitable[Struct]]) -> Answer:
        """Return an operation's result as a dict."""
        found: Answer = to_builtins(self._call(use), order="sorted")
        return found


async def _all(listing: Awaitable[Listing]) -> list[Answer]:
    pages, _ = await listing
    return [decode(row) async for page in pages for row in page]


def _text(conf: Mapping[str, object] | str | None) -> Mapping[str, object] | str | None:
    """Return a conf as JSON, because only JSON can be stored; raises what `json` raises for other values."""
    return json.dumps(conf) if conf and isinstance(conf, Mapping) else conf
