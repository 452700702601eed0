"""`windsock webserver --workers`: one service in several processes, its admin listener, reload, and systemd's side."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from server.serving.supervisor import RESTART_NEEDED
from tests.acceptance.process import is_running, wait_until
from tests.acceptance.service import Service, activated
from tests.integration.passwords import PASSWORD, add_user
from windsock.client.json_client import JsonClient


@pytest.fixture
def service(database: str, tmp_path: Path) -> Iterator[Service]:
    with Service(database, tmp_path, workers="2") as one:
        yield one


def test_one_scrape_shows_all_workers(service: Service) -> None:
    """Counters of all workers add up, also those of a worker that was killed, by template and never by name."""
    for number in range(20):
        service.status(f"/api/experimental/dags/secret_{number}/tasks")
    name = r'windsock_request_duration_seconds_count{method="GET",route="/api/experimental/dags/{dag_id}/tasks"'
    assert service.metrics()[f'{name},status="404"}}'] == 20
    victim = service.workers()[0]
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: service.metrics()["windsock_worker_restarts_total"] == 1)
    wait_until(lambda: service.metrics()["windsock_workers"] == 2)
    assert service.status("/api/experimental/test") == 200
    metrics = service.metrics()
    assert metrics[f'{name},status="404"}}'] == 20
    assert victim not in service.workers()
    assert not [key for key in metrics if "secret_" in key]


def test_counters_never_go_back(service: Service) -> None:
    """Not in a scrape that comes while a reload ends workers either."""
    for _ in range(100):
        service.status("/api/experimental/test")
    name = 'windsock_request_duration_seconds_count{method="GET",route="/api/experimental/test",status="200"}'
    for reloads in range(1, 6):
        service.process.send_signal(signal.SIGHUP)
        while service.log.count('"reloaded"') < reloads:
            assert service.metrics()[name] == 100


def test_live_ready_and_nothing_else(service: Service) -> None:
    """The admin listener answers probes; the API's own port knows nothing of them."""
    assert service.admin("/live") == (200, {"status": "alive"})
    assert service.admin("/ready") == (200, {"status": "ready"})
    assert service.status("/metrics") == 404
    assert service.status("/api/experimental/metrics") == 404


def test_the_admin_listener_tells_and_logs_nothing_of_odd_requests(service: Service) -> None:
    """JSON without versions and echo, as on the API's own port."""
    heads = (
        b"GET /live HTTP/1.1\r\nAuthorization hush",
        b"GET /hush HTTP/1.1\r\nHost: a",
        b"POST /live HTTP/1.1\r\nHost: a",
    )
    codes = (b"invalid_request", b"endpoint_not_found", b"method_not_allowed")
    for head, status, code in zip(heads, (b"400", b"404", b"405"), codes, strict=True):
        with socket.create_connection(("127.0.0.1", service.admin_port)) as sock:
            sock.sendall(head + b"\r\nConnection: close\r\n\r\n")
            answer = sock.makefile("rb").read()
        assert answer.split(b" ")[1] == status
        assert b"Server: windsock\r\n" in answer
        assert b'{"code":"' + code + b'","error":' in answer
        assert b"hush" not in answer
        assert (b"Allow: " in answer) == (status == b"405")
    assert "hush" not in service.log


def test_reload_changes_what_it_can(service: Service) -> None:
    """SIGHUP reads the file again, without dropping a connection; a bad file keeps the old one and says so."""
    service.configure(auth_backend="deny_all")
    service.reload("reloaded")
    assert service.status("/api/experimental/test") == 403
    service.configure(auth_backend="no.such.module")
    service.reload("reload refused")
    service.configure(pool_max_size="many")
    service.reload("reload refused")
    assert service.status("/api/experimental/test") == 403
    metrics = service.metrics()
    assert metrics['windsock_reloads_total{outcome="refused"}'] == 2
    assert metrics['windsock_reloads_total{outcome="done"}'] == 1


async def test_permissions_change_at_a_reload_alone(database: str, service: Service, tmp_path: Path) -> None:
    """A broken file is refused, and a worker that starts meanwhile has the permissions of the others."""
    await add_user(database, "ann")
    file = tmp_path / "permissions.yaml"

    def roles() -> list[object]:
        found = []
        for _ in range(6):
            # Another connection may be another worker's.
            with JsonClient(f"http://127.0.0.1:{service.port}", username="ann", password=PASSWORD) as client:
                found.append(client.whoami()["roles"])
        return found

    file.write_text("users: {ann: Viewer}")
    service.configure(auth_backend="password_auth", authorization="file", permissions_file=str(file))
    await asyncio.to_thread(service.reload, "reloaded")
    assert await asyncio.to_thread(roles) == [["Viewer"]] * 6
    file.write_text("users: {ann: Viewre}")
    await asyncio.to_thread(service.reload, "reload refused")
    assert f"{file}:1: unknown role `Viewre`, did you mean `Viewer`?" in service.log
    os.kill(service.workers()[0], signal.SIGKILL)
    await asyncio.to_thread(wait_until, lambda: service.metrics()["windsock_worker_restarts_total"] == 1)
    await asyncio.to_thread(wait_until, lambda: service.metrics()["windsock_workers"] == 2)
    assert await asyncio.to_thread(roles) == [["Viewer"]] * 6
    file.write_text("users: {ann: [Op, Viewer]}")
    await asyncio.to_thread(service.reload, "reloaded")
    assert await asyncio.to_thread(roles) == [["Op", "Viewer"]] * 6


def test_a_slow_program_holds_up_nobody_at_a_reload(service: Service, tmp_path: Path) -> None:
    """The supervisor goes on, for its watchdog too, while a program takes its time to print an option."""
    program = tmp_path / "slow.sh"
    program.write_text(f"sleep 4; echo {'0123456789abcdef' * 2}\n", "utf-8")
    service.configure(secret_key_cmd=f"sh {program}")
    service.process.send_signal(signal.SIGHUP)
    time.sleep(1)
    assert service.request("/live", port=service.admin_port, timeout=1)[0] == 200
    wait_until(lambda: '"reloaded"' in service.log)


def test_a_reload_during_the_start_waits_for_it(database: str, tmp_path: Path) -> None:
    """There are as many workers afterwards as there should be."""
    starting = Service(database, tmp_path, workers="2")

    def hang_up() -> None:
        wait_until(lambda: hasattr(starting, "process") and bool(starting.workers()))
        starting.process.send_signal(signal.SIGHUP)

    Thread(target=hang_up).start()
    with starting as service:
        wait_until(lambda: '"reloaded"' in service.log)
        wait_until(lambda: service.metrics()["windsock_workers"] == 2)
        assert len(service.workers()) == 2


def test_reload_says_what_needs_a_restart(service: Service) -> None:
    """Addresses stay as they are; the log and the docs name the options."""
    service.configure(host="127.0.0.2")
    service.reload("reloaded")
    assert "a change of host needs a restart" in service.log
    assert service.status("/api/experimental/test") == 200
    docs = Path("docs/operations.md").read_text("utf-8").partition("## Reload")[2].partition("\n## ")[0]
    assert set(re.findall(r"^- `\[windsock\] (\w+)`", docs, re.MULTILINE)) == set(RESTART_NEEDED)


def test_workers_end_with_their_parent(service: Service) -> None:
    """A parent that is killed leaves no worker behind."""
    workers = service.workers()
    assert len(workers) == 2
    service.process.kill()
    wait_until(lambda: not any(map(is_running, workers)))


def test_a_worker_that_hangs_is_no_reason_to_stop(service: Service) -> None:
    """SIGTERM ends the service although a worker is frozen, once the time to finish is over."""
    os.kill(service.workers()[0], signal.SIGSTOP)
    service.process.terminate()
    assert service.process.wait(timeout=60) == 0


def test_tls(database: str, tmp_path: Path) -> None:
    """With ssl_cert the port speaks TLS alone."""
    names: dict[str, Any] = {"ssl_cert": str(tmp_path / "cert.pem"), "ssl_key": str(tmp_path / "key.pem")}
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-keyout", names["ssl_key"], "-out", names["ssl_cert"]],
        check=True, capture_output=True,
    )  # fmt: skip
    with Service(database, tmp_path, **names) as service:
        done = subprocess.run(
            ["curl", "-s", "--cacert", names["ssl_cert"], f"https://localhost:{service.port}/api/experimental/test"],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        assert json.loads(done.stdout) == {"status": "OK"}
        with pytest.raises((urllib.error.URLError, ConnectionError)):
            urllib.request.urlopen(f"http://127.0.0.1:{service.port}/", timeout=10)


def test_systemd(database: str, tmp_path: Path) -> None:
    """It serves the socket that it is given, says READY, RELOADING and STOPPING, and keeps the watchdog."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices, socket.create_server(("127.0.0.1", 0)) as given:
        address = str(tmp_path / "notify")
        notices.bind(address)
        notices.settimeout(30)
        port = given.getsockname()[1]
        systemd = activated(given.fileno())
        systemd["env"] |= {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "400000"}
        with Service(database, tmp_path, port=port, **systemd) as service:
            assert service.status("/api/experimental/test") == 200
            service.process.send_signal(signal.SIGHUP)
            heard = ""
            while "RELOADING=1" not in heard or not heard.endswith("READY=1\n"):
                heard += notices.recv(1000).decode() + "\n"
            assert heard.count("READY=1\n") >= 2
            assert "WATCHDOG=1" in heard
            assert "MONOTONIC_USEC=" in heard
            service.process.terminate()
            while "STOPPING=1" not in heard:
                heard += notices.recv(1000).decode()
        # The socket outlives the service: the next one finds what waits in it.
        with socket.create_connection(("127.0.0.1", port)):
            pass
