"""Turns errors that mean "the database cannot be used now" into `Unavailable` and `Locked`."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from server.errors import Locked, Unavailable
from server.metrics.counters import COUNTERS
from windsock.protocol import Code

logger = logging.getLogger(__name__)

# SQLSTATE classes that mean "not now" rather than "not like this": connection (08), authorisation (28), missing
# database (3D), resources (53), operator intervention (57), system (58).
_TRANSIENT_CLASSES = frozenset({"08", "28", "3D", "53", "57", "58"})
_READ_ONLY = "25006"
# Nobody knows whether the statement was done (40003), so it is not tried again.
_UNKNOWN = "40003"
_REPORT_INTERVAL = 1.0
_LOST = "The database is not available at the moment; try again shortly"


class _Report:
    """Logs a lost database once in a while, not for each request."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, error: Exception) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _REPORT_INTERVAL
            reason = getattr(error, "sqlstate", None) or type(error).__name__
            logger.warning("database unavailable", extra={"reason": reason})


_report = _Report()


@contextmanager
def lost_database() -> Iterator[None]:
    """Raise Unavailable if the block loses the database, Locked if it does not get a lock in time."""
    try:
        yield
    except asyncpg.PostgresError as error:
        state = error.sqlstate or ""
        COUNTERS.database_errors[state[:2] or "none"] += 1
        if isinstance(error, asyncpg.LockNotAvailableError):
            raise Locked("Another transaction holds what this request needs; try again shortly") from error
        if state[:2] in _TRANSIENT_CLASSES or state in {_READ_ONLY, _UNKNOWN}:
            _report(error)
            raise Unavailable(_LOST, code=Code.DATABASE_UNAVAILABLE) from error
        raise
    except (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        COUNTERS.database_errors["timeout" if isinstance(error, TimeoutError) else "connection"] += 1
        _report(error)
        raise Unavailable(_LOST, code=Code.DATABASE_UNAVAILABLE) from error
