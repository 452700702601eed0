import pytest

from tests.systemd.documents import follow, sections, type_block
from tests.systemd.machine import Machine

pytestmark = [pytest.mark.systemd, pytest.mark.timeout(600)]

REALM = """
cat > /etc/krb5.conf <<'END'
[libdefaults]
default_realm = WINDSOCK.TEST
dns_lookup_kdc = false
dns_lookup_realm = false
rdns = false
[realms]
WINDSOCK.TEST = {
    kdc = 127.0.0.1
}
END
cat > /etc/krb5kdc/kdc.conf <<'END'
[realms]
WINDSOCK.TEST = {
    database_name = /var/lib/krb5kdc/principal
    key_stash_file = /etc/krb5kdc/stash
}
END
rm -f /var/lib/krb5kdc/principal* /etc/krb5kdc/stash
kdb5_util create -s -P master
kadmin.local -q 'addprinc -pw of-alice alice'
systemd-run --quiet --unit=kdc krb5kdc -n
sleep 1
"""


def test_kerberos(service: Machine) -> None:
    """The hardened service reads the keytab that systemd hands it, and knows the user of a ticket."""
    service.run(REALM)
    service.run("cp /etc/windsock/airflow.cfg /tmp/airflow.cfg")
    make_keytab, call = sections("docs/authentication.md")["Kerberos"]
    type_block(service, make_keytab)
    follow(service, "Kerberos")
    assert type_block(service, call).endswith('{"status":"OK"}\n')
    url = "http://server.windsock.test:8080/api/experimental/test"
    assert service.ask(url, "--user", ":", "--negotiate", "--service-name", "airflow") == (200, '{"status":"OK"}\n')
    assert service.ask(url, "--user", "ann:x")[0] == 403
    assert service.says("ls /run/credentials/windsock-scheduler.service") == "windsock_dsn"
    # What was installed with --kerberos stays so.
    service.run("deploy/install.sh --wheelhouse /srv/wheels && systemctl restart windsock")
    assert service.ask(url, "--user", ":", "--negotiate", "--service-name", "airflow")[0] == 200
    service.run("cp /tmp/airflow.cfg /etc/windsock/airflow.cfg && systemctl restart windsock && systemctl stop kdc")
