import json

import pytest

from tests.systemd.conftest import SET_UP
from tests.systemd.documents import follow, sections
from tests.systemd.machine import Machine

pytestmark = [pytest.mark.systemd, pytest.mark.timeout(600)]

API = "/api/experimental"
UNITS = ("windsock", "windsock-scheduler", "windsock-initdb")


def test_the_document_leads_to_a_run(service: Machine, printed: dict[str, str]) -> None:
    """Its commands, as typed on an empty server: services that run, a user, a task that ran as the tasks' own user."""
    assert "Created <DagRun hello @" in printed["Run tasks"]
    service.until("! windsock-admin list_dag_runs hello | grep -q running")
    assert service.ask(f"{API}/test")[0] == 200
    assert service.ask(f"{API}/test", "--user", ":")[0] in {401, 403}
    [run] = json.loads(service.ask(f"{API}/dags/hello/dag_runs")[1])
    assert run["state"] == "success"
    task = f"{API}/dags/hello/dag_runs/{run['execution_date'].replace('+', '%2B')}/tasks/greet"
    status, log = service.ask(f"{task}/logs")
    assert status == 200, log
    assert "\nhello, Ann\n" in log
    assert json.loads(service.ask(task)[1])["unixname"] == "windsock-tasks"
    assert service.says("stat -c %U $(find /var/log/windsock-tasks -name 1.log)") == "windsock-tasks"


def test_every_command_of_the_document_is_typed() -> None:
    """No command can rot unseen: each section that has some is followed by a test."""
    later = {"The page", "Kerberos", "TLS", "PgBouncer", "Dashboard", "Backup and restore", "Upgrade", "Removal"}
    assert set(sections()) == {*SET_UP, *later}


def test_a_changed_dag_file_counts(service: Machine) -> None:
    """The scheduler's service watches the folder."""
    file = "/etc/windsock/dags/more.yaml"
    service.run(f"sed 's/^hello:/more:/' /etc/windsock/dags/hello.yaml > {file}")
    service.until(f"curl -sf -u ann:{service.password} http://127.0.0.1:8080{API}/dags/more/paused")
    service.run(f"rm {file}")


def test_units(service: Machine) -> None:
    """`systemd-analyze` finds nothing wrong and little exposed."""
    assert not service.run("systemd-analyze verify /usr/local/lib/systemd/system/windsock* 2>&1")
    for unit in UNITS:
        service.run(f"systemd-analyze security --no-pager --threshold=15 {unit}.service")


def test_scripts(service: Machine) -> None:
    """The scripts are plain `sh`, and shellcheck has nothing to say."""
    service.run("for script in deploy/install.sh deploy/uninstall.sh deploy/windsock-admin; do sh -n $script; done")
    service.run("shellcheck deploy/install.sh deploy/uninstall.sh deploy/windsock-admin")


def test_secrets(service: Machine) -> None:
    """Credentials are root's alone, and tasks' scheduler is given its DSN and nothing else."""
    assert service.says("stat -c %a /etc/windsock/credentials") == "700"
    assert set(service.says("stat -c %a /etc/windsock/credentials/*").split()) == {"600"}
    assert service.says("ls /run/credentials/windsock-scheduler.service") == "windsock_dsn"
    assert "secret_key" in service.says("ls /run/credentials/windsock.service")
    mine = service.says("setpriv --reuid windsock-tasks --clear-groups cat /run/credentials/windsock.service/* 2>&1")
    assert "Permission denied" in mine


def test_every_user_has_the_command(service: Machine) -> None:
    """With a man page for each subcommand, and what shells complete."""
    assert service.says("setpriv --reuid nobody --clear-groups windsock --version").startswith("windsock, version")
    pages = service.says("ls /usr/local/share/man/man1").split()
    assert {"windsock.1", "windsock-trigger_dag.1", "windsock-dags-trigger.1"} <= set(pages)
    completed = """
        . /usr/local/share/bash-completion/completions/windsock
        COMP_WORDS=(windsock trig) COMP_CWORD=1
        _windsock_completion windsock
        echo "${COMPREPLY[@]}"
    """
    assert service.says(completed) == "trigger_dag"
    assert service.says("head -1 /usr/local/share/zsh/site-functions/_windsock") == "#compdef windsock"
    assert "complete" in service.says("cat /usr/local/share/fish/vendor_completions.d/windsock.fish")


def test_the_admin_command_finds_files_here(service: Machine) -> None:
    """By names relative to the current folder, if the service may read it; it works in every other folder too."""
    assert "1 DAG: hello" in service.says("cd /etc/windsock/dags && windsock-admin check hello.yaml 2>&1")
    assert "hello" in service.says("install -d -m 700 /root/mine && cd /root/mine && windsock-admin list_dags")
    assert "cannot be read as a file" in service.says("windsock-admin db restore /root/mine 2>&1 || true")


def test_installing_again_keeps_what_the_operator_changed(service: Machine) -> None:
    """Configuration and secrets stay, two releases stay, and what runs is not taken away below the service."""
    service.run("echo '# mine' >> /etc/windsock/airflow.cfg")
    kept = "cat /etc/windsock/airflow.cfg /etc/windsock/credentials/*"
    before = service.says(kept)
    running = service.says(f"tr '\\0' ' ' < /proc/{service.pid()}/cmdline").partition("/bin/")[0]
    for _ in range(2):
        service.run("deploy/install.sh")
    assert service.says(kept) == before
    assert service.says(f"test -d {running} && echo there") == "there"
    service.run("systemctl restart windsock windsock-scheduler && deploy/install.sh")
    assert len(service.says("ls /opt/windsock/releases").split()) <= 3
    assert service.ask(f"{API}/test")[0] == 200


def test_the_socket_alone_starts_the_service(service: Machine) -> None:
    """The first connection does."""
    service.run("systemctl stop windsock.service")
    assert service.pid() == 0
    assert service.ask(f"{API}/test")[0] == 200
    assert service.pid() != 0


def test_the_page(service: Machine) -> None:
    """It is there as soon as the document's reload is done."""
    assert service.says("curl -so /dev/null -w '%{http_code}' http://127.0.0.1:8080/sign-in") == "401"
    assert "<title>Windsock</title>" in follow(service, "The page")


def test_tls(service: Machine) -> None:
    """At nginx as the document says; and by ssl_cert alone, where a reload takes up a renewed certificate."""
    assert '"items"' in follow(service, "TLS")
    assert "421" in service.says("curl -so /dev/null -w '%{http_code}' -H 'Host: evil.example' http://127.0.0.1/")
    # The other tests come by the address.
    service.run("rm -r /etc/systemd/system/windsock.socket.d && systemctl daemon-reload")
    service.run("systemctl restart windsock.socket windsock.service")
    service.run("""
        cp /etc/windsock/airflow.cfg /tmp/airflow.cfg
        grep -A 2 '^.windsock' <(grep -B 1 -A 1 '^ssl_cert' docs/deployment.md) > /tmp/tls
        sed -i -e '/^.windsock]/{r /tmp/tls' -e 'd}' /etc/windsock/airflow.cfg
        systemctl reload windsock
    """)
    show = "openssl s_client -connect 127.0.0.1:8080 < /dev/null 2>/dev/null | openssl x509 -noout -subject"
    service.until(f"{show} | grep -q server.windsock.test")
    # For a moment the workers of before the reload answer too.
    service.until(f"curl -sfk -u ann:{service.password} https://server.windsock.test:8080{API}/test")
    service.run("""
        openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=renewed \
            -keyout /etc/windsock/tls/key.pem -out /etc/windsock/tls/fullchain.pem
        systemctl reload windsock
    """)
    service.until(f"{show} | grep -q renewed")
    service.run("cp /tmp/airflow.cfg /etc/windsock/airflow.cfg && systemctl reload windsock")
    service.until(f"curl -sf -u ann:{service.password} http://127.0.0.1:8080{API}/test")


def test_pgbouncer(service: Machine) -> None:
    """From its package to an API that is served through it; a backup goes past it."""
    service.run("cp -a /etc/windsock/airflow.cfg /etc/windsock/credentials/dsn /tmp")
    assert '"items"' in follow(service, "PgBouncer")
    pools = "psql 'host=127.0.0.1 port=6432 user=windsock dbname=windsock' -qAtc 'SELECT 1'"
    password = service.says("cut -d '\"' -f 4 /etc/pgbouncer/userlist.txt")
    assert service.says(f"PGPASSWORD={password} {pools}") == "1"
    assert "itself" in service.says("windsock-admin db backup /root/refused.backup 2>&1")
    assert service.says("ls /root/refused.backup 2>&1 | grep -c 'No such'") == "1"
    service.run("mv /tmp/airflow.cfg /etc/windsock; mv /tmp/dsn /etc/windsock/credentials")
    service.run("systemctl restart windsock; systemctl stop pgbouncer")
    service.until(f"curl -sf -u ann:{service.password} http://127.0.0.1:8080{API}/pools")
