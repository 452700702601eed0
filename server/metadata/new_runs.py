"""A run that somebody wants: what each generation of Airflow demands of it, and the row that is written.

Every value is one that was seen to be safe: some others stall the scheduler, crash it, or make it call a run a
success without running a task.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from server.errors import BadRequest
from server.metadata import params
from server.metadata.dags import Dag
from server.metadata.serialized import SerializedDag
from server.metadata.settings import Settings
from server.wire.pickles import pickle_conf

# Types that a run_id's prefix tells. A run of type `backfill` is never scheduled, so that is left out.
_RUN_TYPES: Mapping[int, tuple[str, ...]] = {
    2: ("scheduled", "dataset_triggered"),
    3: ("scheduled", "asset_triggered"),
}
# What they allow whatever the pattern says.
_OWN_RUN_ID = re.compile(r"(?:manual|scheduled)__\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$", re.ASCII)


class NewRun(NamedTuple):
    """A run to be made."""

    dag_id: str
    run_id: str
    execution_date: datetime
    conf: Mapping[str, object] | None


def check(run: NewRun, dag: Dag, settings: Settings) -> None:
    """Raise BadRequest for a run that Airflow would refuse or choke on.

    In 2.x and 3.x that includes one that would succeed without running a task.
    """
    if dag.serialized is None:
        return
    _check_start_date(run, dag.serialized)
    if settings.generation == 1:
        # Airflow 1.10 takes a date before its tasks' start_date, and callers may rely on that: the contract has it.
        return
    _check_tasks(run, dag.serialized)
    if not settings.run_id_pattern.match(run.run_id) and not _OWN_RUN_ID.match(run.run_id):
        # The scheduler process of 2.x and 3.x ends over such a row, again at every start.
        raise BadRequest(
            f"Run id {run.run_id} must match the pattern {settings.run_id_pattern.pattern} of this Airflow"
        )
    allowed = dag.serialized.allowed_run_types
    if allowed is not None and (kind := run_type(run.run_id, settings.generation)) not in allowed:
        raise BadRequest(f"Dag {run.dag_id} does not allow {kind} runs, only {', '.join(sorted(allowed)) or 'none'}")
    params.check(dag.serialized.params, run.conf)


def row(run: NewRun, dag: Dag, generation: int) -> tuple[object, ...]:
    """Arguments of the statement `trigger`; raises BadRequest for a date without a data interval."""
    if generation == 1:
        conf: bytes | str | None = pickle_conf(run.conf, generation)
        return run.dag_id, run.run_id, run.execution_date, conf, dag.root_dag_id, dag.version
    conf = _json(run.conf) if generation > 2 else pickle_conf(run.conf, generation)  # noqa: PLR2004 - Airflow 2
    kind = run_type(run.run_id, generation)
    return run.dag_id, run.run_id, run.execution_date, conf, dag.root_dag_id, dag.version, kind, *_interval(run, dag)


def run_type(run_id: str, generation: int) -> str:
    """Tell the type of a run from its id, as Airflow does; never `backfill`."""
    return next((kind for kind in _RUN_TYPES[generation] if run_id.startswith(f"{kind}__")), "manual")


def _json(conf: Mapping[str, object] | None) -> str:
    return msgspec.json.encode(conf or {}).decode()


def _interval(run: NewRun, dag: Dag) -> tuple[datetime, datetime]:
    if dag.serialized is None:
        return run.execution_date, run.execution_date
    try:
        return dag.serialized.interval(run.execution_date)
    except (OverflowError, ValueError) as error:
        given = run.execution_date.isoformat()
        raise BadRequest(f"Dag {run.dag_id} has no data interval for execution date {given}") from error


def _check_start_date(run: NewRun, dag: SerializedDag) -> None:
    start = dag.default_start_date
    if start is not None and run.execution_date < start:
        given = run.execution_date.astimezone(UTC).isoformat()
        raise BadRequest(
            f"The execution_date [{given}] must not be before the start_date [{start.isoformat()}]"
            " of the DAG's default_args"
        )


def _check_tasks(run: NewRun, dag: SerializedDag) -> None:
    if dag.tasks and not any(task.runs_at(run.execution_date) for task in dag.tasks.values()):
        given = run.execution_date.astimezone(UTC).isoformat()
        raise BadRequest(
            f"The execution_date [{given}] is outside of the start_date and end_date of every task of dag"
            f" {run.dag_id}: the run would succeed without running any"
        )
