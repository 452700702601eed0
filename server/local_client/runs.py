"""DAG runs and their tasks, straight on the database."""

import getpass
import json
from collections.abc import Awaitable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime

from server import wire
from server.local_client.calls import ALL, LocalCalls, all_of
from server.local_client.events import begin_events
from server.operations import Operations
from server.task_logs.reading import LogFile
from server.wire import warning_header
from windsock.client.events import Message, follow
from windsock.client.requests import (
    events_query,
    grid_query,
    named_runs,
    runs_query,
    trigger_fields,
    unknown_dag,
    with_warning,
)
from windsock.client.results import Answer, ApiError, TaskLog, TaskLogPart
from windsock.client.runs import Runs


class LocalRuns(Runs):
    """The methods of `Runs` on a database."""

    _calls: LocalCalls

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

        return self._calls.call(trigger)

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
            return await all_of(operations.list_runs(checked, query))

        try:
            return self._calls.call(runs)
        except ApiError as error:
            raise unknown_dag(error) from error

    def get_dag_run_state(self, dag_id: str, execution_date: str, wait: float = 0) -> str | None:
        """See `Client.get_dag_run_state`."""
        return self._calls.call(lambda operations: operations.run_state(operations.run(dag_id, execution_date), wait))

    def get_dag_run_states(self, runs: Sequence[tuple[str, str]], wait: float = 0) -> list[Answer]:
        """See `Client.get_dag_run_states`."""
        body = json.dumps(named_runs(runs)).encode()

        async def states(operations: Operations) -> list[Answer]:
            asked = wire.parse_named_runs(body, operations.timezone)
            return wire.named_states(asked, await operations.states_of_runs(asked, wait))

        return self._calls.call(states)

    def events(
        self,
        *,
        dag_id: str | Sequence[str] | None = None,
        run_id: str | Sequence[str] | None = None,
        last_event_id: str | None = None,
    ) -> Generator[Answer, None, None]:
        """See `Client.events`."""
        query = wire.parse_events_query(events_query(dag_id, run_id), None)
        return follow(lambda last_id: self._messages(query, last_id), last_event_id)

    def _messages(self, query: wire.EventsQuery, last_id: str | None) -> Iterator[Message]:
        stream = self._calls.call(lambda operations: begin_events(operations, query, last_id))
        try:
            while True:
                yield from self._calls.call(lambda _operations: stream.next())
        finally:
            self._calls.call(lambda _operations: stream.close())

    def get_dag_run(self, dag_id: str, execution_date: str, wait: float = 0) -> Answer:
        """See `Client.get_dag_run`."""
        return self._calls.object_of(
            lambda operations: operations.run_details(operations.run(dag_id, execution_date), wait)
        )

    def get_task_instances(self, dag_id: str, execution_date: str) -> list[Answer]:
        """See `Client.get_task_instances`."""

        async def instances(operations: Operations) -> list[Answer]:
            page = wire.parse_instances_query([])
            return await all_of(operations.list_instances(operations.run(dag_id, execution_date), page))

        return self._calls.call(instances)

    def get_unfinished_runs(self) -> list[Answer]:
        """See `Client.get_unfinished_runs`."""
        runs: list[Answer] = self._calls.read(lambda operations: operations.unfinished_runs(ALL))
        return runs

    def get_latest_runs(self, *, details: bool = False) -> list[Answer]:
        """See `Client.get_latest_runs`."""
        items: list[Answer] = self._calls.read(lambda operations: operations.latest_runs(ALL, details=details))["items"]
        return items

    def get_grid(self, dag_id: str, limit: int = 25, before: int | None = None) -> Answer:
        """See `Client.get_grid`."""
        pairs = grid_query(limit, before)

        async def grid(operations: Operations) -> wire.Grid:
            checked = wire.check_id(dag_id, "dag_id")
            found, _ = await operations.grid(checked, wire.parse_grid_query(pairs))
            return found

        return self._calls.object_of(grid)

    def get_task_instance(self, dag_id: str, execution_date: str, task_id: str) -> Answer:
        """See `Client.get_task_instance`."""
        return self._calls.object_of(
            lambda operations: operations.task_instance(operations.instance(dag_id, execution_date, task_id))
        )

    def get_waits_for(self, dag_id: str, execution_date: str, task_id: str) -> list[str]:
        """See `Client.get_waits_for`."""
        return self._calls.call(
            lambda operations: operations.waits_for(operations.instance(dag_id, execution_date, task_id))
        )

    def get_task_log(
        self,
        dag_id: str,
        execution_date: str,
        task_id: str,
        try_number: int | None = None,
        map_index: int | None = None,
    ) -> TaskLog:
        """See `Client.get_task_log`; the log is read on this machine."""
        with closing(self._open_log(dag_id, execution_date, task_id, try_number, map_index)) as log:
            return TaskLog(log.try_number, log.read(0, log.size).decode("utf-8", errors="replace"))

    def get_task_log_part(
        self,
        dag_id: str,
        execution_date: str,
        task_id: str,
        try_number: int | None,
        start: int,
        size: int,
        map_index: int | None = None,
    ) -> TaskLogPart:
        """See `Client.get_task_log_part`; the log is read on this machine."""
        with closing(self._open_log(dag_id, execution_date, task_id, try_number, map_index)) as log:
            return TaskLogPart(log.try_number, log.read(start, size), log.size)

    def _open_log(
        self, dag_id: str, execution_date: str, task_id: str, try_number: int | None, map_index: int | None
    ) -> LogFile:
        def task_log(operations: Operations) -> Awaitable[LogFile]:
            return operations.task_log(operations.instance(dag_id, execution_date, task_id), try_number, map_index)

        return self._calls.call(task_log)


def _text(conf: Mapping[str, object] | str | None) -> Mapping[str, object] | str | None:
    """Return a conf as JSON, because only JSON can be stored; raises what `json` raises for other values."""
    return json.dumps(conf) if conf and isinstance(conf, Mapping) else conf
