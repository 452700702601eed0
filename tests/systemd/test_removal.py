import pytest

from tests.systemd.documents import follow
from tests.systemd.machine import Machine

pytestmark = [pytest.mark.systemd, pytest.mark.timeout(600)]


def test_removal(service: Machine) -> None:
    """What the operator made stays, unless `--purge` takes it; the database always stays."""
    for wrong in ("--help", "--purge-all", "--purge now", "''"):
        assert service.says(f"/srv/windsock/deploy/uninstall.sh {wrong} >/dev/null 2>&1 || echo $?") == "2"
    assert service.says("systemctl is-active windsock.service") == "active"
    service.run("touch /etc/windsock/credentials/of_the_operator /usr/local/share/doc/of_the_operator_windsock")
    for unit in ("windsock.service", "windsock.socket", "windsock-scheduler.service", "windsock-initdb.service"):
        service.run(f"install -d /etc/systemd/system/{unit}.d")
    follow(service, "Removal")
    assert service.says("find /opt /usr/local -name '*windsock*'") == "/usr/local/share/doc/of_the_operator_windsock"
    assert "No files found" in service.says("systemctl cat windsock.service 2>&1")
    assert {"dsn", "of_the_operator", "secret_key", "tasks_dsn"} <= set(
        service.says("ls /etc/windsock/credentials").split()
    )
    assert service.says("pgrep -u windsock,windsock-tasks") == ""
    service.run("deploy/uninstall.sh --purge")
    assert service.says("ls -d /etc/windsock /var/l*/windsock* /etc/systemd/system/windsock* 2>/dev/null") == ""
    assert service.says("getent passwd windsock windsock-tasks") == ""
    assert service.says("runuser -u postgres -- psql -qAt -c 'SELECT count(*) > 0 FROM dag' windsock") == "t"
