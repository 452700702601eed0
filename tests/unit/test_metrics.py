"""Counters, their sum over processes, and what dashboards and alerts make of them."""

import json
import re
from pathlib import Path

import yaml

from server.metrics import snapshot
from server.metrics.counters import BOUNDS, Counters
from server.metrics.exposition import Service, render
from server.metrics.snapshot import Pool, SchedulerFigures, Snapshot, Work

ROOT = Path(__file__).parents[2]
SERIES = re.compile(r"\b(windsock_[a-z_]+)\b")


def sample() -> Snapshot:
    row = [1.0] * (len(BOUNDS) + 1) + [2.5]
    return Snapshot(
        requests=[("/a/{id}", "GET", 200, row)],
        authentication={"accepted": 2},
        database_errors={"40": 1},
        run_ends={"told": 7},
        run_ends_waiting=8,
        batches={"Dags.find_many": [1, 3]},
        waiting={"Dags.find_many": 4},
        in_flight=5,
        tasks=6,
        pool=Pool(3, 1, 10),
    )


def exported() -> str:
    work = Work(runs={"queued": 3}, tasks={"queued": 4, "deferred": 0}, oldest_queued=5.5, import_errors=6)
    return render(sample(), Service(2, 1, {"done": 1, "refused": 0}, 1.0, SchedulerFigures(2.5, work))).decode()


def names() -> set[str]:
    return {line.partition("{")[0].partition(" ")[0] for line in exported().splitlines() if not line.startswith("#")}


def test_latency_falls_into_its_bucket() -> None:
    """A bound belongs to its bucket; the last one takes what is over all bounds, and the sum is kept."""
    counters = Counters()
    for seconds in (BOUNDS[0], BOUNDS[0] + 1e-9, BOUNDS[-1] + 1):
        counters.request("/a", "GET", 200, seconds)
    row = counters.requests["/a", "GET", 200]
    assert (row[0], row[1], row[len(BOUNDS)]) == (1, 1, 1)
    assert abs(row[-1] - (2 * BOUNDS[0] + BOUNDS[-1] + 1)) < 1e-6


def test_methods_that_clients_make_up_share_a_label() -> None:
    """The number of series is bounded whatever clients send."""
    counters = Counters()
    for number in range(100):
        counters.request("none", f"BREW{number}", 405, 0.1)
    assert list(counters.requests) == [("none", "other", 405)]
    assert sum(counters.requests["none", "other", 405][:-1]) == 100


def test_figures_add_up() -> None:
    """The sum of two processes has both's counters and gauges, and leaves theirs as they were."""
    one, other = sample(), sample()
    both = snapshot.total([one, other])
    assert both.requests[0][3] == [2.0] * (len(BOUNDS) + 1) + [5.0]
    assert (both.in_flight, both.tasks, both.pool, both.waiting) == (10, 12, Pool(6, 2, 20), {"Dags.find_many": 8})
    assert both.batches == {"Dags.find_many": [2, 6]}
    assert (both.run_ends, both.run_ends_waiting) == ({"told": 14}, 16)
    assert one == sample()


def test_the_dead_have_no_gauges() -> None:
    """Of a process that ended its counters remain, its open connections do not."""
    left = sample().counters_only()
    assert left.requests == sample().requests
    assert (left.run_ends, left.run_ends_waiting) == ({"told": 7}, 0)
    assert (left.in_flight, left.tasks, left.pool, left.waiting) == (0, 0, Pool(), {})


def test_histogram_is_cumulative() -> None:
    """Each bucket holds those below it too, and the last one equals the count."""
    text = exported()
    assert 'le="0.0025"' in text
    total = len(BOUNDS) + 1
    labels = 'method="GET",route="/a/{id}",status="200"'
    assert f'windsock_request_duration_seconds_bucket{{le="+Inf",{labels}}} {total}.0' in text
    assert f"windsock_request_duration_seconds_count{{{labels}}} {total}.0" in text


def test_what_waits_for_a_scheduler() -> None:
    """Runs and tasks by state, those of a state without any too; nothing at all where the database cannot say."""
    text = exported()
    assert 'windsock_scheduler_dag_runs{state="queued"} 3.0' in text
    assert 'windsock_scheduler_task_instances{state="deferred"} 0.0' in text
    assert "windsock_scheduler_oldest_queued_task_seconds 5.5" in text
    assert "windsock_import_errors 6.0" in text
    unknown = render(sample(), Service(1, 0, {}, 1.0, SchedulerFigures())).decode()
    assert "windsock_scheduler" not in unknown
    assert "windsock_import_errors" not in unknown


def test_dashboard_names_existing_metrics() -> None:
    """Every metric of the Grafana dashboard is exported."""
    dashboard = json.loads((ROOT / "deploy" / "grafana-dashboard.json").read_text("utf-8"))
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    named = {name for query in queries for name in SERIES.findall(query)}
    assert len(named) > 8
    assert named <= names()


def test_alerts_name_existing_metrics() -> None:
    """Every metric of the alert rules is exported, and each alert says what to do."""
    groups = yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text("utf-8"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    named = {name for rule in rules for name in SERIES.findall(rule["expr"])}
    assert len(named) > 5
    assert named <= names()
    assert all(rule["annotations"]["summary"] and rule["annotations"]["description"] for rule in rules)


def test_documented_metrics_are_the_exported_ones() -> None:
    """docs/operations.md lists what there is: no more, no less."""
    listed = set(
        re.findall(r"^\| `(windsock_\w+)`", (ROOT / "docs" / "operations.md").read_text("utf-8"), re.MULTILINE)
    )
    assert listed == {re.sub(r"_(bucket|count|sum)$", "", name) for name in names()}
