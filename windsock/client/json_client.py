"""The client that speaks JSON over HTTP: synchronous and light, for the command line and for scripts."""

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote, urlsplit

from windsock.client import paths
from windsock.client.auth import ClientAuth
from windsock.client.credentials import Given, find_auth
from windsock.client.interface import Client
from windsock.client.json_calls import JsonCalls
from windsock.client.json_runs import JsonRuns
from windsock.client.json_steering import JsonSteering
from windsock.client.requests import NARROWING, dags_query, next_runs_query
from windsock.client.results import Answer
from windsock.client.runs import LONGEST_WAIT

if TYPE_CHECKING:
    from windsock.config import Config

_OK = 200


class JsonClient(JsonRuns, JsonSteering, Client):
    """The API's methods over HTTP.

    `endpoint_url` may have a base path, and user and password. `timeout` is in seconds. `trace` is called with a line
    about each request, and `warn` with the warning of each answer that has one. GETs, triggers that name their
    run_id, and what marks a run or a task, are tried up to three times.
    """

    def __init__(
        self,
        endpoint_url: str = "http://localhost:8080",
        *,
        username: str | None = None,
        password: str | None = None,
        token: str | None = None,
        auth: ClientAuth | None = None,
        timeout: float = 60.0,
        trace: Callable[[str], None] | None = None,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        """Raises ConfigError if the URL or the token is not valid. A token counts before user and password."""
        self._calls = JsonCalls(endpoint_url, Given(username, password, token), auth, timeout, trace, warn)
        # Otherwise the client would give up before the server answers.
        self.longest_wait = min(LONGEST_WAIT, timeout / 2)

    @classmethod
    def from_config(
        cls,
        config: "Config",
        trace: Callable[[str], None] | None = None,
        warn: Callable[[str], None] | None = None,
        *,
        username: str | None = None,
        password: str | None = None,
        token: str | None = None,
    ) -> Self:
        """Make the client that `config` and the environment describe, with these credentials before all others.

        Raises ConfigError.
        """
        url = urlsplit(config.endpoint_url)
        in_url = Given(unquote(url.username or ""), unquote(url.password or ""))
        auth = find_auth(config, os.environ, url.hostname or "", in_url, Given(username, password, token))
        return cls(config.endpoint_url, auth=auth, timeout=config.client_timeout, trace=trace, warn=warn)

    def close(self) -> None:
        """Close the connection."""
        self._calls.close()

    def test(self) -> Answer:
        """See `Client.test`."""
        return self._calls.read.object_of(self._calls.get("test"))

    def whoami(self) -> Answer:
        """See `Client.whoami`."""
        return self._calls.read.object_of(self._calls.get("whoami"))

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
        reply = self._calls.get("dags", asked)
        dags = self._calls.read.list_of(reply)
        # An older server ignores what it does not know.
        is_narrowed = any(name in NARROWING for name, _ in asked)
        lacks_details = details and any("last_runs" not in dag for dag in dags)
        if lacks_details or (is_narrowed and "X-Total-Count" not in reply.headers):
            raise self._calls.read.too_old(reply)
        return dags

    def get_dag_tags(self) -> list[str]:
        """See `Client.get_dag_tags`."""
        reply = self._calls.read.known(self._calls.get("dag_tags"))
        tags = self._calls.read.value(reply)
        if not isinstance(tags, list):
            raise self._calls.read.no_api(reply)
        return tags

    def get_version(self) -> Answer:
        """See `Client.get_version`."""
        return self._calls.read.object_of(self._calls.read.known(self._calls.get("version")), "windsock")

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
        reply = self._calls.get(paths.of_dag(dag_id), query)
        dag = self._calls.read.object_of(self._calls.read.known(reply), "dag_id")
        if query and "next_runs" not in dag:
            # An older server ignores what it does not know.
            raise self._calls.read.too_old(reply)
        return dag

    def get_import_errors(self) -> list[Answer]:
        """See `Client.get_import_errors`."""
        return self._calls.read.list_of(self._calls.get("import_errors"))

    def delete_dag(self, dag_id: str) -> Answer:
        """See `Client.delete_dag`."""
        return self._calls.read.object_of(self._calls.send("DELETE", paths.of_dag(dag_id)))

    def is_paused(self, dag_id: str) -> bool | None:
        """See `Client.is_paused`."""
        paused: bool | None = self._calls.read.object_of(
            self._calls.get(f"{paths.of_dag(dag_id)}/paused"), "is_paused"
        )["is_paused"]
        return paused

    def set_paused(self, dag_id: str, *, is_paused: bool) -> None:
        """See `Client.set_paused`."""
        self._calls.read.value(self._calls.send("PATCH", paths.of_dag(dag_id), {"is_paused": is_paused}))

    def get_code(self, dag_id: str) -> str:
        """See `Client.get_code`."""
        reply = self._calls.get(f"{paths.of_dag(dag_id)}/code")
        self._calls.read.require(reply, _OK)
        return reply.body.decode(errors="replace")

    def get_tasks(self, dag_id: str, *, details: bool = False) -> list[Answer]:
        """See `Client.get_tasks`."""
        return self._calls.list_with_details(f"{paths.of_dag(dag_id)}/tasks", "doc" if details else None)

    def get_task(self, dag_id: str, task_id: str) -> Answer:
        """See `Client.get_task`."""
        return self._calls.read.object_of(self._calls.get(paths.of_task(dag_id, task_id)))

    def get_pools(self, *, details: bool = False) -> list[Answer]:
        """See `Client.get_pools`."""
        return self._calls.list_with_details("pools", "open_slots" if details else None)

    def get_pool(self, name: str) -> Answer:
        """See `Client.get_pool`."""
        return self._calls.read.object_of(self._calls.get(paths.of_pool(name)))

    def create_pool(self, name: str, slots: int | str, description: str | None) -> Answer:
        """See `Client.create_pool`."""
        fields = {"name": name, "slots": slots, "description": description}
        return self._calls.read.object_of(self._calls.send("POST", "pools", fields))

    def delete_pool(self, name: str) -> Answer:
        """See `Client.delete_pool`."""
        return self._calls.read.object_of(self._calls.send("DELETE", paths.of_pool(name)))
