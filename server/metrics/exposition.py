"""Snapshots in Prometheus' text format. No label ever contains what a client chose."""

import itertools
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from server.metrics.counters import BOUNDS
from server.metrics.snapshot import SchedulerFigures, Snapshot, Work
from windsock.version import __version__

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_LABELS = ("route", "method", "status")
_LIMITS = (*(str(bound) for bound in BOUNDS), "+Inf")


@dataclass(frozen=True)
class Service:
    """Facts about all processes together; `started` is in seconds since 1970."""

    workers: int
    restarts: int
    reloads: Mapping[str, int]
    started: float
    scheduler: SchedulerFigures


@dataclass(frozen=True, eq=False)
class _Figures(Collector):
    sum: Snapshot
    service: Service

    def collect(self) -> Iterator[Metric]:
        yield from _requests(self.sum)
        yield from _database(self.sum)
        yield from _run_ends(self.sum)
        yield from _service(self.sum, self.service)
        yield from _scheduler(self.service.scheduler)


def render(figures: Snapshot, service: Service) -> bytes:
    """Return the answer to a scrape."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(figures, service))
    return generate_latest(registry)


def _requests(figures: Snapshot) -> Iterator[Metric]:
    durations = HistogramMetricFamily(
        "windsock_request_duration_seconds", "Time from a request's headers to its answer", labels=_LABELS
    )
    for route, method, status, row in figures.requests:
        counts = itertools.accumulate(row[:-1])
        durations.add_metric((route, method, str(status)), list(zip(_LIMITS, counts, strict=True)), row[-1])
    yield durations
    yield _gauge("windsock_requests_in_flight", "Requests under way", figures.in_flight)
    yield _counters(
        "windsock_authentications", "Outcomes of the authentication backend", "outcome", figures.authentication
    )


def _database(figures: Snapshot) -> Iterator[Metric]:
    pool = {"idle": figures.pool.idle, "busy": figures.pool.open - figures.pool.idle}
    yield _gauges("windsock_pool_connections", "Open database connections", "state", pool)
    yield _gauge("windsock_pool_connections_limit", "The most connections of all processes", figures.pool.limit)
    batches = {kind: count for kind, (count, _) in figures.batches.items()}
    requests = {kind: count for kind, (_, count) in figures.batches.items()}
    yield _counters("windsock_batches", "Shared statements", "kind", batches)
    yield _counters("windsock_batched_requests", "Requests in shared statements", "kind", requests)
    yield _gauges("windsock_batch_waiting", "Requests that wait for a shared statement", "kind", figures.waiting)
    yield _counters(
        "windsock_database_errors",
        "Errors by SQLSTATE class; `connection` and `timeout` have no SQLSTATE",
        "sqlstate_class",
        figures.database_errors,
    )


def _run_ends(figures: Snapshot) -> Iterator[Metric]:
    yield _counters("windsock_run_ends", "Requests that tell of the end of a run", "outcome", figures.run_ends)
    yield _gauge("windsock_run_ends_waiting", "Ends of runs that wait to be told", figures.run_ends_waiting)


def _service(figures: Snapshot, service: Service) -> Iterator[Metric]:
    yield _gauge("windsock_workers", "Processes that serve requests", service.workers)
    text = "Processes that refuse all requests until the database's schema can be served"
    yield _gauge("windsock_workers_refusing", text, figures.refusing)
    yield CounterMetricFamily("windsock_worker_restarts", "Processes that ended by themselves", service.restarts)
    yield _counters("windsock_reloads", "Reloads of the configuration", "outcome", service.reloads)
    yield CounterMetricFamily("windsock_cpu_seconds", "CPU time of the serving processes", figures.cpu_seconds)
    yield _gauge("windsock_resident_memory_bytes", "Memory of the serving processes", figures.resident_bytes)
    yield _gauge("windsock_tasks", "Tasks of the serving processes' event loops", figures.tasks)
    yield _gauge("windsock_start_time_seconds", "When the service started", service.started)
    build = GaugeMetricFamily("windsock_build_info", "Always 1", labels=("version", "python"))
    build.add_metric((__version__, platform.python_version()), 1)
    yield build


def _scheduler(figures: SchedulerFigures) -> Iterator[Metric]:
    if figures.heartbeat_age is not None:
        text = "Time since the last heartbeat of a scheduler of the database"
        yield _gauge("windsock_scheduler_heartbeat_age_seconds", text, figures.heartbeat_age)
    if figures.work is not None:
        yield from _work(figures.work)


def _work(work: Work) -> Iterator[Metric]:
    yield _gauges("windsock_scheduler_dag_runs", "Runs that have not ended, up to 10,000 per state", "state", work.runs)
    yield _gauges(
        "windsock_scheduler_task_instances", "Tasks that have not ended, up to 10,000 per state", "state", work.tasks
    )
    text = "Age of the oldest queued task; 0: there is none"
    yield _gauge("windsock_scheduler_oldest_queued_task_seconds", text, work.oldest_queued)
    yield _gauge("windsock_import_errors", "DAG files that cannot be loaded, up to 10,000", work.import_errors)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value)


def _gauges(name: str, text: str, label: str, values: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=(label,))
    for key, value in sorted(values.items()):
        family.add_metric((key,), value)
    return family


def _counters(name: str, text: str, label: str, values: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=(label,))
    for key, value in sorted(values.items()):
        family.add_metric((key,), value)
    return family
