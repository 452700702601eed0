"""DAG runs and their tasks over HTTP."""

from collections.abc import Generator, Mapping, Sequence

from windsock.client import paths
from windsock.client.events import follow
from windsock.client.json_calls import JsonCalls
from windsock.client.repeats import made_before
from windsock.client.replies import error_of, warning_of
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
from windsock.protocol import Code

_OK, _PARTIAL_CONTENT, _RANGE_NOT_SATISFIABLE = 200, 206, 416


class JsonRuns(Runs):
    """The methods of `Runs` over HTTP."""

    _calls: JsonCalls

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
        reply = self._calls.send("POST", f"{paths.of_dag(dag_id)}/dag_runs", fields, safe=bool(run_id))
        if reply.uncertain and run_id and (said := error_of(reply)).code == Code.RUN_EXISTS:
            date = None if replace_microseconds else execution_date
            runs = self.get_dag_runs(dag_id, run_id=run_id, execution_date_gte=date, execution_date_lte=date)
            if made := made_before(dag_id, run_id, date, runs, filtered=said.has_codes):
                return made
        return with_warning(self._calls.read.object_of(reply, "message"), warning_of(reply))

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
            return self._calls.read.list_of(self._calls.get(f"{paths.of_dag(dag_id)}/dag_runs", pairs))
        except ApiError as error:
            raise unknown_dag(error) from error

    def get_dag_run_state(self, dag_id: str, execution_date: str, wait: float = 0) -> str | None:
        """See `Client.get_dag_run_state`."""
        pairs = [("wait", f"{wait:.3f}")] if wait else []
        reply = self._calls.get(paths.of_run(dag_id, execution_date), pairs)
        state: str | None = self._calls.read.object_of(reply, "state")["state"]
        return state

    def get_dag_run_states(self, runs: Sequence[tuple[str, str]], wait: float = 0) -> list[Answer]:
        """See `Client.get_dag_run_states`."""
        query = f"?wait={wait:.3f}" if wait else ""
        return self._calls.read.list_of(
            self._calls.send("POST", f"dag_runs/states{query}", named_runs(runs), safe=True)
        )

    def events(
        self,
        *,
        dag_id: str | Sequence[str] | None = None,
        run_id: str | Sequence[str] | None = None,
        last_event_id: str | None = None,
    ) -> Generator[Answer, None, None]:
        """See `Client.events`."""
        query = events_query(dag_id, run_id)
        return follow(lambda last_id: self._calls.stream("events", query, last_id), last_event_id)

    def get_dag_run(self, dag_id: str, execution_date: str, wait: float = 0) -> Answer:
        """See `Client.get_dag_run`."""
        pairs = [("details", "true"), *([("wait", f"{wait:.3f}")] if wait else [])]
        reply = self._calls.get(paths.of_run(dag_id, execution_date), pairs)
        run = self._calls.read.object_of(reply, "state")
        if "run_id" not in run:
            # A server that does not know the parameter ignores it.
            raise self._calls.read.too_old(reply)
        return run

    def get_task_instances(self, dag_id: str, execution_date: str) -> list[Answer]:
        """See `Client.get_task_instances`."""
        reply = self._calls.get(f"{paths.of_run(dag_id, execution_date)}/tasks")
        return self._calls.read.list_of(self._calls.read.known(reply))

    def get_unfinished_runs(self) -> list[Answer]:
        """See `Client.get_unfinished_runs`."""
        return self._calls.read.list_of(self._calls.read.known(self._calls.get("unfinished_runs")))

    def get_latest_runs(self, *, details: bool = False) -> list[Answer]:
        """See `Client.get_latest_runs`."""
        reply = self._calls.get("latest_runs", [("details", "true")] if details else [])
        items = self._calls.read.objects(reply, self._calls.read.object_of(reply, "items")["items"])
        if details and any("state" not in run for run in items):
            raise self._calls.read.too_old(reply)
        return items

    def get_grid(self, dag_id: str, limit: int = 25, before: int | None = None) -> Answer:
        """See `Client.get_grid`."""
        reply = self._calls.get(f"{paths.of_dag(dag_id)}/grid", grid_query(limit, before))
        return self._calls.read.object_of(self._calls.read.known(reply), "runs", "tasks")

    def get_task_instance(self, dag_id: str, execution_date: str, task_id: str) -> Answer:
        """See `Client.get_task_instance`."""
        return self._calls.read.object_of(self._calls.get(paths.of_task_instance(dag_id, execution_date, task_id)))

    def get_waits_for(self, dag_id: str, execution_date: str, task_id: str) -> list[str]:
        """See `Client.get_waits_for`."""
        reply = self._calls.get(f"{paths.of_task_instance(dag_id, execution_date, task_id)}/waits_for")
        reasons = self._calls.read.object_of(reply, "waits_for")["waits_for"]
        if not isinstance(reasons, list):
            raise self._calls.read.no_api(reply)
        return [str(reason) for reason in reasons]

    def get_task_log(
        self,
        dag_id: str,
        execution_date: str,
        task_id: str,
        try_number: int | None = None,
        map_index: int | None = None,
    ) -> TaskLog:
        """See `Client.get_task_log`."""
        reply = self._calls.get(paths.of_log(dag_id, execution_date, task_id, try_number, map_index))
        self._calls.read.require(reply, _OK)
        return TaskLog(self._calls.read.number(reply, "X-Try-Number"), reply.body.decode(errors="replace"))

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
        """See `Client.get_task_log_part`."""
        path = paths.of_log(dag_id, execution_date, task_id, try_number, map_index)
        part = {"Range": f"bytes={start}-{start + size - 1}"}
        reply = self._calls.send("GET", path, safe=True, headers=part)
        self._calls.read.require(reply, _PARTIAL_CONTENT, _RANGE_NOT_SATISFIABLE)
        data = reply.body if reply.status == _PARTIAL_CONTENT else b""
        whole = self._calls.read.number(reply, "Content-Range")
        return TaskLogPart(self._calls.read.number(reply, "X-Try-Number"), data, whole)
