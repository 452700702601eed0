"""The client that works straight on the database."""

from collections.abc import Callable, Sequence

from msgspec.json import decode, encode

from server import wire
from server.auth.permissions import EVERYTHING
from server.database.pools import Pool
from server.local_client.calls import ALL, LocalCalls, all_of
from server.local_client.runs import LocalRuns
from server.local_client.steering import LocalSteering
from server.operations import Operations
from windsock.client.interface import Client
from windsock.client.requests import dags_query, next_runs_query
from windsock.client.results import Answer
from windsock.config import Config


class LocalClient(LocalRuns, LocalSteering, Client):
    """The API's methods on a database. Do not use it inside a running event loop."""

    def __init__(self, config: Config, warn: Callable[[str], None] | None = None) -> None:
        """Use the database of `config`; raises ConfigError if there is none. `warn` is called with warnings."""
        self._calls = LocalCalls(config, warn)

    def close(self) -> None:
        """Close the database's connections."""
        self._calls.close()

    def test(self) -> Answer:
        """See `Client.test`."""
        self._calls.call(lambda operations: operations.list_dags(wire.parse_dags_query([("limit", "1")]), ALL, ALL))
        return {"status": "OK"}

    def whoami(self) -> Answer:
        """See `Client.whoami`."""
        self.test()
        described: Answer = decode(encode(EVERYTHING.described()))
        return {"user": None, "backend": None, **described}

    def get_dags(
        self,
        *,
        search: str | None = None,
        tag: str | Sequence[str] | None = None,
        owner: str | Sequence[str] | None = None,
        state: str | Sequence[str] | None = None,
        paused: bool | None = None,
        active: bool | None = None,
        order_by: str | None = None,
        details: bool = False,
        limit: int | None = None,
        offset: int | None = None,
    ) -> list[Answer]:
        """See `Client.get_dags`."""
        asked = dags_query(
            details,
            search=search,
            tag=tag,
            owner=owner,
            state=state,
            paused=paused,
            active=active,
            order_by=order_by,
            limit=limit,
            offset=offset,
        )

        async def dags(operations: Operations) -> list[Answer]:
            return await all_of(operations.list_dags(wire.parse_dags_query(asked), ALL, ALL))

        return self._calls.call(dags)

    def get_dag_tags(self) -> list[str]:
        """See `Client.get_dag_tags`."""
        return self._calls.call(lambda operations: operations.dag_tags(ALL))

    def get_version(self) -> Answer:
        """See `Client.get_version`."""
        return self._calls.object_of(lambda operations: operations.versions())

    def get_dag(
        self,
        dag_id: str,
        *,
        next_runs: int | None = None,
        execution_date_gte: str | None = None,
        execution_date_lte: str | None = None,
    ) -> Answer:
        """See `Client.get_dag`."""
        query = next_runs_query(next_runs, execution_date_gte, execution_date_lte)

        async def details(operations: Operations) -> wire.DagDetails:
            checked = wire.check_id(dag_id, "dag_id")
            return await operations.dag_details(checked, ALL, wire.parse_next_runs(query, operations.timezone))

        return self._calls.object_of(details)

    def get_import_errors(self) -> list[Answer]:
        """See `Client.get_import_errors`."""
        return self._calls.call(
            lambda operations: all_of(operations.list_import_errors(wire.parse_import_errors_query([]), ALL))
        )

    def delete_dag(self, dag_id: str) -> Answer:
        """See `Client.delete_dag`."""
        return wire.delete_answer(self._calls.call(lambda operations: operations.delete_dag(dag_id)))

    def is_paused(self, dag_id: str) -> bool | None:
        """See `Client.is_paused`."""
        return self._calls.call(lambda operations: operations.is_paused(dag_id))

    def set_paused(self, dag_id: str, *, is_paused: bool) -> None:
        """See `Client.set_paused`."""
        self._calls.call(lambda operations: operations.pause(dag_id, is_paused=is_paused))

    def get_code(self, dag_id: str) -> str:
        """See `Client.get_code`."""
        return self._calls.call(lambda operations: operations.code(dag_id, None))

    def get_tasks(self, dag_id: str, *, details: bool = False) -> list[Answer]:
        """See `Client.get_tasks`."""
        tasks: list[Answer] = self._calls.read(lambda operations: operations.list_tasks(dag_id, details=details))
        return tasks

    def get_task(self, dag_id: str, task_id: str) -> Answer:
        """See `Client.get_task`."""
        task: Answer = self._calls.read(lambda operations: operations.task(dag_id, task_id))
        return task

    def get_pools(self, *, details: bool = False) -> list[Answer]:
        """See `Client.get_pools`."""
        pools: list[Answer] = self._calls.read(lambda operations: operations.list_pools(details=details))
        return pools

    def get_pool(self, name: str) -> Answer:
        """See `Client.get_pool`."""
        return self._calls.object_of(lambda operations: operations.pool(name))

    def create_pool(self, name: str, slots: int | str, description: str | None) -> Answer:
        """See `Client.create_pool`."""
        fields = {"name": name, "slots": slots, "description": description}

        async def create(operations: Operations) -> Pool:
            return await operations.set_pool(wire.read_pool(fields, operations.pool_name_limit))

        return self._calls.object_of(create)

    def delete_pool(self, name: str) -> Answer:
        """See `Client.delete_pool`."""
        return self._calls.object_of(lambda operations: operations.delete_pool(name))
