"""What the decoder processes do with what others wrote; `decoder` calls it. Requests and answers are JSON."""

import zlib
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from server.database import params, timetable_reader
from server.database.encoding import MALFORMED
from server.database.log_templates import LOG_NAME_ERRORS, LogFacts, render_log_name
from server.database.next_runs import Position, Question, planned_runs
from server.database.prepared import PreparedDag, prepare
from server.database.serialized import inflate, parse
from server.database.timetables import Timetable, Window, interval_of
from server.errors import BadRequest
from server.wire.confs import conf_of_json, conf_of_pickle
from server.wire.pickles import show_pickle

# What `prepare` returns for a row.
Prepared = list[PreparedDag]
MAX_DOCUMENT = 2**25
"""The longest JSON of a serialized DAG, in bytes."""


class DagRow(msgspec.Struct, array_like=True):
    """What is needed of a row of `serialized_dag` besides its data."""

    dag_id: str
    cron_intervals: bool
    compressed: bool


class ConfCheck(msgspec.Struct, array_like=True):
    """The params of a DAG as they are serialized, and the conf of a run."""

    params: Any
    conf: dict[str, Any] | None


class Moment(msgspec.Struct, array_like=True):
    """The schedule of a DAG as it is serialized, and the date of a run that is triggered or `by_schedule`."""

    schedule: msgspec.Raw
    cron_intervals: bool
    date: datetime
    by_schedule: bool


class Plans(msgspec.Struct, array_like=True):
    """The schedule of a DAG as it is serialized, with its bounds and its position, and which runs somebody wants."""

    schedule: msgspec.Raw
    cron_intervals: bool
    window: Window
    position: Position
    asked: Question


class Malformed(msgspec.Struct):
    """Why something cannot be read."""

    reason: str


def read_dag(row: DagRow, data: bytes) -> Prepared | Malformed:
    """Read a row of `serialized_dag`: the DAG first, then its sub-DAGs; nothing if it has none."""
    try:
        document = inflate(data, MAX_DOCUMENT) if row.compressed else data
        if document is None:
            return Malformed(f"it is of more than {MAX_DOCUMENT} bytes")
        dag = parse(row.dag_id, document, cron_intervals=row.cron_intervals)
        return prepare(dag) if dag is not None else []
    except (*MALFORMED, msgspec.MsgspecError, zlib.error) as error:
        return Malformed(f"{type(error).__name__}: {error}"[:200])


def _dag(request: bytes) -> bytes:
    head, _, data = request.partition(b"\n")
    return msgspec.msgpack.encode(read_dag(msgspec.json.decode(head, type=DagRow), data))


def _conf(request: bytes) -> bytes:
    """Return why the params refuse a conf; nothing if they accept it."""
    asked = msgspec.json.decode(request, type=ConfCheck)
    try:
        params.check(params.read(asked.params), asked.conf)
    except BadRequest as refusal:
        return refusal.message.encode(errors="replace")
    except MALFORMED as error:
        return f"the params of the DAG are broken: {type(error).__name__}".encode()
    return b""


def _interval(request: bytes) -> bytes:
    asked = msgspec.json.decode(request, type=Moment)
    try:
        timetable = _timetable(bytes(asked.schedule), asked.cron_intervals)
        return msgspec.json.encode(interval_of(timetable, asked.date, by_schedule=asked.by_schedule))
    except MALFORMED as error:
        return msgspec.json.encode(Malformed(str(error)[:200]))


def _planned(request: bytes) -> bytes:
    plans = msgspec.json.decode(request, type=Plans)
    try:
        timetable = _timetable(bytes(plans.schedule), plans.cron_intervals)
        return msgspec.json.encode(planned_runs(timetable, plans.window, plans.position, plans.asked))
    except MALFORMED as error:
        return msgspec.json.encode(Malformed(str(error)[:200]))


@lru_cache(maxsize=64)
def _timetable(schedule: bytes, cron_intervals: bool) -> Timetable:  # noqa: FBT001 - private
    return timetable_reader.read(msgspec.json.decode(schedule), cron_intervals=cron_intervals)


def _log_names(request: bytes) -> bytes:
    """Return pairs of try and name, for each try and template; or why a template makes none."""
    facts = msgspec.json.decode(request, type=LogFacts)
    try:
        names = [(number, render_log_name(facts, text, number)) for number in facts.tries for text in facts.templates]
    except LOG_NAME_ERRORS as error:
        return msgspec.json.encode(Malformed(f"{type(error).__name__}: {error}"[:200]))
    return msgspec.json.encode(names)


FUNCTIONS: dict[str, Callable[[bytes], bytes]] = {
    "dag": _dag,
    "conf": _conf,
    "interval": _interval,
    "log_names": _log_names,
    "planned": _planned,
    "pickled_conf": lambda data: msgspec.json.encode(conf_of_pickle(data)),
    "json_conf": lambda data: msgspec.json.encode(conf_of_json(data)),
    "pickle": lambda data: show_pickle(data).encode(),
}
