"""What is measured: each work as the requests that ask for it, and the bar it is held against."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bench.data import DataSet

API = "/api/experimental"
_FIRST_RUN = datetime(2015, 1, 1, tzinfo=UTC)
_REQUESTS = 2000
# {dag}, {date} and {run_id} are filled in by wrk.lua, each date once.
TRIGGER_PATH = f"{API}/dags/{{dag}}/dag_runs"
TRIGGER_BODY = '{"run_id": "{run_id}", "execution_date": "{date}"}'
ROW_PATH = "/dag_run"
ROW_BODY = (
    '{"dag_id": "{dag}", "run_id": "{run_id}", "execution_date": "{date}", "state": "running",'
    ' "external_trigger": true, "start_date": "now"}'
)

# Works in the order in which a round takes them; triggers come last because they add rows.
READS = ("test", "pool", "pools", "state", "ti", "runs", "latest")
TRIGGER = "trigger"
# Windsock's other endpoints, measured for the record.
OTHERS = ("health", "dags", "paused", "tasks", "task", "code")
TITLES = {
    "test": "GET /test",
    "pool": "one pool",
    "pools": "all pools",
    "state": "run state",
    "ti": "task instance",
    "runs": "dag_runs, 100 rows",
    "latest": "latest_runs",
    "trigger": "POST trigger",
    "health": "health",
    "dags": "list of DAGs",
    "paused": "is a DAG paused",
    "tasks": "tasks of a DAG",
    "task": "one task",
    "code": "source of a DAG",
}


@dataclass(frozen=True, order=True)
class Cell:
    """A work at a number of connections."""

    work: str
    connections: int

    def __str__(self) -> str:
        return f"{self.work}@{self.connections}"


def paths(work: str, data: DataSet) -> Sequence[str]:
    """Paths of the reading requests of `work`, spread over the data."""
    picks = [(data.dag_id(n % data.dags), _date(n * 7 % 100)) for n in range(_REQUESTS)]
    single = {
        "test": f"{API}/test",
        "pools": f"{API}/pools",
        "runs": f"{API}/dags/{data.dag_id(0)}/dag_runs",
        "latest": f"{API}/latest_runs",
        "health": "/health",
        "dags": f"{API}/dags",
    }
    if work in single:
        return [single[work]]
    if work == "pool":
        return [f"{API}/pools/pool_{n}" for n in range(1, 21)]
    ends = {"paused": "/paused", "tasks": "/tasks", "task": "/tasks/extract", "code": "/code"}
    if work in ends:
        return [f"{API}/dags/{dag_id}{ends[work]}" for dag_id, _ in picks]
    end = {"state": "", "ti": "/tasks/extract"}[work]
    return [f"{API}/dags/{dag_id}/dag_runs/{date}{end}" for dag_id, date in picks]


def postgrest_paths(work: str, data: DataSet) -> Sequence[str]:
    """Make the same questions as PostgREST understands them."""
    picks = [(data.dag_id(n % data.dags), _date(n * 7 % 100).replace("+", "%2B")) for n in range(_REQUESTS)]
    columns = "dag_id,execution_date,id,run_id,start_date,state"
    single = {
        "pools": "/slot_pool?order=id",
        "runs": f"/dag_run?dag_id=eq.{data.dag_id(0)}&select={columns}&order=execution_date",
        "latest": "/rpc/latest_runs",
    }
    if work in single:
        return [single[work]]
    if work == "pool":
        return [f"/slot_pool?pool=eq.pool_{n}" for n in range(1, 21)]
    if work == "state":
        return [f"/dag_run?dag_id=eq.{dag_id}&execution_date=eq.{date}&select=state" for dag_id, date in picks]
    return [f"/task_instance?task_id=eq.extract&dag_id=eq.{dag_id}&execution_date=eq.{date}" for dag_id, date in picks]


def _date(hours: int) -> str:
    return (_FIRST_RUN + timedelta(hours=hours)).isoformat()
