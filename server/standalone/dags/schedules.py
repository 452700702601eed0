"""Reads schedules as DAG files write them, and writes them as Airflow serializes them."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from dateutil.relativedelta import relativedelta

from server.database.encoding import MALFORMED
from server.database.timetable_reader import ONCE, PRESETS, of_cron, read
from server.database.timetables import Delta, DeltaIntervals, Window, fixed_length
from server.database.trigger_timetables import DeltaTriggers
from server.standalone.dags.times import ARGS, DURATIONS, TYPE, parse_duration, zone
from server.wire.document import shortened, suggestion

KEYS = ("schedule", "schedule_interval", "timetable")
"""The keys of a DAG that may have its schedule."""
_LONGEST = 1_000
_MOST = 10**9
_FOUR_YEARS = 4 * 365 + 1
_RELATIVE = "dateutil.relativedelta.relativedelta"
_ZONES = frozenset({"pendulum.timezone", "pendulum.tz.timezone"})
_NONE = "airflow.timetables.simple.NullTimetable"
# What relativedelta takes by name, without days of the week.
_PARTS = (
    "years", "months", "days", "leapdays", "weeks", "hours", "minutes", "seconds", "microseconds",
    "year", "month", "day", "hour", "minute", "second", "microsecond",
)  # fmt: skip
_CONTINUOUS = "@continuous"
# What dag-factory takes as the `type` of a schedule besides the two that are run here.
_OTHER_TYPES = frozenset({"relativedelta", "timetable", "datasets", "assets"})
_SHORTEST = timedelta(seconds=1)
_ANY_DAY = datetime(2000, 1, 1, tzinfo=UTC)
_SUPPORTED = "Windsock runs cron expressions, presets, timedeltas, relativedeltas and Airflow's timetables of these"


class TypedTimetable(NamedTuple):
    """One of Airflow's timetables: the path of its class, its fields as they are serialized, and how it is shown."""

    path: str
    fields: Mapping[str, Any]
    summary: str


Schedule = str | timedelta | relativedelta | TypedTimetable | None


def is_no_schedule(value: object) -> bool:
    """Whether a file says that there is no schedule: with null, with the word, or with the timetable for that."""
    return str(value).strip().lower() == "none" or (isinstance(value, Mapping) and str(value.get(TYPE)) == _NONE)


def parse_schedule(value: object) -> Schedule:
    """Return the schedule that a file has, None if there is none or it is of a kind that cannot be run.

    Raises ValueError for something that is not a schedule at all: a mistake must not silently end what ran before.
    """
    if isinstance(value, Mapping) and str(value.get("type")) in {"cron", "timedelta"}:
        inner = value.get("value")
        typed = value["type"] == "timedelta" and isinstance(inner, Mapping) and TYPE not in inner
        value = {TYPE: "datetime.timedelta", **inner} if typed and isinstance(inner, Mapping) else inner
    if isinstance(value, Mapping):
        if TYPE not in value:
            _check_type(value)
        make = _MAKERS.get(str(value.get(TYPE)))
        return make(value) if make else None
    if isinstance(value, str) and len(value) <= _LONGEST:
        if not is_no_schedule(value) and value not in {ONCE, _CONTINUOUS}:
            _check_cron(value)
        return None if is_no_schedule(value) else value
    if value is None or isinstance(value, list):
        return None
    message = f"{shortened(repr(value))} is not a schedule; write a cron expression in quotes, or null"
    raise ValueError(message)


def schedule_problem(written: object, timezone: str | int, start: datetime | None) -> str | None:
    """Say why a schedule that `parse_schedule` can read cannot be run; None if it can."""
    schedule = parse_schedule(written)
    if schedule is None or schedule == _CONTINUOUS:
        return f"{_SUPPORTED}, not {_kind(written)}"
    if start is None:
        return "it needs a `start_date`"
    try:
        advances = schedule == ONCE or _advances(schedule, timezone, start)
        halt = None if isinstance(schedule, str) else _halt(schedule, timezone, start)
    except MALFORMED:
        advances, halt = False, None
    if advances and halt is not None:
        return f"it does not lead to a later date from every day: not from {halt:%Y-%m-%d}"
    return None if advances else "it leads to no further date"


def serialized(schedule: Schedule) -> dict[str, Any]:
    """Return what `serialized_dag` has of a schedule: `schedule_interval`, and `timetable` if it is one."""
    match schedule:
        case TypedTimetable(path, fields, summary):
            return {"schedule_interval": summary, "timetable": {"__type": path, "__var": dict(fields)}}
        case timedelta():
            return {"schedule_interval": {"__type": "timedelta", "__var": _encoded(schedule)}}
        case relativedelta():
            return {"schedule_interval": {"__type": "relativedelta", "__var": _encoded(schedule)}}
    return {"schedule_interval": schedule}


def column(schedule: Schedule) -> str:
    """Return what `dag.schedule_interval` has of a schedule, as JSON."""
    match schedule:
        case TypedTimetable():
            return json.dumps(schedule.summary)
        case timedelta():
            parts = {"days": schedule.days, "seconds": schedule.seconds, "microseconds": schedule.microseconds}
            return json.dumps({"type": "timedelta", "attrs": parts})
        case relativedelta():
            return json.dumps({"type": "relativedelta", "attrs": _encoded(schedule)})
    return json.dumps(schedule)


def _advances(schedule: Schedule, timezone: str | int, start: datetime) -> bool:
    """Whether there are runs one after the other from `start` on. Raises one of MALFORMED.

    All that the scheduler does with it is tried here, in the process that reads DAG files: it can be killed, the
    scheduler cannot.
    """
    timetable = read({**serialized(schedule), "timezone": timezone})
    with suppress(*MALFORMED):
        # There may be no times before this one.
        timetable.next_run(None, Window(start, None, catchup=False), start)
    window = Window(start, None, catchup=True)
    run = timetable.next_run(None, window, start)
    return run is not None and timetable.following(run, window, start) is not None


def _halt(schedule: Schedule, timezone: str | int, start: datetime) -> datetime | None:
    """Return a day from `start` on from which it does not lead to a later date, None if it always does.

    It is a matter of how long months and years are, and these are the same after four years.
    """
    timetable = read({**serialized(schedule), "timezone": timezone})
    if not isinstance(timetable, DeltaIntervals | DeltaTriggers) or fixed_length(timetable.delta) is not None:
        return None
    with suppress(*MALFORMED):
        for day in range(_FOUR_YEARS):
            date = start.astimezone(UTC) + timedelta(days=day)
            if date + timetable.delta - date < _SHORTEST:
                return date
    return None


def _check_type(value: Mapping[str, object]) -> None:
    written = str(value.get("type", "datasets"))
    if written not in _OTHER_TYPES:
        known = sorted({"cron", "timedelta", *_OTHER_TYPES})
        message = f"its `type` is one of {', '.join(known)}, not {shortened(written)!r}{suggestion(written, known)}"
        raise ValueError(message)


def _check_cron(expression: str) -> None:
    """Raises ValueError for what Airflow refuses, too, since it reads expressions with the same library."""
    try:
        of_cron(expression, "UTC")
    except MALFORMED:
        presets = ", ".join((*PRESETS, ONCE))
        message = f"{shortened(expression)!r} is no cron expression, such as '30 6 * * 1-5', and none of {presets}"
        raise ValueError(message) from None


def _kind(written: object) -> str:
    if isinstance(written, Mapping) and TYPE in written:
        return shortened(str(written[TYPE]), 100)
    return shortened(written) if isinstance(written, str) else "data sets"


def _named(value: Mapping[str, object], *names: str) -> dict[str, Any]:
    """Return the arguments of a typed mapping by their names. Raises ValueError for others, or too many."""
    positional = value.get(ARGS, [])
    if isinstance(positional, list) and len(positional) <= len(names):
        given = dict(zip(names, positional, strict=False)) | {
            key: item for key, item in value.items() if key not in {TYPE, ARGS}
        }
        if given.keys() <= set(names):
            return given
    message = f"{shortened(str(value[TYPE]), 100)} takes {', '.join(names)} here"
    raise ValueError(message)


def _delta(value: object) -> Delta:
    kind = str(value.get(TYPE)) if isinstance(value, Mapping) else ""
    if kind in DURATIONS:
        return timedelta(seconds=parse_duration(value))
    if isinstance(value, Mapping) and kind == _RELATIVE:
        parts = {key: item for key, item in value.items() if key != TYPE}
        if parts.keys() <= set(_PARTS) and all(type(item) is int and abs(item) <= _MOST for item in parts.values()):
            try:
                return relativedelta(**parts)
            except MALFORMED:
                pass
        message = f"{shortened(str(dict(value)), 100)} is no relativedelta of whole numbers of {', '.join(_PARTS[:8])}"
        raise ValueError(message)
    message = f"{shortened(repr(value))} is no interval; write a typed `datetime.timedelta` or `{_RELATIVE}`"
    raise ValueError(message)


def _period(value: object) -> Delta:
    """Read how long it is from one run to the next. Raises ValueError if no scheduler keeps up with it."""
    delta = _delta(value)
    length = timedelta()
    with suppress(*MALFORMED):
        length = _ANY_DAY + delta - _ANY_DAY
    if timedelta() < length < _SHORTEST:
        message = "it is at least one second from one run to the next"
        raise ValueError(message)
    return delta


def _encoded(delta: Delta) -> float | dict[str, Any]:
    if isinstance(delta, timedelta):
        return delta.total_seconds()
    return {name: amount for name, amount in vars(delta).items() if not name.startswith("_") and amount}


def _zone_name(value: object) -> str:
    if isinstance(value, Mapping) and str(value.get(TYPE)) in _ZONES:
        value = _named(value, "name").get("name")
    zone(str(value))
    return str(value)


def _cron_fields(given: Mapping[str, Any]) -> dict[str, Any]:
    expression = given.get("cron")
    if not isinstance(expression, str) or len(expression) > _LONGEST or "timezone" not in given:
        message = "a timetable of a cron expression needs the texts `cron` and `timezone`"
        raise ValueError(message)
    _check_cron(expression)
    return {"expression": PRESETS.get(expression, expression), "timezone": _zone_name(given["timezone"])}


def _length(given: Mapping[str, Any]) -> float | dict[str, Any]:
    return _encoded(_delta(given["interval"])) if "interval" in given else 0.0


def _cron_intervals(value: Mapping[str, object]) -> TypedTimetable:
    fields = _cron_fields(_named(value, "cron", "timezone"))
    return TypedTimetable("airflow.timetables.interval.CronDataIntervalTimetable", fields, fields["expression"])


def _cron_triggers(value: Mapping[str, object]) -> TypedTimetable:
    given = _named(value, "cron", "timezone", "interval")
    fields = _cron_fields(given) | {"interval": _length(given)}
    return TypedTimetable("airflow.timetables.trigger.CronTriggerTimetable", fields, fields["expression"])


def _delta_triggers(value: Mapping[str, object]) -> TypedTimetable:
    given = _named(value, "delta", "interval")
    delta = _period(given.get("delta"))
    fields = {"delta": _encoded(delta), "interval": _length(given)}
    return TypedTimetable("airflow.timetables.trigger.DeltaTriggerTimetable", fields, str(delta))


_MAKERS: Mapping[str, Callable[[Mapping[str, object]], Schedule]] = {
    **dict.fromkeys((*DURATIONS, _RELATIVE), _period),
    "airflow.timetables.interval.CronDataIntervalTimetable": _cron_intervals,
    "airflow.timetables.interval.DeltaDataIntervalTimetable": lambda value: _period(
        _named(value, "delta").get("delta")
    ),
    "airflow.timetables.simple.OnceTimetable": lambda _value: ONCE,
    "airflow.timetables.trigger.CronTriggerTimetable": _cron_triggers,
    "airflow.timetables.trigger.DeltaTriggerTimetable": _delta_triggers,
}
