"""A Kerberos realm of the tests' own: MIT's key distribution centre, with users and services."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from k5test import K5Realm

USER = "alice"
PASSWORD = "of-alice"
REALM = "WINDSOCK.TEST"
# What `airflow@localhost` and `HTTP@localhost` become.
HOST = "localhost"


class Realm:
    """A running realm; `environment` is what a program needs to find it."""

    def __init__(self, realm: K5Realm, folder: Path) -> None:
        self.environment: dict[str, str] = {
            "KRB5_CONFIG": realm.env["KRB5_CONFIG"],
            "KRB5_KDC_PROFILE": realm.env["KRB5_KDC_PROFILE"],
            "KRB5CCNAME": f"FILE:{folder / 'ccache'}",
            "KRB5RCACHEDIR": str(folder),
            # A keytab that the configuration does not name must not come to help.
            "KRB5_KTNAME": str(folder / "no-such-keytab"),
        }
        self._realm = realm
        self.keytab = folder / "airflow.keytab"
        self.other_keytab = folder / "http.keytab"
        realm.addprinc(USER, PASSWORD)
        for service, keytab in (("airflow", self.keytab), ("HTTP", self.keytab), ("HTTP", self.other_keytab)):
            if keytab != self.other_keytab:
                realm.run([realm.kadmin_local, "-q", f"addprinc -randkey {service}/{HOST}"])
            self.add_key(keytab, service)
        realm.run(["kinit", USER], env={**realm.env, **self.environment}, input=f"{PASSWORD}\n")

    def add_key(self, keytab: Path, service: str) -> None:
        """Add the key of a service to a keytab."""
        self._realm.run([self._realm.kadmin_local, "-q", f"ktadd -norandkey -k {keytab} {service}/{HOST}"])

    def new_key(self, keytab: Path) -> None:
        """Give the service another key, in a keytab of its own; old tickets are of the old key."""
        self._realm.run([self._realm.kadmin_local, "-q", f"ktadd -k {keytab} airflow/{HOST}"])
        self._realm.run(["kinit", USER], env={**self._realm.env, **self.environment}, input=f"{PASSWORD}\n")


@contextmanager
def running_realm(folder: Path) -> Iterator[Realm]:
    """Run a realm while the block runs."""
    options = {
        "dns_canonicalize_hostname": "false",
        "rdns": "false",
        "dns_lookup_kdc": "false",
        "dns_lookup_realm": "false",
    }
    realm = K5Realm(
        realm=REALM, portbase=_free_ports(), create_user=False, get_creds=False, create_host=False,
        krb5_conf={"libdefaults": options},
    )  # fmt: skip
    try:
        yield Realm(realm, folder)
    finally:
        realm.stop()


def _free_ports() -> int:
    """Return the first of ten ports that are probably free; workers of pytest-xdist do not share any."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    for base in range(21000 + 1000 * (worker % 10), 65000, 10):
        try:
            for port in range(base, base + 10):
                with socket.socket() as sock:
                    sock.bind(("", port))
        except OSError:
            continue
        return base
    raise RuntimeError("no free ports")
