"""Looks for runs that have ended, and tells the receiver of each: in their order as long as it accepts them."""

import asyncio
import logging
import time
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import asyncpg
import msgspec

from server import wire
from server.database.connections import SESSION_ERRORS
from server.database.run_changes import TooManyNewError
from server.database.run_ends import Place, RunEnd
from server.errors import WindsockError
from server.metrics.counters import COUNTERS
from server.process.cancellation import pause
from server.process.loop import first_to_end
from server.webhooks.journal import GIVE_UP, OVERLAP, Journal, Waiting
from server.webhooks.lease import Lease, lease
from server.webhooks.receiver import Receiver, receiver_of
from server.webhooks.stores import Store, choose_store
from windsock.protocol import ENDED

if TYPE_CHECKING:
    from server.database.metadata import Metadata
    from server.wire.shapes import RunDetails
    from windsock.config import Config

logger = logging.getLogger(__name__)

_AT_ONCE = 8
_PAGE = 1000
# A scan of an Airflow's table takes at most a hundredth of the time.
_BETWEEN_SCANS, _SHARE = 600.0, 100
_SAVE_PAUSE = 1.0
_AFTER_ERROR = 5.0
_ERRORS = (WindsockError, *SESSION_ERRORS)


class Teller:
    """Tells `[windsock] on_run_end_url` of the ends of runs, whenever this process is the one that does it."""

    def __init__(self, metadata: "Metadata", config: "Config") -> None:
        """Tell of the runs of `metadata`. Raises StartupError if what was told cannot be noted."""
        self._metadata, self._config = metadata, config
        self._store: Store = choose_store(metadata.run_ends, config.on_run_end_state, standalone=metadata.standalone)
        self._journal: Journal | None = None
        self._begun: datetime | None = None
        self._next_scan = 0.0
        self._fails = False

    @property
    def waiting(self) -> int:
        """How many runs wait here to be told."""
        return 0 if self._journal is None else len(self._journal)

    async def run(self) -> None:
        """Do it until cancelled; nothing that goes wrong ends it."""
        async with receiver_of(self._config) as receiver:
            while True:
                try:
                    self._begun = self._begun or await self._metadata.run_ends.now()
                    async with lease(self._config) as held:
                        await self._lead(held, receiver)
                except _ERRORS as error:
                    self._note(error)
                except Exception:
                    # A mistake in here must not be in the way of those who call the API.
                    logger.exception("telling of the ends of runs has failed; it begins again")
                await pause(_AFTER_ERROR)

    async def _lead(self, held: Lease, receiver: Receiver) -> None:
        """Tell of ends for as long as the lease is held."""
        self._journal = journal = await self._begin()
        self._next_scan, self._fails = 0.0, False
        tellers = [partial(self._keep_telling, journal, receiver)] * _AT_ONCE
        try:
            await first_to_end(
                partial(self._keep_looking, journal), partial(self._keep_saving, journal, held), *tellers
            )
        except asyncio.CancelledError:
            # The process ends, and waits no longer than this.
            with suppress(TimeoutError):
                async with asyncio.timeout(_SAVE_PAUSE):
                    await self._save(journal)
            raise
        finally:
            self._journal = None

    async def _begin(self) -> Journal:
        """Read what has been told so far."""
        now, text = await self._metadata.run_ends.now(), await self._store.load()
        journal = Journal(self._begun or now)
        if text is None:
            logger.info("nothing is noted of the ends of runs; those from now on are told")
        else:
            try:
                journal = Journal.read(text)
            except msgspec.MsgspecError:
                logger.warning("the note of which ends of runs were told cannot be read; those from now on are told")
        if journal.since < now - GIVE_UP:
            journal.advance(now - GIVE_UP)
        return journal

    async def _keep_looking(self, journal: Journal) -> None:
        while True:
            try:
                await self._look(journal)
            except TooManyNewError:
                self._next_scan = 0.0
            except (WindsockError, asyncpg.PostgresError) as error:
                logger.debug("the ends of runs cannot be read", extra={"reason": type(error).__name__})
            await pause(self._config.watch_interval)

    async def _look(self, journal: Journal) -> None:
        if time.monotonic() >= self._next_scan:
            if not journal.is_full:
                await self._scan(journal)
            return
        ends = await self._metadata.run_ends.noticed()
        if journal.add(ends) < len(ends):
            self._next_scan = 0.0
        journal.advance(journal.since)

    async def _scan(self, journal: Journal) -> None:
        """Read all ends since the last scan; if there is no room for all of them, the next look reads on."""
        run_ends, began = self._metadata.run_ends, time.monotonic()
        if not self._metadata.standalone:
            await run_ends.watch()
        now = await run_ends.now()
        read = now - OVERLAP
        # It is later than now if somebody has set back the clock.
        start = journal.since if journal.since <= now else read
        place = Place(start)
        while page := await run_ends.after(place, now + OVERLAP, _PAGE):
            taken = journal.add(page)
            if taken:
                place = Place(page[taken - 1].ended or place.ended, page[taken - 1].number)
            if taken < len(page):
                journal.advance(max(start, min(place.ended, read)))
                return
        journal.advance(max(start, read))
        if not self._metadata.standalone:
            ended = time.monotonic()
            self._next_scan = ended + max(_BETWEEN_SCANS, _SHARE * (ended - began))

    async def _keep_saving(self, journal: Journal, held: Lease) -> None:
        while True:
            if journal.changed:
                await self._save(journal)
            await held.keep()
            await pause(_SAVE_PAUSE)

    async def _save(self, journal: Journal) -> None:
        """Note what was told; if that fails, the next try notes it."""
        try:
            await self._store.save(journal.written())
            self._fails = False
        except _ERRORS as error:
            journal.changed = True
            self._note(error)

    async def _keep_telling(self, journal: Journal, receiver: Receiver) -> None:
        while True:
            one = await journal.next()
            try:
                details = await self._metadata.details.known_run(one.dag_id, one.run_id)
            except _ERRORS as error:
                logger.debug("a run that has ended cannot be read", extra={"reason": type(error).__name__})
                self._try_later(journal, one, _AFTER_ERROR)
                await pause(0)
                continue
            if details is None:
                COUNTERS.run_ends["deleted"] += 1
                journal.settle(one)
            else:
                await self._tell(journal, one, details, receiver)

    async def _tell(self, journal: Journal, one: Waiting, details: "RunDetails", receiver: Receiver) -> None:
        end = RunEnd(details.id, one.dag_id, one.run_id, details.state or "", details.end_date)
        if end.state not in ENDED or journal.was_told(end):
            # A run that was cleared is told when it ends again.
            journal.settle(one)
            return
        answer = await receiver.send(end.id, wire.ascii_json(wire.encode(details)))
        if answer.accepted:
            COUNTERS.run_ends["told"] += 1
            journal.settle(one, end)
            return
        COUNTERS.run_ends["failed"] += 1
        one.attempts += 1
        self._try_later(journal, one, max(one.pause(), answer.retry_after), end)

    def _try_later(self, journal: Journal, one: Waiting, pause: float, end: RunEnd | None = None) -> None:
        if not one.is_hopeless:
            journal.put_back(one, pause)
            return
        COUNTERS.run_ends["given_up"] += 1
        logger.error("the end of a run is given up", extra={"dag_id": one.dag_id, "run_id": one.run_id})
        journal.settle(one, end)

    def _note(self, error: Exception) -> None:
        """Log the first of several failures."""
        if not self._fails:
            logger.warning("ends of runs are not told or not noted for now", extra={"reason": type(error).__name__})
        self._fails = True
