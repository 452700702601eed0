"""Logs of tasks: of those that Windsock runs, and of an Airflow's if they are on this machine."""

import asyncio
from email.utils import formatdate

from aiohttp import payload, web
from aiohttp.abc import AbstractStreamWriter

from server import wire
from server.api.needs import shows_totals
from server.api.resources import OPERATIONS
from server.errors import BadRequest, RangeNotSatisfiable
from server.http.answers import SERVER
from server.task_logs.reading import LogFile
from server.wire.ranges import parse_range

_PORTION = 2**18
# Of a file's time, which its owner chooses, what a date can say: up to the end of the year 9999.
_LAST_SECOND = 253_402_300_799


async def task_log(request: web.Request) -> web.StreamResponse:
    """`GET /dags/<dag_id>/dag_runs/<execution_date>/tasks/<task_id>/logs`, by default of the last try."""
    operations, named = request.app[OPERATIONS], request.match_info
    instance = operations.instance(named["dag_id"], named["execution_date"], named["task_id"])
    query = wire.parse_log_query(request.query.items())
    log = await operations.task_log(instance, query.try_number, query.map_index, shows_totals=shows_totals(request))
    try:
        return _answer(request, log, query.tail)
    except RangeNotSatisfiable as error:
        log.close()
        error.headers = {**error.headers, "X-Try-Number": str(log.try_number)}
        raise
    except BaseException:
        log.close()
        raise


def _answer(request: web.Request, log: LogFile, tail: int | None) -> web.Response:
    seconds = max(0, min(log.modified // 10**9, _LAST_SECOND))
    tag = f"{log.modified:x}-{log.size:x}"
    headers = {
        "Content-Type": "text/plain; charset=utf-8",
        "X-Content-Type-Options": "nosniff",
        # It grows, and not everybody may read it: caches ask each time, or do not keep it (RFC 9111, 5.2.2.4).
        "Cache-Control": "private, no-cache",
        "X-Try-Number": str(log.try_number),
        "Accept-Ranges": "bytes",
        "ETag": f'"{tag}"',
        "Last-Modified": formatdate(seconds, usegmt=True),
        "Server": SERVER,
    }
    if _is_known(request, tag, seconds):
        log.close()
        return web.Response(status=304, headers=headers)
    part = _part(request, log, tag, seconds)
    if tail is not None:
        if part is not None:
            raise BadRequest("Expected either `tail` or the header `Range`, not both")
        start, end = max(0, log.size - tail), log.size
        headers["X-Log-Offset"] = str(start)
        return web.Response(body=_Part(log, start, end), headers=headers)
    if part is None:
        return web.Response(body=_Part(log, 0, log.size), headers=headers)
    headers["Content-Range"] = f"bytes {part[0]}-{part[1] - 1}/{log.size}"
    return web.Response(status=206, body=_Part(log, *part), headers=headers)


def _is_known(request: web.Request, tag: str, seconds: int) -> bool:
    """Whether the client has the log already (RFC 9110, 13.1)."""
    tags = request.if_none_match
    if tags is not None:
        return any(each.value in {tag, "*"} for each in tags)
    since = request.if_modified_since
    return since is not None and seconds <= since.timestamp()


def _part(request: web.Request, log: LogFile, tag: str, seconds: int) -> tuple[int, int] | None:
    """Return the requested part of the log (RFC 9110, 13.1.5 and 14.2), None for all. Raises RangeNotSatisfiable."""
    if request.method != "GET":
        return None
    condition = request.headers.get("If-Range")
    if condition is not None and condition.strip() not in {f'"{tag}"', formatdate(seconds, usegmt=True)}:
        return None
    return parse_range(request.headers.get("Range"), log.size)


class _Part(payload.Payload):
    """A part of a log, read while it is sent: only a portion of it is in memory."""

    def __init__(self, log: LogFile, start: int, end: int) -> None:
        super().__init__(log, content_type="text/plain; charset=utf-8")
        self._log = log
        self._start = start
        self._end = end

    @property
    def size(self) -> int:
        """The number of bytes in it."""
        return self._end - self._start

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return its text; for small parts only."""
        raise NotImplementedError

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send it; if the log has become shorter, raises ConnectionResetError: only a broken connection can say so."""
        try:
            at = self._start
            while at < self._end:
                data = await asyncio.to_thread(self._log.read, at, min(_PORTION, self._end - at))
                if not data:
                    raise ConnectionResetError("the log was cut short while it was sent")
                await writer.write(data)
                at += len(data)
        finally:
            self._log.close()
