"""The command line against kerberos_auth, with the ticket of the user's cache."""

from pathlib import Path

from tests.acceptance.cli import fill, over_http, rows, windsock
from tests.kerberos import Realm
from tests.live import live_server


async def test_the_ticket_of_the_cache_is_used(database: str, realm: Realm, tmp_path: Path) -> None:
    """With a ticket it works, without one it is 4 and says kinit; the backend's name is needed here too."""
    await fill(database)
    options = {"auth_backend": "kerberos_auth", "kerberos_keytab": str(realm.keytab), "kerberos_hostname": "localhost"}
    async with live_server(database, **options) as url:
        plain = over_http(url.replace("127.0.0.1", "localhost"), NETRC=str(tmp_path / "none"))
        kerberos = {**plain, "AIRFLOW__API__AUTH_BACKEND": "airflow.api.auth.backend.kerberos_auth"}
        done = await windsock("trigger_dag", "-r", "of_alice", "ref_setup", **kerberos)
        assert (done.code, done.err.startswith("Warning: No scheduler of this database is alive")) == (0, True)
        assert (await windsock("dag_state", "ref_setup", "of_alice", **kerberos)).out == "running\n"
        without = await windsock("pool", **{**kerberos, "KRB5CCNAME": f"FILE:{tmp_path / 'empty'}"})
        assert (without.code, without.out, "kinit" in without.err) == (4, "", True)
        unset = await windsock("pool", **plain)
        assert (unset.code, "auth_backend = kerberos_auth" in unset.err) == (4, True)
    assert ("ref_setup", "of_alice") in {row[:2] for row in (await rows(database))["dag_run"]}
