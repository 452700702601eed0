"""What goes back to clients: the shapes and texts that scripts written for Airflow 1.10 read."""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from urllib.parse import quote, quote_plus

import msgspec

from server.wire.bodies import Trigger
from server.wire.pickles import UnsafePickleError, load_conf

_encoder = msgspec.json.Encoder(order="sorted")
# The warnings of a trigger that will not run for now.
PAUSED = "The DAG is paused: this run starts when it is unpaused"
INACTIVE = "The DAG is not active: this run starts when Airflow finds its file again"
_PATH_SAFE = "!$&'()*+,:;=@"


def encode(value: object) -> bytes:
    """Write an answer: JSON, keys sorted, UTF-8, ending with a newline."""
    return _encoder.encode(value) + b"\n"


def iso(date: datetime | None) -> str | None:
    """Write a date as the API does, `2020-02-01T00:00:00+00:00`; a run of Airflow 3 may have none."""
    return None if date is None else date.isoformat()


def created_message(dag_id: str, shown_date: str, run_id: str) -> str:
    """Word the success of a trigger; scripts read it with regular expressions."""
    return f"Created <DagRun {dag_id} @ {shown_date}: {run_id}, externally triggered: True>"


def trigger_answer(dag_id: str, trigger: Trigger, warning: str | None = None) -> bytes:
    """Write the answer to a trigger; `warning` is an added key, for a paused DAG for instance."""
    answer = {
        "execution_date": trigger.execution_date.isoformat(),
        "message": created_message(dag_id, trigger.shown_date, trigger.run_id),
        "run_id": trigger.run_id,
    }
    if warning is not None:
        answer["warning"] = warning
    return encode(answer)


def graph_url(
    generation: int,
    dag_id: str,
    run_id: str,
    execution_date: datetime | None,
    *,
    rbac: bool = False,
    prefix: str = "",
) -> str:
    """Say where a run is seen in the Airflow beside this server (`generation` 1, 2 or 3).

    `prefix` (a path or a whole base URL, without a trailing slash) goes before it.
    """
    if generation == 1:
        page = "/graph" if rbac else "/admin/airflow/graph"
        return f"{prefix}{page}?dag_id={quote_plus(dag_id)}&execution_date={quote_plus(str(execution_date))}"
    path = f"{prefix}/dags/{quote(dag_id, safe=_PATH_SAFE)}"
    if generation == 2:  # noqa: PLR2004 - Airflow 2
        return f"{path}/graph?execution_date={quote_plus(str(execution_date), safe=':')}"
    return f"{path}/runs/{quote(run_id, safe='')}"


def run_item(row: Mapping[str, object], url: str) -> dict[str, object]:
    """Show one run of a list; `row` has dag_id, execution_date, id, run_id, start_date and state."""
    return {
        "dag_id": row["dag_id"],
        "dag_run_url": url,
        "execution_date": _iso_of(row, "execution_date"),
        "id": row["id"],
        "run_id": row["run_id"],
        "start_date": _iso_of(row, "start_date") or "",
        "state": row["state"],
    }


def latest_item(row: Mapping[str, object], url: str) -> dict[str, object]:
    """Show the newest run of a DAG; `row` has dag_id, execution_date and start_date."""
    return {
        "dag_id": row["dag_id"],
        "dag_run_url": url,
        "execution_date": _iso_of(row, "execution_date"),
        "start_date": _iso_of(row, "start_date") or "",
    }


def pool_item(row: Mapping[str, object]) -> dict[str, object]:
    """Show a pool; `row` has description, id, pool and slots."""
    return {key: row[key] for key in ("description", "id", "pool", "slots")}


def render_strings(values: Mapping[str, object]) -> dict[str, str]:
    """Show each value as Python's `str` does: None is "None", dates have a space and their offset."""
    return {key: str(value) for key, value in values.items()}


def render_ti(row: Mapping[str, object]) -> dict[str, str]:
    """Show a task instance's columns; `executor_config` may be a pickle, `test_mode` is no column at all."""
    values = {"test_mode": False, **row}
    config = values.get("executor_config")
    if isinstance(config, bytes):
        values["executor_config"] = _unpickled(config)
    return render_strings(values)


@lru_cache(maxsize=64)
def _unpickled(data: bytes) -> str:
    """Nearly every instance has the same: none."""
    try:
        return str(load_conf(data))
    except UnsafePickleError as error:
        return f"({error})"


def _iso_of(row: Mapping[str, object], column: str) -> str | None:
    value = row[column]
    return iso(value) if isinstance(value, datetime) else None
