"""Events of runs and tasks, as a stream."""

import logging
import random
import time

from aiohttp import hdrs, web

from server import wire
from server.api.callers import Caller
from server.api.needs import INSTANCE_READ, RUN_READ
from server.api.resources import OPERATIONS
from server.auth.permissions import Permissions
from server.database.event_log import GAP, TASK_CHANGED, Event, Follower
from server.errors import Unavailable
from server.http.answers import streamed
from server.http.keys import CONFIG
from server.wire.events import COMMENT, event_text, place_text

logger = logging.getLogger(__name__)

_HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
# In seconds, at most. Proxies end connections on which nothing comes for a minute, some after half a minute.
_SILENCE = 15.0
# Then the client comes again, with credentials that are checked anew.
_LONGEST = 3600.0
# While nobody can tell what the caller may read.
_AGAIN = 1.0
# In bytes. So much is written before the client must read.
_PORTION = 2**16
_RETRY = b"retry: 1000\n"
_MISSED = "Events may be missing before this one: read the states of the runs that you wait for"
_ENDS = {
    "stopping": "The server stops or is being reloaded: come again",
    "too_slow": "The stream was read too slowly, and events were lost: come again",
    "unauthorized": "The credentials or the session do not count any more",
    "permission_missing": "The permission to read runs was taken away",
    "renew": "The stream has lasted for an hour: come again",
}


async def events(request: web.Request) -> web.StreamResponse:
    """`GET /events`."""
    query = wire.parse_events_query(request.query.items(), request.headers.get("Last-Event-ID"))
    response = streamed(request, _HEADERS)
    if request.method == hdrs.METH_HEAD:
        await response.prepare(request)
        return response
    caller = await Caller.of(request)
    async with request.app[OPERATIONS].follow_events(query.last_id) as follower:
        await response.prepare(request)
        stream = _Stream(request, response, follower, _Filter(query))
        await stream.begin()
        reason = await stream.run(caller)
        logger.debug("a stream of events ends", extra={"reason": reason})
        await stream.end(reason)
    return response


class _Filter:
    """The events that a caller has asked for, and may read."""

    def __init__(self, query: wire.EventsQuery) -> None:
        self._query = query
        self._permissions: Permissions | None = None

    def allow(self, permissions: Permissions) -> None:
        """Let through what these permissions allow."""
        if permissions is not self._permissions:
            self._permissions = permissions
            self._runs, self._instances = permissions.readable(RUN_READ), permissions.readable(INSTANCE_READ)

    def admits(self, event: Event) -> bool:
        """Whether the caller gets the event."""
        if not event.is_about(self._query.dag_ids, self._query.run_ids):
            return False
        readable = self._instances if event.kind == TASK_CHANGED else self._runs
        return event.kind == GAP or readable is None or readable.matches(event.root_dag_id)


class _Stream:
    """Writes the events of one follower."""

    def __init__(
        self, request: web.Request, response: web.StreamResponse, follower: Follower, admitted: _Filter
    ) -> None:
        self._request, self._response, self._follower, self._filter = request, response, follower, admitted
        self._until = time.monotonic() + _LONGEST
        self._written = time.monotonic()
        # Thousands may have begun at once, after a restart; they do not go on at once too.
        spread = random.uniform(0.5, 1)  # noqa: S311 - not a secret
        self._silence = _SILENCE * spread
        # A role that is taken away is noticed as soon as it is known to be.
        self._pause = min(self._silence, max(1.0, request.app[CONFIG].user_check_seconds * spread))

    async def begin(self) -> None:
        """Say where the stream begins, and whether something is missing before."""
        missed = [("message", _MISSED)] if self._follower.missed else None
        place = self._follower.last_id
        await self._write(_RETRY + (event_text(GAP, tuple(missed), place) if missed else place_text(place)))

    async def run(self, caller: Caller) -> str:
        """Write events until there is a reason to end."""
        while True:
            try:
                if (reason := await self._step(caller)) is not None:
                    return reason
                # The next comment comes at the same moment whatever happens that the caller may not read.
                pause = min(self._pause, self._written + self._silence - time.monotonic())
            except Unavailable:
                # The events stay where they are until it is known again what the caller may read.
                pause = _AGAIN
            await self._follower.wait(pause)
            if self._request.transport is None:
                raise ConnectionResetError("the client has gone")

    async def end(self, reason: str) -> None:
        """Say why the stream ends."""
        await self._write(event_text("end", (("message", _ENDS[reason]), ("reason", reason))))

    async def _step(self, caller: Caller) -> str | None:
        """Write what is new; return why the stream must end, if it must."""
        if self._follower.stopped:
            return "stopping"
        permissions = await caller.permissions()
        if permissions is None:
            return "unauthorized"
        if permissions.missing(RUN_READ) is not None:
            return "permission_missing"
        self._filter.allow(permissions)
        taken = self._follower.take()
        if taken is None:
            return "too_slow"
        await self._write_all([(event_id, event) for event_id, event in taken if self._filter.admits(event)])
        if time.monotonic() - self._written >= self._silence:
            # So that a stream in which little happens does not fall behind.
            await self._write(COMMENT + place_text(self._follower.last_id))
        return "renew" if time.monotonic() >= self._until else None

    async def _write_all(self, taken: list[tuple[str, Event]]) -> None:
        portion = b""
        for event_id, event in taken:
            fields = (("message", _MISSED),) if event.kind == GAP else event.fields
            portion += event_text(event.kind, fields, event_id)
            if len(portion) >= _PORTION:
                await self._write(portion)
                portion = b""
        if portion:
            await self._write(portion)

    async def _write(self, data: bytes) -> None:
        """Write, and wait until the client has read most of it; raises ConnectionError if it does not."""
        await self._response.write(data)
        self._written = time.monotonic()
