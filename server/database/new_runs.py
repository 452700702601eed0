"""A new run: what each generation of Airflow demands of it, and the row that is written.

Every value was tested to be safe: some others stall the scheduler, crash it, or make it call a run a success without
running a task.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from server.database.dag import Dag
from server.database.dags import Judgement
from server.database.prepared import PreparedDag
from server.database.settings import Settings
from server.database.timetables import Interval
from server.errors import BadRequest, WindsockError
from server.wire.bodies import Trigger, conf_refusal
from server.wire.strict_json import kind_of
from server.wire.warning_header import warn
from windsock.protocol import Code

# The tasks of Airflow 3 get their run as MessagePack, which has whole numbers of 64 bits, signed or unsigned.
_LEAST_NUMBER, _GREATEST_NUMBER = -(2**63), 2**64 - 1
_MANY_DIGITS = re.compile(r"\d{19}|\de[1-3]\d", re.ASCII)
_LARGE_NUMBER = "conf holds a number beyond 64 bits: in Airflow 3 no task of this run can read it, and they fail"
# Its tasks put a run_id as it is into the URLs where they leave and find values.
_UNFIT_FOR_URLS = re.compile(r"[/?#%\x00-\x1f\x7f]|^\.{1,2}$")
_UNFIT_RUN_ID = "In Airflow 3 no task of this run can return or read a value: this run_id does not fit into a URL"
# Every run that is made here has this type; Airflow's own have other types, and prefixes that go with them.
_TYPE = "manual"
# Airflow 2 and 3 keep the logs of a task in folders with names such as `run_id=...`; most file systems allow 255 bytes.
_LONGEST_NAME = 255
# The user that 3.x names for unknown callers.
_ANONYMOUS = "Anonymous"
# Airflow always allows these, whatever the pattern says.
_OWN_RUN_ID = re.compile(r"manual__\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$", re.ASCII)


class Row(NamedTuple):
    """The arguments of the statement `trigger`; that of an earlier generation takes only the first of them."""

    dag_id: str
    run_id: str
    execution_date: datetime
    conf: bytes | str | None
    root_dag_id: str
    version: str | None
    """The version of the DAG's serialized row that the run was checked against."""
    interval_start: datetime | None = None
    interval_end: datetime | None = None
    user: str = _ANONYMOUS
    is_pinned: bool = False
    """Whether it is pinned to the version of the DAG's bundle: such a run needs all task instances."""


class NewRun(NamedTuple):
    """A run to be made: for this DAG, as the caller asked for it."""

    dag_id: str
    asked: Trigger
    user: str | None = None

    @property
    def run_id(self) -> str:
        """Its run_id."""
        return self.asked.run_id

    @property
    def execution_date(self) -> datetime:
        """Its date, with a time zone."""
        return self.asked.execution_date


def row(run: NewRun, dag: Dag, settings: Settings, judgement: Judgement) -> Row:
    """Return the arguments of the statement `trigger`; raises BadRequest if Airflow would refuse the run or crash.

    The date is checked first, then the run_id, then the conf. Raises Unavailable if it took too much to find out what
    the DAG itself says.
    """
    asked, generation = run.asked, settings.generation
    check_date(run, dag, settings, judgement)
    if asked.run_id_error is not None:
        raise asked.run_id_error
    if generation.checks_runs:
        _check_run_id(run, dag, settings)
    if generation.runs_schedules_here and dag.serialized is not None and dag.serialized.has_schedule:
        _refuse_type(run.run_id, ("scheduled",))
    if asked.conf_error is not None:
        raise asked.conf_error
    if generation.checks_runs:
        _check_conf(run, judgement)
    conf = generation.write_conf(asked.conf)
    values = run.dag_id, asked.run_id, asked.execution_date, conf, dag.root_dag_id, dag.version
    if not generation.checks_runs:
        return Row(*values)
    return Row(*values, *_interval(judgement), run.user or _ANONYMOUS)


def warn_of_run(run: Trigger, row: Row, settings: Settings) -> None:
    """Warn about what this Airflow makes of a run whose `row` was written.

    Airflow 1.10 takes some runs for others; tasks of 3.x cannot read every conf, nor use every run_id.
    """
    for misread, text in settings.generation.misread_run_ids:
        if misread.match(run.run_id):
            warn(text)
    if not settings.generation.tasks_use_api:
        return
    if _UNFIT_FOR_URLS.search(run.run_id):
        warn(_UNFIT_RUN_ID)
    # Almost no conf has such a number, and looking at each value would take time.
    if _MANY_DIGITS.search(str(row.conf)) and _holds_large_number(run.conf):
        warn(_LARGE_NUMBER)


def check_date(run: NewRun, dag: Dag, settings: Settings, judgement: Judgement) -> None:
    """Raise BadRequest for a date that the DAG does not allow.

    In 2.x and 3.x this includes dates at which the run would succeed without running a task.
    """
    if dag.serialized is None:
        return
    _check_start_date(run, dag.serialized)
    if settings.generation.checks_runs:
        # Airflow 1.10 accepts a date before its tasks' start_date, and callers may rely on that: the contract has it.
        _check_tasks(run, dag.serialized)
        _interval(judgement)


def _check_run_id(run: NewRun, dag: Dag, settings: Settings) -> None:
    _check_pattern(run.run_id, settings)
    _check_log_folders(run, dag, settings)
    # The scheduler process ends if it needs such an id itself, or takes the run for one of its own.
    _refuse_type(run.run_id, settings.reserved_types)
    allowed = dag.serialized.allowed_run_types if dag.serialized else None
    if allowed is not None and _TYPE not in allowed:
        others = ", ".join(sorted(allowed)) or "none"
        message = f"Dag {run.dag_id} does not allow {_TYPE} runs, only {others}"
        raise BadRequest(message, code=Code.MANUAL_RUNS_NOT_ALLOWED)


def _refuse_type(run_id: str, kinds: Iterable[str]) -> None:
    """Raise BadRequest for a run_id that belongs to runs of one of these types."""
    if kind := next((kind for kind in kinds if run_id.startswith(f"{kind}__")), None):
        reserved = f"A {_TYPE} DAG run cannot use ID {run_id!r} since it is reserved for {kind} runs"
        raise BadRequest(reserved, code=Code.INVALID_RUN_ID)


def _check_pattern(run_id: str, settings: Settings) -> None:
    pattern = settings.run_id_pattern
    # An empty pattern allows no other ids.
    allowed = bool(pattern.pattern and pattern.match(run_id)) or _OWN_RUN_ID.match(run_id)
    if not allowed or (settings.generation.has_re2 and run_id.endswith("\n")):
        # Such a row ends the scheduler process of 2.x and 3.x, again at every start.
        shown = pattern.pattern or _OWN_RUN_ID.pattern
        message = f"Run id {run_id} must match the pattern {shown} of this Airflow"
        raise BadRequest(message, code=Code.INVALID_RUN_ID)
    if ".." in run_id and not settings.allows_double_dots:
        raise BadRequest(
            f"Run id {run_id} must not have two dots in a row: [core] allow_double_dot_in_ids of this Airflow is False",
            code=Code.INVALID_RUN_ID,
        )


def _check_log_folders(run: NewRun, dag: Dag, settings: Settings) -> None:
    """Raise BadRequest if a task could not write its log: in 2.8 and 2.9 that ends the scheduler process."""
    ids = {"run_id": run.run_id, "dag_id": run.dag_id}
    if settings.generation.names_logs_by_task and dag.serialized is not None:
        ids["task_id"] = dag.serialized.longest_task_id
    for kind, value in ids.items():
        for name in f"{kind}={value}".split("/"):
            if len(name.encode()) > _LONGEST_NAME:
                longest = _LONGEST_NAME - len(f"{kind}=")
                raise BadRequest(
                    f"`{kind}` must be at most {longest} bytes long: it names a folder of logs in this Airflow",
                    code=Code.INVALID_RUN_ID,
                )
            if name in {"", ".", ".."}:
                message = f"Run id {run.run_id} cannot be the name of a folder of logs in this Airflow"
                raise BadRequest(message, code=Code.INVALID_RUN_ID)


def _check_conf(run: NewRun, judgement: Judgement) -> None:
    conf = run.asked.conf
    if conf is not None and not isinstance(conf, dict):
        # The schedulers of 2.x and 3.x need a dict.
        raise conf_refusal(f"one that holds {kind_of(conf)}")
    if judgement.refusal is not None:
        raise judgement.refusal


def _holds_large_number(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_large_number, value.values()))
    if isinstance(value, list):
        return any(map(_holds_large_number, value))
    # Postgres stores a float of that size as a whole number.
    return isinstance(value, int | float) and not _LEAST_NUMBER <= value <= _GREATEST_NUMBER


def _interval(judgement: Judgement) -> Interval:
    if judgement.interval is None or isinstance(judgement.interval, WindsockError):
        raise judgement.interval or BadRequest("This DAG has no data interval", code=Code.DATE_NOT_ALLOWED)
    return judgement.interval


def _check_start_date(run: NewRun, dag: PreparedDag) -> None:
    start = dag.default_start_date
    if start is not None and run.execution_date < start:
        given = run.execution_date.astimezone(UTC).isoformat()
        raise BadRequest(
            f"The execution_date [{given}] must not be before the start_date [{start.isoformat()}]"
            " of the DAG's default_args",
            code=Code.DATE_NOT_ALLOWED,
        )


def _check_tasks(run: NewRun, dag: PreparedDag) -> None:
    if not dag.runs_at(run.execution_date):
        given = run.execution_date.astimezone(UTC).isoformat()
        raise BadRequest(
            f"The execution_date [{given}] is outside of the start_date and end_date of every task of dag"
            f" {run.dag_id}: the run would succeed without running any",
            code=Code.DATE_NOT_ALLOWED,
        )
