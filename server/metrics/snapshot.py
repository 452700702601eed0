"""The figures of one process at one moment, which processes send to each other, and their sum."""

from collections.abc import Iterable
from operator import add

import msgspec


class Work(msgspec.Struct):
    """The work that there is. Numbers above 10,000 are shown as 10,000.

    `runs` and `tasks` count by state, without those that have ended. `oldest_queued` is the age of the oldest queued
    task in seconds, 0 if there is none.
    """

    runs: dict[str, int]
    tasks: dict[str, int]
    oldest_queued: float
    import_errors: int


class Pool(msgspec.Struct):
    """Database connections: all open ones, the idle ones among them, and the most that there may be."""

    open: int = 0
    idle: int = 0
    limit: int = 0


class SchedulerFigures(msgspec.Struct):
    """What the database says about its scheduler; None for a figure that is not known.

    `heartbeat_age` is the time since a scheduler's last heartbeat, in seconds.
    """

    heartbeat_age: float | None = None
    work: Work | None = None


class Snapshot(msgspec.Struct):
    """Counters and gauges of a process, or of several.

    `requests` maps route, method and status to the buckets of the latency and, at the end, its sum in seconds.
    `batches` maps a kind of batch to the number of batches and that of the requests in them; `waiting` maps it to the
    requests that wait. `refusing` is the number of processes that refuse all requests because of the database's schema.
    `run_ends` counts by outcome the ends of runs that were told to others, `run_ends_waiting` are those that wait for
    it. `tasks` is the number of tasks in the event loop.
    """

    requests: list[tuple[str, str, int, list[float]]] = []
    authentication: dict[str, int] = {}
    database_errors: dict[str, int] = {}
    batches: dict[str, list[int]] = {}
    run_ends: dict[str, int] = {}
    cpu_seconds: float = 0.0
    in_flight: int = 0
    waiting: dict[str, int] = {}
    run_ends_waiting: int = 0
    pool: Pool = msgspec.field(default_factory=Pool)
    refusing: int = 0
    resident_bytes: int = 0
    tasks: int = 0

    def counters_only(self) -> "Snapshot":
        """Return what remains of a process that has ended: gauges are only about running ones."""
        counters = self.authentication, self.database_errors, self.batches, self.run_ends
        return Snapshot(self.requests, *counters, self.cpu_seconds)


def total(snapshots: Iterable[Snapshot]) -> Snapshot:
    """Return the sum of several processes' figures."""
    result = Snapshot()
    requests: dict[tuple[str, str, int], list[float]] = {}
    for one in snapshots:
        for route, method, status, row in one.requests:
            key = (route, method, status)
            requests[key] = list(map(add, requests[key], row)) if key in requests else row
        result.authentication = _sum(result.authentication, one.authentication)
        result.database_errors = _sum(result.database_errors, one.database_errors)
        result.run_ends = _sum(result.run_ends, one.run_ends)
        result.waiting = _sum(result.waiting, one.waiting)
        result.run_ends_waiting += one.run_ends_waiting
        for kind, pair in one.batches.items():
            result.batches[kind] = list(map(add, result.batches.get(kind, [0, 0]), pair))
        result.cpu_seconds += one.cpu_seconds
        result.in_flight += one.in_flight
        result.pool.open += one.pool.open
        result.pool.idle += one.pool.idle
        result.pool.limit += one.pool.limit
        result.refusing += one.refusing
        result.resident_bytes += one.resident_bytes
        result.tasks += one.tasks
    result.requests = [(*key, row) for key, row in requests.items()]
    return result


def _sum(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in {**one, **other}}
