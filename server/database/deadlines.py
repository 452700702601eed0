"""The deadlines of a DAG (Airflow 3.1 and later), each with a callback for a missed deadline.

A new run gets rows with the moment of each deadline and its callback. This module reads the alerts of a DAG; if only
code or settings of that Airflow can tell something, it raises OnlyAirflowError.
"""

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from server.database.encoding import MALFORMED, OnlyAirflowError
from server.wire.strict_json import is_deep

FIXED, LOGICAL_DATE = "FixedDatetimeDeadline", "DagRunLogicalDateDeadline"
QUEUED_AT, AVERAGE = "DagRunQueuedAtDeadline", "AverageRuntimeDeadline"
_CALLBACKS = {"AsyncCallback": "triggerer", "SyncCallback": "executor"}
_TIMEDELTA = "datetime.timedelta"
_PREFIX = "deadline_alerts"
_RUNS = 10
_MOST = 100


class Alert(msgspec.Struct):
    """A DeadlineAlert as it is stored; `interval` is a number of seconds, or an encoded value."""

    reference: dict[str, Any]
    interval: Any
    callback: dict[str, Any]
    id: str | None = None


def alerts_of(stored: bytes) -> list[Alert]:
    """Return the alerts that a serialized DAG of 3.1 has as its `deadline`; none for later ones, which have only ids.

    Raises msgspec.MsgspecError and others for something that no Airflow writes.
    """
    encoded = msgspec.json.decode(stored) or []
    listed = encoded if isinstance(encoded, list) else [encoded]
    return [msgspec.convert(one.get("__var", one), Alert) for one in listed[:_MOST] if isinstance(one, dict)]


def row_of(alert: Alert, dag_id: str, date: datetime) -> dict[str, object]:
    """Return the rows for a run of a DAG at that date, as JSON. Raises OnlyAirflowError.

    A row has `deadline_time`, or what the deadline counts from: the moment when the run is made, with or without the
    average time that `max_runs` have taken.
    """
    if is_deep([alert.reference, alert.callback]):
        raise OnlyAirflowError("it is nested too deeply")
    seconds = _seconds(alert.interval)
    name, reference = alert.reference.get("reference_type"), alert.reference
    if "__class_path" in reference or name not in {FIXED, LOGICAL_DATE, QUEUED_AT, AVERAGE}:
        raise OnlyAirflowError(f"only Airflow's plugins know its reference {name}")
    row: dict[str, object] = {"id": str(uuid7()), "callback_id": str(uuid7()), "alert_id": alert.id, "seconds": seconds}
    if name == AVERAGE:
        runs = _whole(reference.get("max_runs", _RUNS))
        least = reference.get("min_runs")
        row |= {"max_runs": runs, "min_runs": runs if least is None else _whole(least)}
    elif name != QUEUED_AT:
        row["deadline_time"] = _later(_fixed(reference) if name == FIXED else date, seconds).isoformat()
    kind = str(alert.callback.get("__classname__")).rpartition(".")[2]
    data = alert.callback.get("__data__")
    if kind not in _CALLBACKS or not isinstance(data, dict) or not isinstance(data.get("path"), str):
        raise OnlyAirflowError(f"its callback {kind} is not known")
    return {**row, "type": _CALLBACKS[kind], "callback": alert.callback, "data": _callback_data(kind, data, dag_id)}


def uuid7() -> UUID:
    """Make an id that begins with the time (RFC 9562), as Airflow does."""
    milliseconds = time.time_ns() // 10**6
    random = secrets.randbits(74)
    high = milliseconds << 16 | 0x7000 | random >> 62
    return UUID(int=high << 64 | 0b10 << 62 | random & (1 << 62) - 1)


def _callback_data(kind: str, data: Mapping[str, Any], dag_id: str) -> object:
    """Return what Airflow 3.2 and later stores of a callback, in its own encoding."""
    told: dict[str, object] = {
        "prefix": _PREFIX,
        "dag_id": dag_id,
        "path": data["path"].strip(),
        "kwargs": data.get("kwargs") or {},
    }
    return _encoded(told | ({"executor": data.get("executor")} if kind == "SyncCallback" else {}))


def _encoded(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, list):
        return [_encoded(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "__classname__" in value:
        raise OnlyAirflowError(f"its callback is given a {value['__classname__']}")
    return {"__type": "dict", "__var": {key: _encoded(item) for key, item in value.items()}}


def _seconds(interval: object) -> float:
    if isinstance(interval, dict) and interval.get("__classname__") == _TIMEDELTA:
        interval = interval.get("__data__")
    if isinstance(interval, dict):
        raise OnlyAirflowError(f"its interval is a {str(interval.get('__classname__')).rpartition('.')[2]}")
    if isinstance(interval, bool) or not isinstance(interval, int | float):
        raise OnlyAirflowError("its interval is not a number of seconds")
    # This also checks that the moment exists, for the present time.
    _later(datetime.now(UTC), interval)
    return interval


def _later(date: datetime, seconds: float) -> datetime:
    try:
        return date.astimezone(UTC) + timedelta(seconds=seconds)
    except (OverflowError, ValueError) as error:
        raise OnlyAirflowError("its moment is beyond the years that a date can have") from error


def _fixed(reference: Mapping[str, Any]) -> datetime:
    try:
        return datetime.fromtimestamp(reference["datetime"], UTC)
    except (LookupError, OSError, OverflowError, TypeError, ValueError) as error:
        raise OnlyAirflowError("its date cannot be read") from error


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= 10**6:
        raise OnlyAirflowError("it counts an unlikely number of runs")
    return value


def rows_of(alerts: Sequence[Alert], dag_id: str, date: datetime) -> tuple[list[str], list[str]]:
    """Return the rows of all alerts that can be made, each as JSON, and the reasons for the others."""
    rows: list[str] = []
    reasons: list[str] = []
    for alert in alerts:
        try:
            rows.append(json.dumps(row_of(alert, dag_id, date)))
        except OnlyAirflowError as error:
            reasons.append(str(error))
        except MALFORMED:
            reasons.append("it is not stored as Airflow does it")
    return rows, reasons
