"""Events, straight from the database, as the messages of a stream."""

from collections.abc import Sequence
from contextlib import AsyncExitStack

from server import wire
from server.database.event_log import GAP, Follower
from server.operations import Operations
from server.wire.events import event_data
from windsock.client.events import MISSED, Message

# In seconds. A program that waits for an event can be interrupted between two of these.
_PAUSE = 5.0


class LocalEvents:
    """A stream of events that somebody has begun."""

    def __init__(self, query: wire.EventsQuery, resources: AsyncExitStack, follower: Follower) -> None:
        self._query, self._resources, self._follower = query, resources, follower
        self._missed = follower.missed

    async def next(self) -> Sequence[Message]:
        """Return what is new; after a while also nothing."""
        place = Message("", "", self._follower.last_id)
        if self._missed:
            self._missed = False
            return [Message(GAP, MISSED, place.last_id)]
        taken = self._follower.take()
        if taken is None:
            self._follower.move_to_end()
            return [Message(GAP, MISSED, self._follower.last_id)]
        if not taken:
            await self._follower.wait(_PAUSE)
        return [
            Message(event.kind, MISSED if event.kind == GAP else event_data(event.fields).decode(), event_id)
            for event_id, event in taken
            if event.is_about(self._query.dag_ids, self._query.run_ids)
        ] or [place]

    async def close(self) -> None:
        """End the stream."""
        await self._resources.aclose()


async def begin_events(operations: Operations, query: wire.EventsQuery, last_id: str | None) -> LocalEvents:
    """Begin a stream after the event with that id; raises Unavailable."""
    resources = AsyncExitStack()
    follower = await resources.enter_async_context(operations.follow_events(last_id))
    return LocalEvents(query, resources, follower)
