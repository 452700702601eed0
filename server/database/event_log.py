"""The last events of a process, in their order: streams read from it, each at its own place.

Memory is bounded by number and size. Who falls behind what is kept has lost events, and is told so.
"""

import asyncio
import secrets
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

_MOST = 10_000
_MOST_BYTES = 2**23
# The oldest are dropped by the thousand, because a list gives up its beginning slowly.
_DROPPED = 1000
# A number and, before it, random bytes are one block of the cipher.
_HALF = 8


class Event(NamedTuple):
    """Something that has happened to a run or to one of its tasks.

    `root_dag_id` is the DAG whose permissions count. `fields` are what its reader gets.
    """

    kind: str
    dag_id: str = ""
    run_id: str = ""
    root_dag_id: str = ""
    fields: tuple[tuple[str, str | int | None], ...] = ()

    def is_about(self, dag_ids: AbstractSet[str], run_ids: AbstractSet[str]) -> bool:
        """Whether it is about one of these DAGs, and about one of these runs; an empty set means all."""
        if self.kind == GAP:
            return True
        return (not dag_ids or self.dag_id in dag_ids) and (not run_ids or self.run_id in run_ids)


RUN_CREATED, RUN_CHANGED, RUN_ENDED, RUN_DELETED = "run_created", "run_changed", "run_ended", "run_deleted"
TASK_CHANGED = "task_changed"
GAP = "gap"
"""Events may be missing here, for everybody."""


class EventLog:
    """Numbers events, from 1 on, and keeps the last ones.

    An id is an encrypted number, which only its own log can read. So nobody learns from ids how many events there are
    that they may not read, nor from the id of a place whether it is another place than before.
    """

    def __init__(self) -> None:
        cipher = Cipher(AES(secrets.token_bytes(16)), ECB())  # noqa: S305 - each block is encrypted on its own
        self._encrypt, self._decrypt = cipher.encryptor().update, cipher.decryptor().update
        self._events: list[tuple[str, Event]] = []
        self._size = 0
        self._dropped = 0

    @property
    def end(self) -> int:
        """The number of the last event; 0 if there was none."""
        return self._dropped + len(self._events)

    def id_of(self, number: int) -> str:
        """Return an id of an event by its number; each time it is another one."""
        return self._encrypt(secrets.token_bytes(_HALF) + number.to_bytes(_HALF)).hex()

    def number_of(self, event_id: str) -> int | None:
        """Return the number of the event with that id; None if it is unknown, or if later events are lost."""
        try:
            block = bytes.fromhex(event_id)
        except ValueError:
            return None
        if len(block) != 2 * _HALF:
            return None
        number = int.from_bytes(self._decrypt(block)[_HALF:])
        return number if self._dropped <= number <= self.end else None

    def add(self, event: Event) -> None:
        """Append an event."""
        self._events.append((self.id_of(self.end + 1), event))
        self._size += _size(event)
        while len(self._events) > _MOST or self._size > _MOST_BYTES:
            dropped = self._events[:_DROPPED]
            del self._events[:_DROPPED]
            self._dropped += len(dropped)
            self._size -= sum(_size(event) for _, event in dropped)

    def after(self, number: int) -> list[tuple[str, Event]] | None:
        """Return the events after the one with that number, with their ids; None if some of them are lost."""
        return None if number < self._dropped else self._events[number - self._dropped :]


def _size(event: Event) -> int:
    return 300 + sum(len(value) for _, value in event.fields if isinstance(value, str))


class Follower:
    """Somebody who follows events: where they are in the log, and whether they have missed any."""

    def __init__(self, log: EventLog, last_id: str | None) -> None:
        """Begin after the event with `last_id`; without it, or if events after it are lost, at the end."""
        number = None if last_id is None else log.number_of(last_id)
        self.missed = last_id is not None and number is None
        self._log = log
        self._number = log.end if number is None else number
        self.news = asyncio.Event()
        self.stopped = False

    @property
    def last_id(self) -> str:
        """An id of the last event that it has got, or could have got."""
        return self._log.id_of(self._number)

    def take(self) -> list[tuple[str, Event]] | None:
        """Return the events that are new, with their ids; None if some are lost."""
        events = self._log.after(self._number)
        if events is not None:
            self._number += len(events)
        return events

    def move_to_end(self) -> None:
        """Go on with the next event."""
        self._number = self._log.end

    async def wait(self, seconds: float) -> None:
        """Wait for news, at most so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.news.wait()
        self.news.clear()
