"""One machine for all tests of systemd, set up as `docs/deployment.md` says; they run in the order of their files."""

from collections.abc import Iterator

import pytest

from tests.systemd.documents import follow
from tests.systemd.machine import Machine, booted, what_is_missing

SET_UP = ("Install", "A database of its own", "Start", "Run tasks")


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    """Boot a machine like one on which only Debian's packages are installed."""
    if reason := what_is_missing():
        pytest.skip(reason)
    with booted() as machine:
        _be_like_a_new_server(machine)
        yield machine


@pytest.fixture(scope="session")
def printed(machine: Machine) -> dict[str, str]:
    """Install and start the services as the document says; what its commands printed, by section."""
    return {section: follow(machine, section) for section in SET_UP}


@pytest.fixture(scope="session")
def service(machine: Machine, printed: dict[str, str]) -> Machine:
    """The machine with the services that run."""
    assert printed
    return machine


def _be_like_a_new_server(machine: Machine) -> None:
    """Do what Debian's packages do when they are installed."""
    machine.run("""
        echo 'APT::Get::Assume-Yes "true";' > /etc/apt/apt.conf.d/99windsock-test
        rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /var/lib/dpkg/updates/*
        rm -f /etc/systemd/system/{nginx,pgbouncer,postgresql,prometheus,krb5-kdc}.service
        version=$(ls /usr/lib/postgresql | tail -n 1)
        rm -rf /etc/postgresql /var/lib/postgresql /var/lib/prometheus/metrics2
        install -d -o postgres -g postgres /var/lib/postgresql /etc/postgresql
        install -d -o prometheus -g prometheus /var/lib/prometheus /var/lib/prometheus/metrics2
        pg_createcluster "$version" main
        systemctl daemon-reload
        systemctl start postgresql
    """)
    machine.until("runuser -u postgres -- psql -c 'SELECT 1'")
