"""Measures this process."""

import asyncio
import os
import resource

from aiohttp import web

from server.api.resources import METADATA
from server.app import TELLER
from server.database.batch import batch_figures
from server.http.keys import TRAFFIC
from server.metrics.counters import COUNTERS
from server.metrics.snapshot import Pool, Snapshot

_PAGE = resource.getpagesize()
# It is open from the start, because these figures matter most when the process has run out of descriptors.
_STATM = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)


def take(app: web.Application) -> Snapshot:
    """Return the figures of this process, which runs `app`."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    figures = batch_figures()
    return Snapshot(
        requests=[(*key, row) for key, row in COUNTERS.requests.items()],
        authentication=dict(COUNTERS.authentication),
        database_errors=dict(COUNTERS.database_errors),
        run_ends=dict(COUNTERS.run_ends),
        run_ends_waiting=app[TELLER].waiting if TELLER in app else 0,
        batches={kind: [batches, keys] for kind, (batches, keys, _) in figures.items()},
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        in_flight=app[TRAFFIC].in_flight,
        waiting={kind: waiting for kind, (_, _, waiting) in figures.items()},
        pool=Pool(*app[METADATA].pool_figures()),
        refusing=int(app[METADATA].watch.refuses),
        resident_bytes=int(os.pread(_STATM, 200, 0).split()[1]) * _PAGE,
        tasks=len(asyncio.all_tasks()),
    )
