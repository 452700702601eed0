"""The client that speaks JSON over HTTP: synchronous and light, for the command line and for scripts."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote, urlencode, urlsplit

from windsock.client import paths
from windsock.client.auth import Basic, Bearer, ClientAuth
from windsock.client.credentials import Given, find_auth
from windsock.client.interface import (
    Answer,
    ApiError,
    Client,
    TaskLog,
    TaskLogPart,
    runs_query,
    trigger_fields,
    unknown_dag,
    with_warning,
)
from windsock.client.repeats import made_before
from windsock.client.replies import Answers, error_of, warning_of
from windsock.client.transport import Reply, Transport
from windsock.errors import ConfigError
from windsock.protocol import PREFIX, Code

if TYPE_CHECKING:
    from windsock.config import Config

_OK, _PARTIAL_CONTENT, _RANGE_NOT_SATISFIABLE = 200, 206, 416


class JsonClient(Client):
    """The API's methods over HTTP.

    `endpoint_url` may have a base path, and user and password. `timeout` is in seconds. `trace` is called with a line
    about each request, and `warn` with the warning of each answer that has one. GETs, and triggers that name their
    run_id, are tried up to three times.
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
        try:
            url = urlsplit(endpoint_url)
            usable = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise ConfigError("[cli] endpoint_url: expected a URL such as http://localhost:8080")
        if auth is None:
            username, password = username or unquote(url.username or ""), password or unquote(url.password or "")
            auth = Bearer(token) if token else Basic(username, password) if username else ClientAuth()
        self._transport = Transport(url, auth, timeout, trace or (lambda _line: None))
        self._warn = warn
        # Otherwise the client would give up before the server answers.
        self.longest_wait = min(self.longest_wait, timeout / 2)
        place = url.path.rstrip("/").removesuffix(PREFIX)
        self._base = place + PREFIX
        self._read = Answers(self._transport.origin, place)

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
        self._transport.close()

    def test(self) -> Answer:
        """See `Client.test`."""
        return self._read.object_of(self._get("test"))

    def whoami(self) -> Answer:
        """See `Client.whoami`."""
        return self._read.object_of(self._get("whoami"))

    def trigger_dag(
        self,
        dag_id: str,
        run_id: str | None = None,
        conf: Mapping[str, object] | str | None = None,
        execution_date: str | None = None,
        *,
        replace_microseconds: bool | None = None,
    ) -> Answer:
        """See `Client.trigger_dag`. With a run_id the client may try again, and notices if an earlier try succeeded.

        If the call names a date, a run with another date is somebody else's.
        """
        fields = trigger_fields(run_id, conf, execution_date, replace_microseconds=replace_microseconds)
        reply = self._send("POST", f"{paths.of_dag(dag_id)}/dag_runs", fields, safe=bool(run_id))
        if reply.uncertain and run_id and (said := error_of(reply)).code == Code.RUN_EXISTS:
            date = None if replace_microseconds else execution_date
            runs = self.get_dag_runs(dag_id, run_id=run_id, execution_date_gte=date, execution_date_lte=date)
            if made := made_before(dag_id, run_id, date, runs, filtered=said.has_codes):
                return made
        return with_warning(self._read.object_of(reply, "message"), warning_of(reply))

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
        try:
            return self._read.list_of(self._get(f"{paths.of_dag(dag_id)}/dag_runs", pairs))
        except ApiError as error:
            raise unknown_dag(error) from error

    def get_dag_run_state(self, dag_id: str, execution_date: str, wait: float = 0) -> str | None:
        """See `Client.get_dag_run_state`."""
        pairs = [("wait", f"{wait:.3f}")] if wait else []
        reply = self._get(paths.of_run(dag_id, execution_date), pairs)
        state: str | None = self._read.object_of(reply, "state")["state"]
        return state

    def get_latest_runs(self) -> list[Answer]:
        """See `Client.get_latest_runs`."""
        reply = self._get("latest_runs")
        return self._read.objects(reply, self._read.object_of(reply, "items")["items"])

    def get_dags(self) -> list[Answer]:
        """See `Client.get_dags`."""
        return self._read.list_of(self._get("dags"))

    def get_import_errors(self) -> list[Answer]:
        """See `Client.get_import_errors`."""
        return self._read.list_of(self._get("import_errors"))

    def delete_dag(self, dag_id: str) -> Answer:
        """See `Client.delete_dag`."""
        return self._read.object_of(self._send("DELETE", paths.of_dag(dag_id)))

    def is_paused(self, dag_id: str) -> bool | None:
        """See `Client.is_paused`."""
        paused: bool | None = self._read.object_of(self._get(f"{paths.of_dag(dag_id)}/paused"), "is_paused")[
            "is_paused"
        ]
        return paused

    def set_paused(self, dag_id: str, *, is_paused: bool) -> None:
        """See `Client.set_paused`."""
        self._read.value(self._send("PATCH", paths.of_dag(dag_id), {"is_paused": is_paused}))

    def get_code(self, dag_id: str) -> str:
        """See `Client.get_code`."""
        reply = self._get(f"{paths.of_dag(dag_id)}/code")
        self._read.require(reply, _OK)
        return reply.body.decode(errors="replace")

    def get_tasks(self, dag_id: str) -> list[Answer]:
        """See `Client.get_tasks`."""
        return self._read.list_of(self._get(f"{paths.of_dag(dag_id)}/tasks"))

    def get_task(self, dag_id: str, task_id: str) -> Answer:
        """See `Client.get_task`."""
        return self._read.object_of(self._get(paths.of_task(dag_id, task_id)))

    def get_task_instance(self, dag_id: str, execution_date: str, task_id: str) -> Answer:
        """See `Client.get_task_instance`."""
        return self._read.object_of(self._get(paths.of_task_instance(dag_id, execution_date, task_id)))

    def get_waits_for(self, dag_id: str, execution_date: str, task_id: str) -> list[str]:
        """See `Client.get_waits_for`."""
        reply = self._get(f"{paths.of_task_instance(dag_id, execution_date, task_id)}/waits_for")
        reasons = self._read.object_of(reply, "waits_for")["waits_for"]
        if not isinstance(reasons, list):
            raise self._read.no_api(reply)
        return [str(reason) for reason in reasons]

    def get_task_log(self, dag_id: str, execution_date: str, task_id: str, try_number: int | None = None) -> TaskLog:
        """See `Client.get_task_log`."""
        reply = self._get(paths.of_log(dag_id, execution_date, task_id, try_number))
        self._read.require(reply, _OK)
        return TaskLog(self._read.number(reply, "X-Try-Number"), reply.body.decode(errors="replace"))

    def get_task_log_part(
        self, dag_id: str, execution_date: str, task_id: str, try_number: int | None, start: int, size: int
    ) -> TaskLogPart:
        """See `Client.get_task_log_part`."""
        part = {"Range": f"bytes={start}-{start + size - 1}"}
        reply = self._send("GET", paths.of_log(dag_id, execution_date, task_id, try_number), safe=True, headers=part)
        self._read.require(reply, _PARTIAL_CONTENT, _RANGE_NOT_SATISFIABLE)
        data = reply.body if reply.status == _PARTIAL_CONTENT else b""
        whole = self._read.number(reply, "Content-Range")
        return TaskLogPart(self._read.number(reply, "X-Try-Number"), data, whole)

    def get_pools(self) -> list[Answer]:
        """See `Client.get_pools`."""
        return self._read.list_of(self._get("pools"))

    def get_pool(self, name: str) -> Answer:
        """See `Client.get_pool`."""
        return self._read.object_of(self._get(paths.of_pool(name)))

    def create_pool(self, name: str, slots: int | str, description: str | None) -> Answer:
        """See `Client.create_pool`."""
        fields = {"name": name, "slots": slots, "description": description}
        return self._read.object_of(self._send("POST", "pools", fields))

    def delete_pool(self, name: str) -> Answer:
        """See `Client.delete_pool`."""
        return self._read.object_of(self._send("DELETE", paths.of_pool(name)))

    def _get(self, path: str, query: Sequence[tuple[str, str]] = ()) -> Reply:
        target = f"{path}?{urlencode(query, errors='surrogateescape')}" if query else path
        return self._send("GET", target, safe=True)

    def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        safe: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        content = None if body is None else json.dumps(body).encode()
        reply = self._transport.send(method, f"{self._base}/{path}", content, safe=safe, headers=headers)
        if self._warn is not None and (warning := warning_of(reply)) is not None:
            self._warn(warning)
        return reply
