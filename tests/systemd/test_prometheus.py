import json
import time
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from tests.systemd.documents import follow
from tests.systemd.machine import ROOT, Machine

pytestmark = [pytest.mark.systemd, pytest.mark.timeout(600)]

API = "/api/experimental"


def prometheus(service: Machine, path: str) -> Any:  # noqa: ANN401 - JSON
    """What Debian's Prometheus answers."""
    status, body = service.ask(f"http://127.0.0.1:9090/api/v1/{path}")
    assert status == 200, body
    return json.loads(body)["data"]


def test_dashboard_and_alerts(service: Machine) -> None:
    """A real Prometheus scrapes as the document says: each query of the dashboard has data, no rule fails."""
    service.run("sed -i 's/^  scrape_interval: .*/  scrape_interval: 1s/' /etc/prometheus/prometheus.yml")
    follow(service, "Dashboard")
    assert service.ask("http://127.0.0.1:9787/ready")[0] == 200
    service.until("curl -sf http://127.0.0.1:9090/-/ready")
    queries = [
        target["expr"].replace("$__rate_interval", "30s")
        for panel in json.loads((ROOT / "deploy/grafana-dashboard.json").read_text())["panels"]
        for target in panel["targets"]
    ]
    assert len(queries) > 10
    deadline = time.monotonic() + 90
    _make_traffic(service)
    while empty := [query for query in queries if not prometheus(service, f"query?query={quote(query)}")["result"]]:
        assert time.monotonic() < deadline, f"no data: {empty}"
        _make_traffic(service)
    rules = [rule for group in prometheus(service, "rules")["groups"] for rule in group["rules"]]
    written = yaml.safe_load((ROOT / "deploy/alerts.yml").read_text())["groups"][0]["rules"]
    assert [rule["name"] for rule in rules] == [rule["alert"] for rule in written]
    assert {rule["health"] for rule in rules} <= {"ok", "unknown"}
    assert not [rule for rule in rules if rule.get("lastError")]


def _make_traffic(service: Machine) -> None:
    """Send requests of all kinds, one of them while the database is away."""
    cluster = f"postgresql@{service.says('ls /etc/postgresql')}-main"
    for _ in range(3):
        service.ask(f"{API}/latest_runs")
        service.ask(f"{API}/dags/none/dag_runs")
        service.ask(f"{API}/pools", "--user", "ann:wrong")
    service.run(f"systemctl stop {cluster}")
    service.ask(f"{API}/pools")
    service.run(f"systemctl start {cluster}")
    service.until(f"curl -sf -u ann:{service.password} http://127.0.0.1:8080{API}/pools")
