import base64
import json
import re

import pytest

from tests.systemd.documents import follow
from tests.systemd.machine import Machine

pytestmark = [pytest.mark.systemd, pytest.mark.timeout(600)]

API = "/api/experimental"
CFG = "/etc/windsock/airflow.cfg"


def other_pid(service: Machine, old: int) -> None:
    """Wait until another parent serves, through the socket that was open all the time."""
    service.until(f"pid=$(systemctl show -P MainPID windsock.service); [ $pid != 0 ] && [ $pid != {old} ]")
    assert service.ask(f"{API}/test")[0] == 200


def test_a_killed_parent(service: Machine) -> None:
    """Systemd starts the service again."""
    old = service.pid()
    service.run(f"kill -9 {old}")
    other_pid(service, old)


def test_a_hung_parent(service: Machine) -> None:
    """The watchdog ends a service whose loop does not turn."""
    service.run("""
        mkdir -p /run/systemd/system/windsock.service.d
        printf '[Service]\\nWatchdogSec=2\\n' > /run/systemd/system/windsock.service.d/quick.conf
        systemctl daemon-reload && systemctl restart windsock.service
    """)
    old = service.pid()
    service.run(f"kill -STOP {old}")
    other_pid(service, old)
    service.run("rm -r /run/systemd/system/windsock.service.d && systemctl daemon-reload && systemctl restart windsock")


def test_a_hung_worker(service: Machine) -> None:
    """The parent kills a worker whose loop does not turn, and the service stays."""
    old, victim = service.pid(), service.workers()[0]
    service.run(f"kill -STOP {victim}")
    service.until(f"! kill -0 {victim}", timeout=90)
    service.until(f"[ $(pgrep -c -P {old}) = 2 ]")
    assert service.pid() == old


def test_a_lost_database(service: Machine) -> None:
    """It restarts nothing and is found again."""
    old, unit = service.pid(), f"postgresql@{service.says('ls /etc/postgresql')}-main"
    service.run(f"systemctl kill --signal=KILL '{unit}' && sleep 3")
    assert service.ask(f"{API}/pools")[0] == 503
    assert service.pid() == old
    service.run(f"systemctl reset-failed '{unit}'; systemctl restart postgresql")
    service.until(f"curl -sf -u ann:{service.password} http://127.0.0.1:8080{API}/pools")
    assert service.pid() == old


def test_a_database_that_is_away_at_the_start(service: Machine) -> None:
    """The services try again until it is there, for longer than any limit; callers wait at the socket."""
    service.run("systemctl stop postgresql; systemctl --no-block restart windsock windsock-scheduler; sleep 45")
    assert "failed" not in service.says("systemctl is-active windsock.socket windsock windsock-scheduler")
    service.run("systemctl start postgresql")
    service.until(f"curl -sf -m 5 -u ann:{service.password} http://127.0.0.1:8080{API}/pools")
    service.until("systemctl is-active windsock windsock-scheduler")


def reload_with(service: Machine, change: str) -> str:
    """Reload with a file that this `sed` command changed; what systemctl and the journal say of it."""
    service.run("journalctl --quiet --rotate --vacuum-time=1s; sleep 1")
    service.run(f"cp {CFG} /tmp/good.cfg; sed -i '{change}' {CFG}")
    # The shell ends at a command that fails, unless it is asked about.
    status = service.says("systemctl reload windsock >/dev/null 2>&1 && echo status 0 || echo status $?; sleep 4")
    assert service.ask(f"{API}/test")[0] == 200
    said = service.says("journalctl --no-pager -o cat -u windsock.service")
    service.run(f"cp /tmp/good.cfg {CFG}; systemctl reload windsock; sleep 4")
    return f"{status}\n{said}"


def test_reload(service: Machine) -> None:
    """New options count; a bad file keeps the old ones, and systemctl fails; what a reload cannot change is named."""
    old = service.pid()
    said = reload_with(service, "s/^workers = 2/workers = many/")
    assert "status 1" in said
    assert "reload refused" in said
    said = reload_with(service, "s/^workers = 2/workers = 3/")
    assert "status 0" in said
    assert '"reloaded"' in said
    assert "a change of admin_port needs a restart" in reload_with(service, "s/^admin_port = .*/admin_port = 9788/")
    said = reload_with(service, "s/^workers = 2/port = 8099\\n&/")
    assert "port has no effect: the socket unit sets the address, 127.0.0.1:8080" in said
    assert service.pid() == old


def test_restarts_under_load(service: Machine) -> None:
    """Restarts, a reload and an installation: no request fails, and every answered trigger is there."""
    service.run("systemctl stop windsock-scheduler")
    basic = base64.b64encode(f"ann:{service.password}".encode()).decode()
    wrk = f"wrk -t1 -c8 -d25s --timeout 30s -H 'Authorization: Basic {basic}'"
    url = "http://127.0.0.1:8080"
    triggers = service.start(f"{wrk} -s /srv/trigger.lua {url}{API}/dags/hello/dag_runs")
    reads = service.start(f"{wrk} {url}{API}/latest_runs")
    service.run("sleep 1; systemctl restart windsock; sleep 2; systemctl restart windsock; sleep 1")
    service.run("systemctl reload windsock; sleep 3; deploy/install.sh; systemctl restart windsock")
    output = [process.communicate(timeout=120)[0] for process in (triggers, reads)]
    for text in output:
        assert "requests in" in text
        assert not re.search("Socket errors|Non-2xx", text), text
    answered = int(re.findall(r"^answered (\d+)$", output[0], re.MULTILINE)[0])
    count = "SELECT count(*) FROM dag_run WHERE run_id LIKE 'load-%'"
    rows = int(service.run(f'runuser -u windsock -- psql -qAt -c "{count}" windsock'))
    # What was sent last may have been committed without being answered: one for each connection.
    assert 0 < answered <= rows <= answered + 8
    service.run("runuser -u windsock -- psql -c \"DELETE FROM dag_run WHERE run_id LIKE 'load-%'\" windsock")
    service.run("systemctl start windsock-scheduler")


def version(service: Machine) -> str:
    """What the running service says that it is."""
    found = re.search('windsock_build_info{.*version="(.*?)"', service.ask("http://127.0.0.1:9787/metrics")[1])
    assert found
    return found[1]


def test_upgrade_and_back(service: Machine) -> None:
    """A newer checkout counts from the restart on, and the release before can be gone back to."""
    old = version(service)
    service.run(f"sed -i 's/{old}/{old}.post1/' windsock/version.py")
    first = service.says("readlink /opt/windsock/current")
    service.run("install -D /dev/null build/lib/server/of_an_older_release.py")
    follow_upgrade = follow(service, "Upgrade")
    assert f"{old}.post1" in follow_upgrade
    assert service.says("find /opt/windsock -name of_an_older_release.py") == ""
    # The last commands of the section go back.
    assert service.says("readlink /opt/windsock/current") == first
    assert version(service) == old
    service.run(f"sed -i 's/{old}.post1/{old}/' windsock/version.py")
    service.until("systemctl is-active windsock-scheduler")


def runs(service: Machine) -> set[str]:
    """Ids of the DAG's runs."""
    return {run["run_id"] for run in json.loads(service.ask(f"{API}/dags/hello/dag_runs")[1])}


def test_backup_and_restore(service: Machine) -> None:
    """As the document says: what was there is back, users too, and the services run on it."""
    before = runs(service)
    assert before
    file = "/var/backups/windsock.backup"
    follow(service, "Backup and restore")
    assert service.says(f"stat -c '%a %U' {file}") == "600 root"
    assert service.says("stat -c %a /var/backups/windsock-files.tar.gz") == "600"
    assert service.says("ls -A /var/backups | grep -c windsock-backup-") == "0"
    service.until(f"curl -sf -u ann:{service.password} http://127.0.0.1:8080{API}/pools")
    assert runs(service) == before
    # While the service runs, and over data, nothing is restored; the file stays when a backup fails.
    service.until("systemctl is-active windsock-scheduler")
    assert "stop the API" in service.says(f"windsock-admin db restore --force {file} 2>&1 || echo status $?")
    service.run(f"echo kept > {file}.2")
    failed = service.says(f"windsock-admin db backup --no-such-option {file}.2 2>&1 || echo status $?")
    assert failed.endswith("status 2")
    assert service.says(f"cat {file}.2") == "kept"


def test_restore_into_a_new_database(service: Machine) -> None:
    """The database was lost: it is made again as on a new server, and needs no force."""
    before = runs(service)
    file = "/root/a copy.backup"
    service.run(f"windsock-admin db backup '{file}'; systemctl stop windsock.socket windsock windsock-scheduler")
    said = service.says(f"windsock-admin db restore '{file}' 2>&1")
    assert "--force" in said
    assert "1 user" in said
    service.run("runuser -u postgres -- dropdb windsock; runuser -u postgres -- createdb -O windsock windsock")
    service.run(f"windsock-admin db restore '{file}'; systemctl start windsock.socket windsock windsock-scheduler")
    assert runs(service) == before
    owner = "SELECT string_agg(DISTINCT tableowner, ' ') FROM pg_tables WHERE schemaname = 'public'"
    assert service.says(f'runuser -u postgres -- psql -qAt -c "{owner}" windsock') == "windsock"
    url = f"http://127.0.0.1:8080{API}/dags/hello/dag_runs"
    service.run(f"""curl -sf -u ann:{service.password} {url} -d '{{"run_id": "after", "conf": {{"who": "Ann"}}}}'""")
    service.until("windsock-admin list_dag_runs hello | grep after | grep -q success", timeout=60)


def test_retention(service: Machine) -> None:
    """The operator's command takes away the logs too, which are the tasks' user's."""
    service.until(
        "find /var/log/windsock-tasks -name 1.log | grep -q . && ! windsock-admin list_dag_runs hello | grep -q running"
    )
    assert re.match(r"deleted [1-9]\d* runs", service.run("windsock-admin db clean --before 2100-01-01"))
    assert service.says("find /var/log/windsock-tasks -name '*.log'") == ""
