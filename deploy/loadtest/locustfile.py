"""Simulates typical callers: `make loadtest`, or `locust -f deploy/loadtest/locustfile.py --headless ...`.

It sends WINDSOCK_USERNAME and WINDSOCK_PASSWORD if they are set; `--dag` names the DAG to trigger.
"""

import os
import sys
import time
import uuid
from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gevent
from locust import HttpUser, between, constant, events, task
from locust.clients import ResponseContextManager
from locust.env import Environment

# locust loads this file by its path.
sys.path.insert(0, str(Path(__file__).parent))

import verdict

API = "/api/experimental"
FINISHED = frozenset({"success", "failed"})
# How long one request waits for the end of a run, in seconds, and how often a caller asks.
WAIT = 2.0
PAUSE = 0.5
WAITS, POLLS = 2, 5
BURST = 10


class Caller(HttpUser):
    """What all callers have in common."""

    abstract = True

    @property
    def dag(self) -> str:
        """The DAG to trigger."""
        return str(self.environment.parsed_options.dag)

    @property
    def credentials(self) -> tuple[str, str] | None:
        """The right credentials, if the service asks for any."""
        user = os.environ.get("WINDSOCK_USERNAME")
        return (user, os.environ.get("WINDSOCK_PASSWORD", "")) if user else None

    def call(self, name: str, method: str, path: str, *expected: int, **options: Any) -> ResponseContextManager:  # noqa: ANN401 - what requests takes
        """Send a request, which fails unless its status is an expected one."""
        options = {"auth": self.credentials, "timeout": 30, **options}
        answer: ResponseContextManager
        with self.client.request(method, API + path, name=name, catch_response=True, **options) as answer:
            if answer.status_code in expected:
                answer.success()
            else:
                answer.failure(f"{answer.status_code}: {(answer.text or '')[:200]}")
        return answer

    def trigger(self, name: str, body: dict[str, Any], *expected: int) -> ResponseContextManager:
        """Trigger a run."""
        return self.call(name, "POST", f"/dags/{self.dag}/dag_runs", *(expected or (200,)), json=body)


def _run() -> dict[str, Any]:
    """Return the identity of a new run; several callers may start in the same microsecond, which only one could use."""
    date = datetime.now(UTC).replace(microsecond=uuid.uuid4().int % 1_000_000)
    return {"run_id": f"loadtest__{uuid.uuid4()}", "execution_date": date.isoformat()}


class Poller(Caller):
    """A script that triggers a run and waits for its end."""

    weight = 4
    wait_time = between(1, 3)
    server_waits = True

    @task
    def trigger_and_wait(self) -> None:
        """Trigger, then ask until the state is final, or the time is over: an older server answers at once, so poll."""
        run = _run()
        if not self.trigger("poller: trigger", {**run, "conf": {"from": "loadtest"}}).ok:
            return
        path = f"/dags/{self.dag}/dag_runs/{run['execution_date']}".replace("+", "%2B")
        for _ in range(WAITS if self.server_waits else POLLS):
            asked = time.monotonic()
            if self.server_waits:
                answer = self.call("poller: wait", "GET", f"{path}?wait={WAIT:g}", 200)
            else:
                answer = self.call("poller: state", "GET", path, 200)
            if not answer.ok or answer.json()["state"] in FINISHED:
                return
            if time.monotonic() - asked < PAUSE:
                self.server_waits = False
                time.sleep(PAUSE)


class Dashboard(Caller):
    """A dashboard that is refreshed."""

    weight = 3
    wait_time = constant(1)

    @task
    def refresh(self) -> None:
        """Ask for the data that it shows."""
        self.call("dashboard: latest_runs", "GET", "/latest_runs", 200)
        self.call("dashboard: runs", "GET", f"/dags/{self.dag}/dag_runs?limit=20&order_by=-execution_date", 200)
        self.call("dashboard: pools", "GET", "/pools", 200)


class Farm(Caller):
    """A CI farm: bursts of triggers, some of them sent twice because somebody retries."""

    weight = 2
    wait_time = between(3, 6)

    @task
    def burst(self) -> None:
        """Trigger many runs in a row, and every third one again: the answer must say that it exists."""
        for number in range(BURST):
            run = _run()
            answer = self.trigger("farm: trigger", run)
            if number % 3 == 0 and answer.ok:
                self.trigger("farm: duplicate", run, 400)


class Passwords(Caller):
    """A caller with wrong passwords beside one with right ones."""

    weight = 1
    wait_time = between(1, 2)

    @task
    def wrong_beside_right(self) -> None:
        """Be refused or throttled, while another user is served."""
        if self.credentials is None:
            return
        guess = (f"loadtest-guest-{uuid.uuid4().int % 20}", "wrong")
        self.call("passwords: wrong", "GET", "/latest_runs", 403, 429, auth=guess)
        self.call("passwords: right", "GET", "/test", 200)


@events.init_command_line_parser.add_listener
def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--dag", default="loadtest", help="the DAG to trigger")
    parser.add_argument("--max-failures", type=float, default=0.001, help="the share of the requests that may fail")
    parser.add_argument("--factor", type=float, default=1.0, help="multiplies the limits of the 95th percentiles")
    parser.add_argument("--report", default="", help="where the text of the report goes")


@events.test_start.add_listener
def _follow(environment: Environment, **_: object) -> None:
    gevent.spawn(_show_progress, environment, environment.parsed_options.run_time)


def _show_progress(environment: Environment, seconds: int | None) -> None:
    """Show the progress every few seconds; on a terminal on one line."""
    start, end = time.monotonic(), f" of {seconds}" if seconds else ""
    terminal = sys.stderr.isatty()
    while True:
        gevent.sleep(1 if terminal else 10)
        total = environment.stats.total
        told = f"{time.monotonic() - start:.0f}{end} s: {total.num_requests} requests, {total.num_failures} failed"
        print(f"\r\x1b[K{told}" if terminal else told, end="" if terminal else "\n", file=sys.stderr, flush=True)
        if environment.runner is None or environment.runner.state in {"stopping", "stopped", "cleanup"}:
            print(file=sys.stderr)
            return


@events.quitting.add_listener
def _judge(environment: Environment, **_: object) -> None:
    options = environment.parsed_options
    rows = [
        verdict.Row(entry.name, entry.num_requests, entry.num_failures, entry.get_response_time_percentile(0.95) or 0.0)
        for entry in environment.stats.entries.values()
    ]
    errors = [f"{error.occurrences} x {error.name}: {error.error}" for error in environment.stats.errors.values()]
    text, passed = verdict.judge(rows, errors, options.max_failures, options.factor)
    if options.report:
        # The caller shows it, below locust's own output.
        Path(options.report).write_text(text, "utf-8")
    else:
        print(text)
    environment.process_exit_code = 0 if passed else 1
