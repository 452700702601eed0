"""Reads what others wrote into the database: in this process if that is certainly cheap, or else in a decoder process.

If a bound is exceeded, the answer is a 409 or 503, and it is remembered for a minute: a row that once took all of its
time is not read again until it has changed.
"""

import hashlib
import time
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from server.caching.bounded import BoundedMap
from server.database import decoding, params
from server.database.decoding import ConfCheck, DagRow, Malformed, Moment, Plans, Prepared
from server.database.encoding import MALFORMED
from server.database.next_runs import Planned, Position, Question
from server.database.prepared import PreparedDag
from server.database.serialized import inflate
from server.database.timetables import Interval, Window
from server.errors import BadConf, BadRequest, Conflict, Unavailable, WindsockError
from server.process.offload import Busy, OffloadError, WorkerPool
from server.wire.confs import ConfAsJson, conf_of_json, conf_of_pickle
from server.wire.pickles import CHEAP_SIZE, is_cheap, show_pickle
from windsock.protocol import Code

_WORKERS = 2
_SECONDS = 2.0
_MEMORY = 2**30
# For a row of `serialized_dag`; all other work has less time.
_SECONDS_OF_A_DAG = 10.0
# Work waits for its turn as long as the longest piece before it may take, and then a little.
_PATIENCE = 12.0
# Up to this many bytes, this process reads a row itself, within milliseconds.
_SMALL_DOCUMENT = 2**14
_REMEMBERED = 256
_MINUTE = 60


class Decoder:
    """The decoder processes for work that may be expensive, and the failures of such work."""

    def __init__(self, *, cron_intervals: bool, small: int = _SMALL_DOCUMENT) -> None:
        """`cron_intervals` is for `timetable_reader.read`. This process itself reads rows of up to `small` bytes."""
        self._small = small
        self._cron_intervals = cron_intervals
        self._workers = WorkerPool(
            decoding.__name__,
            count=_WORKERS,
            per_share=1,
            seconds=_SECONDS,
            memory=_MEMORY,
            waiting=256,
            patience=_PATIENCE,
        )
        self._failures = _Failures()

    async def close(self) -> None:
        """End the decoder processes."""
        await self._workers.close()

    async def dag(self, dag_id: str, version: str, data: str | None, compressed: bytes | None) -> Prepared:
        """Read a row of `serialized_dag`: the DAG first, then its sub-DAGs; nothing if it has none.

        `data` is the JSON, `compressed` its zlib form; both are None if they are too large to be read at all.
        Raises Conflict for a row that is not as Airflow writes it, and Unavailable for one that takes too much.
        """
        stored = data.encode() if isinstance(data, str) else compressed
        if not isinstance(stored, bytes):
            raise _malformed(dag_id, f"it is of more than {decoding.MAX_DOCUMENT} bytes")
        asked = DagRow(dag_id, self._cron_intervals, compressed=data is None)
        if _is_small(stored, self._small, compressed=asked.compressed):
            read = decoding.read_dag(asked, stored)
        else:
            request = msgspec.json.encode(asked) + b"\n" + stored
            answer = await self._work("dag", dag_id, version, request, seconds=_SECONDS_OF_A_DAG)
            read = msgspec.msgpack.decode(answer, type=Prepared | Malformed)
        if isinstance(read, Malformed):
            raise _malformed(dag_id, read.reason)
        return read

    async def refusal(self, dag: PreparedDag, version: str, conf: Mapping[str, object] | None) -> WindsockError | None:
        """Return why no run can have this conf: BadRequest for a param, Unavailable if the check takes too much."""
        cheap = dag.cheap_params
        if cheap == ():
            return None
        try:
            if cheap is not None and params.is_small(conf):
                params.check(cheap, conf)
                return None
            request = msgspec.json.encode(ConfCheck(msgspec.Raw(dag.params), None if conf is None else dict(conf)))
            message = await self._work("conf", dag.dag_id, version, request)
        except (BadRequest, Unavailable) as error:
            return error
        return BadConf(message.decode()) if message else None

    async def interval(
        self, dag: PreparedDag, version: str, date: datetime, *, by_schedule: bool = False
    ) -> Interval | WindsockError:
        """Return the data interval of a run at that date, or why there is none: BadRequest, Unavailable.

        The run is one that is triggered, or the schedule's own.
        """
        try:
            if dag.is_schedule_cheap:
                return dag.interval(date, by_schedule=by_schedule)
            moment = Moment(msgspec.Raw(dag.schedule), dag.cron_intervals, date.astimezone(UTC), by_schedule)
            answer = await self._work("interval", dag.dag_id, version, msgspec.json.encode(moment))
        except Unavailable as error:
            return error
        except MALFORMED as error:
            return _no_interval(dag.dag_id, date, str(error))
        read = msgspec.json.decode(answer, type=Interval | Malformed)
        return _no_interval(dag.dag_id, date, read.reason) if isinstance(read, Malformed) else read

    async def planned(
        self, dag: PreparedDag, version: str, window: Window, position: Position, asked: Question
    ) -> Planned | Malformed:
        """Return runs of its schedule, or why there are none; raises Unavailable if that takes too much."""
        plans = Plans(msgspec.Raw(dag.schedule), dag.cron_intervals, window, position, asked)
        # Whatever the time is: what took too long is not tried again with each request.
        lasting = msgspec.json.encode((plans.schedule, window, position.next, position.last, asked))
        answer = await self._work("planned", dag.dag_id, version, msgspec.json.encode(plans), lasting=lasting)
        return msgspec.json.decode(answer, type=Planned | Malformed)

    async def shown(self, dag_id: str, data: bytes) -> str:
        """Return what `str()` shows for a pickled value, or in brackets why it is not read; raises Unavailable."""
        if len(data) <= CHEAP_SIZE and (text := _shown_here(data)) is not None:
            return text
        try:
            return (await self._work("pickle", dag_id, "", data)).decode()
        except _TooMuch as error:
            return f"(a pickle that is not read: {error.reason})"

    async def log_names(self, dag_id: str, request: bytes) -> "list[tuple[int, str]] | Malformed":
        """Return what the templates of a task's log make of `LogFacts`: pairs of try and name; raises Unavailable."""
        answer = await self._work("log_names", dag_id, "", request)
        return msgspec.json.decode(answer, type=list[tuple[int, str]] | Malformed)

    async def conf(self, dag_id: str, data: bytes, *, is_pickle: bool) -> ConfAsJson:
        """Return the conf of a run as JSON, or why there is none; `is_pickle` or JSON. Raises Unavailable."""
        if is_pickle and is_cheap(data):
            return conf_of_pickle(data)
        if not is_pickle and len(data) <= _SMALL_DOCUMENT:
            return conf_of_json(data)
        try:
            answer = await self._work("pickled_conf" if is_pickle else "json_conf", dag_id, "", data)
        except _TooMuch as error:
            return ConfAsJson(error=error.reason)
        return msgspec.json.decode(answer, type=ConfAsJson)

    async def _work(
        self,
        function: str,
        dag_id: str,
        version: str,
        request: bytes,
        *,
        seconds: float | None = None,
        lasting: bytes | None = None,
    ) -> bytes:
        """Have it done in a decoder process. `lasting` is the part of the request by which a failure is remembered."""
        part = b"" if seconds else hashlib.blake2b(lasting or request, digest_size=16).digest()
        key = function, dag_id, version, part

        def check() -> None:
            if reason := self._failures.get(key):
                raise _TooMuch(dag_id, function, reason)

        check()
        try:
            # While it waits, the same work may fail for somebody else.
            return await self._workers.call(function, request, share=dag_id, seconds=seconds, check=check)
        except Busy as error:
            raise Unavailable(f"Dag {dag_id}: {error}; try again shortly", code=Code.OVERLOADED) from error
        except OffloadError as error:
            self._failures.add(key, str(error))
            raise _TooMuch(dag_id, function, str(error)) from error


def _is_small(stored: bytes, limit: int, *, compressed: bool) -> bool:
    if len(stored) > limit:
        return False
    try:
        return not compressed or inflate(stored, limit) is not None
    except zlib.error:
        # Reading it fails quickly.
        return True


class _TooMuch(Unavailable):
    """Work that exceeded its bounds, now or a moment ago."""

    def __init__(self, dag_id: str, function: str, reason: str) -> None:
        super().__init__(f"Dag {dag_id}: {_WORDS[function]}: {reason}", _MINUTE, code=Code.OVERLOADED)
        self.reason = reason


_WORDS = {
    "dag": "its row in serialized_dag cannot be read",
    "conf": "conf cannot be checked against its params",
    "interval": "its timetable gives no data interval",
    "log_names": "the name of a task's log cannot be rendered",
    "pickle": "executor_config cannot be read",
    "planned": "the runs of its schedule cannot be found",
    "pickled_conf": "the conf of a run cannot be read",
    "json_conf": "the conf of a run cannot be read",
}


class _Failures:
    """The latest failures of work that exceeded its bounds in the last minute."""

    def __init__(self) -> None:
        self._reasons: BoundedMap[tuple[object, ...], tuple[float, str]] = BoundedMap(_REMEMBERED)

    def get(self, key: tuple[object, ...]) -> str | None:
        until, reason = self._reasons.get(key) or (0.0, "")
        return reason if time.monotonic() < until else None

    def add(self, key: tuple[object, ...], reason: str) -> None:
        self._reasons.put(key, (time.monotonic() + _MINUTE, reason))


def _malformed(dag_id: str, reason: str) -> Conflict:
    message = f"Dag {dag_id} cannot be read: its row in serialized_dag is not as Airflow writes it: {reason}"
    return Conflict(message, Code.DAG_NOT_READABLE)


def _no_interval(dag_id: str, date: datetime, reason: str) -> BadRequest:
    message = f"Dag {dag_id} has no data interval for execution date {date.isoformat()}: {reason}"
    return BadRequest(message, code=Code.DATE_NOT_ALLOWED)


# Nearly every task instance has the same value: an empty one.
@lru_cache(maxsize=64)
def _shown_here(data: bytes) -> str | None:
    """Return what `str()` shows for a pickled value; None if that may be expensive."""
    return show_pickle(data) if is_cheap(data) else None
