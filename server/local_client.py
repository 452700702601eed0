"""The client that works straight on the database, through the same layer as the server, without HTTP.

It needs `[core] sql_alchemy_conn` and the rights that the server has, and no other credentials.
"""

import asyncio
import dataclasses
import getpass
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, closing
from datetime import UTC, datetime
from typing import TypeVar

import asyncpg

from server import wire
from server.database.dag_runs import RunFilter
from server.database.metadata import Metadata, open_metadata
from server.errors import SchemaChanged, StartupError, Unavailable, WindsockError
from server.task_logs.reading import LogFile, local_log
from server.wire import warning_header
from server.wire.dates import timezone_of
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


class LocalClient(Client):
    """The API's methods on a database. Do not use it inside a running event loop."""

    def __init__(self, config: Config, warn: Callable[[str], None] | None = None) -> None:
        """Use the database of `config`; raises ConfigError if there is none. `warn` is called with warnings."""
        config.dsn.connect_arguments()
        self._config = dataclasses.replace(config, pool_min_size=1, pool_max_size=1)
        self._warn = warn
        self._zone = timezone_of(config.default_timezone)
        self._runner: asyncio.Runner | None = None
        self._resources = AsyncExitStack()
        self._metadata: Metadata | None = None

    def close(self) -> None:
        """Close the database's connections."""
        if self._runner is not None:
            self._runner.run(self._resources.aclose())
            self._runner.close()
        self._runner = self._metadata = None

    def _call(self, use: Callable[[Metadata], Awaitable[T]]) -> T:
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

    async def _within(self, use: Callable[[Metadata], Awaitable[T]]) -> T:
        if self._metadata is None:
            self._metadata = await self._resources.enter_async_context(open_metadata(self._config))
        warning_header.begin()
        try:
            return await use(self._metadata)
        finally:
            if self._warn is not None and (warning := warning_header.joined()) is not None:
                self._warn(warning)

    def test(self) -> Answer:
        """See `Client.test`."""
        self._call(lambda metadata: metadata.dags.count())
        return {"status": "OK"}

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
        fields = trigger_fields(run_id, conf, execution_date, replace_microseconds=replace_microseconds)

        async def trigger(metadata: Metadata) -> Answer:
            checked = wire.check_id(dag_id, "dag_id")
            asked = wire.parse_trigger(json.dumps(fields).encode(), self._zone, datetime.now(UTC))
            made = await metadata.dag_runs.trigger(checked, asked, getpass.getuser())
            return with_warning(_answer(wire.trigger_answer(dag_id, made)), warning_header.joined())

        return self._call(trigger)

    def get_dag_runs(
        self,
        dag_id: str,
        state: str | None = None,
        *,
        run_id: str | None = None,
        execution_date_gte: str | None = None,
        execution_date_lte: str | None = None,
        descending: bool = False,
        limit: int | None = None,
    ) -> list[Answer]:
        """See `Client.get_dag_runs`."""
        pairs = runs_query(state, run_id, execution_date_gte, execution_date_lte, descending=descending, limit=limit)

        async def runs(metadata: Metadata) -> list[Answer]:
            checked = wire.check_id(dag_id, "dag_id")
            query = wire.parse_dag_runs_query(pairs, self._zone)
            selection = RunFilter(
                states=query.states or None,
                run_id=query.run_id,
                execution_date_gte=query.execution_date_gte,
                execution_date_lte=query.execution_date_lte,
                descending=query.page.descending,
                limit=query.page.limit,
            )
            return await _collect(metadata.dag_runs.pages(checked, selection))

        try:
            return self._call(runs)
        except ApiError as error:
            raise unknown_dag(error) from error

    def get_dag_run_state(self, dag_id: str, execution_date: str) -> str | None:
        """See `Client.get_dag_run_state`."""

        async def state(metadata: Metadata) -> str | None:
            date = wire.parse_execution_date(execution_date, self._zone)
            return await metadata.dag_runs.state(wire.check_id(dag_id, "dag_id"), date)

        return self._call(state)

    def get_latest_runs(self) -> list[Answer]:
        """See `Client.get_latest_runs`."""
        items: list[Answer] = _answer(self._call(lambda metadata: metadata.dag_runs.latest()))["items"]
        return items

    def get_dags(self) -> list[Answer]:
        """See `Client.get_dags`."""
        return self._call(lambda metadata: _collect(metadata.dags.pages(None, 0, descending=False)))

    def get_import_errors(self) -> list[Answer]:
        """See `Client.get_import_errors`."""
        return self._call(lambda metadata: _collect(metadata.import_errors.pages(None, 0, descending=False)))

    def delete_dag(self, dag_id: str) -> Answer:
        """See `Client.delete_dag`."""
        count = self._call(lambda metadata: metadata.dags.delete(wire.check_id(dag_id, "dag_id")))
        return {"count": count, "message": f"Removed {count} record(s)"}

    def is_paused(self, dag_id: str) -> bool | None:
        """See `Client.is_paused`."""
        return self._call(lambda metadata: metadata.dags.is_paused(wire.check_id(dag_id, "dag_id")))

    def set_paused(self, dag_id: str, *, is_paused: bool) -> None:
        """See `Client.set_paused`."""
        self._call(lambda metadata: metadata.dags.pause(wire.check_id(dag_id, "dag_id"), is_paused=is_paused))

    def get_code(self, dag_id: str) -> str:
        """See `Client.get_code`."""
        return self._call(lambda metadata: metadata.dags.code(wire.check_id(dag_id, "dag_id")))

    def get_tasks(self, dag_id: str) -> list[Answer]:
        """See `Client.get_tasks`."""

        async def tasks(metadata: Metadata) -> bytes:
            dag = await metadata.dags.get(wire.check_id(dag_id, "dag_id"))
            return dag.known.task_list

        listed: list[Answer] = json.loads(self._call(tasks))
        return listed

    def get_task(self, dag_id: str, task_id: str) -> Answer:
        """See `Client.get_task`."""

        async def task(metadata: Metadata) -> bytes:
            dag = await metadata.dags.get(wire.check_id(dag_id, "dag_id"))
            return dag.task(wire.check_id(task_id, "task_id")).answer

        return _answer(self._call(task))

    def get_task_instance(self, dag_id: str, execution_date: str, task_id: str) -> Answer:
        """See `Client.get_task_instance`."""

        async def task_instance(metadata: Metadata) -> bytes:
            date = wire.parse_execution_date(execution_date, self._zone)
            ids = wire.check_id(dag_id, "dag_id"), date, wire.check_id(task_id, "task_id")
            return await metadata.task_instances.get(*ids)

        return _answer(self._call(task_instance))

    def get_waits_for(self, dag_id: str, execution_date: str, task_id: str) -> list[str]:
        """See `Client.get_waits_for`."""

        async def waits_for(metadata: Metadata) -> list[str]:
            date = wire.parse_execution_date(execution_date, self._zone)
            dag = await metadata.dags.get(wire.check_id(dag_id, "dag_id"))
            return await metadata.waiting.reasons(dag, date, wire.check_id(task_id, "task_id"))

        return self._call(waits_for)

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
        async def task_log(metadata: Metadata) -> LogFile:
            date = wire.parse_execution_date(execution_date, self._zone)
            ids = wire.check_id(dag_id, "dag_id"), date, wire.check_id(task_id, "task_id")
            return await local_log(metadata, self._config.base_log_folder, *ids, try_number)

        return self._call(task_log)

    def get_pools(self) -> list[Answer]:
        """See `Client.get_pools`."""
        pools: list[Answer] = json.loads(self._call(lambda metadata: metadata.pools.all()))
        return pools

    def get_pool(self, name: str) -> Answer:
        """See `Client.get_pool`."""
        return _answer(wire.encode(self._call(lambda metadata: metadata.pools.get(wire.parse_pool_name(name)))))

    def create_pool(self, name: str, slots: int | str, description: str | None) -> Answer:
        """See `Client.create_pool`."""
        body = json.dumps({"name": name, "slots": slots, "description": description}).encode()

        async def create(metadata: Metadata) -> bytes:
            asked = wire.parse_pool(body, metadata.pools.name_limit)
            return wire.encode(await metadata.pools.set(asked.name, asked.slots, asked.description))

        return _answer(self._call(create))

    def delete_pool(self, name: str) -> Answer:
        """See `Client.delete_pool`."""
        return _answer(wire.encode(self._call(lambda metadata: metadata.pools.delete(wire.parse_pool_name(name)))))


async def _collect(pages: AsyncIterator[Sequence[str]]) -> list[Answer]:
    return [json.loads(row) async for page in pages for row in page]


def _answer(body: bytes) -> Answer:
    value: Answer = json.loads(body)
    return value
