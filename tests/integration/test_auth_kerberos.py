"""kerberos_auth against a real realm, with the clients that people use."""

import asyncio
import base64
import importlib
import logging
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import asyncpg
import gssapi
import pytest
import spnego

from auth_backends import kerberos_auth
from auth_backends.conformance import API, ask
from server.errors import StartupError
from tests.airflow.ab_tables import add_user, make_roles
from tests.airflow.schemas import make_schema
from tests.kerberos import REALM, Realm
from tests.live import config_for, live_server
from windsock.client.negotiate import Negotiate
from windsock.client.results import ClientError
from windsock.errors import ConfigError

Server = Callable[..., AbstractAsyncContextManager[str]]


@pytest.fixture
def server(database: str, realm: Realm) -> Server:
    """Serve with the realm's keytab; options may say otherwise."""

    def start(**options: object) -> AbstractAsyncContextManager[str]:
        usual = {"kerberos_keytab": str(realm.keytab), "kerberos_hostname": "localhost"}
        return live_server(database, **{"auth_backend": "kerberos_auth", **usual, **options})

    return start


@pytest.fixture
async def url(server: Server) -> AsyncIterator[str]:
    """Serve under the name that the service has."""
    async with server() as url:
        yield url.replace("127.0.0.1", "localhost")


def token(service: str = "airflow", mech: str | None = None) -> bytes:
    """Return a client's first token."""
    name = gssapi.Name(f"{service}@localhost", gssapi.NameType.hostbased_service)
    oid = gssapi.OID.from_int_seq(mech) if mech else None
    return gssapi.SecurityContext(name=name, usage="initiate", mech=oid).step() or b""


def negotiate(sent: bytes) -> dict[str, str]:
    """Return the header for a token."""
    return {"Authorization": f"Negotiate {base64.b64encode(sent).decode()}"}


async def run(*command: str) -> str:
    """Run a client; its output."""
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    return (await process.communicate())[0].decode()


async def test_curl(url: str) -> None:
    """As the docs have it; with the tickets of another service it is refused."""
    status = ("-s", "-o", "/dev/null", "-w", "%{http_code}", "--negotiate", "-u", ":")
    assert await run("curl", *status, "--service-name", "airflow", f"{url}{API}/test") == "200"
    assert await run("curl", *status, "--service-name", "HTTP", f"{url}{API}/test") == "403"


CLIENT = """
import sys, requests, requests_kerberos, requests_gssapi
for auth in (
    requests_kerberos.HTTPKerberosAuth(mutual_authentication=requests_kerberos.REQUIRED, service="airflow"),
    requests_gssapi.HTTPSPNEGOAuth(mutual_authentication=requests_gssapi.REQUIRED, target_name="airflow"),
):
    for method, path, body in (("GET", "/test", None), ("GET", "/dags/nope/paused", None), ("POST", "/pools", "{"),
                               ("GET", "/nope", None), ("PUT", "/test", None)):
        answer = requests.request(method, sys.argv[1] + path, data=body, auth=auth)
        print(answer.status_code if answer.content else "nothing")
"""


async def test_requests_with_mutual_authentication(url: str) -> None:
    """Both libraries insist on the server's token with every answer: successes, JSON errors, no such route.

    Of an error without one they hand on the status and nothing else.
    """
    assert (await run(sys.executable, "-W", "ignore", "-c", CLIENT, url + API)).split() == [
        "200", "404", "400", "404", "405", "200", "404", "400", "404", "405",
    ]  # fmt: skip


@pytest.mark.parametrize("mech", ["1.3.6.1.5.5.2", "1.2.840.113554.1.2.2"])
async def test_tokens(url: str, mech: str) -> None:
    """SPNEGO and bare Kerberos are taken once; neither again, nor cut, nor changed, nor for another service."""
    sent = token(mech=mech)
    reply = await ask(url, negotiate(sent))
    assert reply.status == 200
    assert reply.headers["WWW-Authenticate"].startswith("negotiate ")
    fresh = token(mech=mech)
    changed = fresh[:-20] + bytes(byte ^ 1 for byte in fresh[-20:])
    for bad in (sent, fresh[:-40], changed, token("HTTP", mech)):
        reply = await ask(url, negotiate(bad))
        assert (reply.status, "WWW-Authenticate" in reply.headers) == (403, False)
    assert (await ask(url, negotiate(token(mech=mech) + bytes(100)))).status in {200, 403}


async def test_pyspnego(url: str) -> None:
    """Its client in both of its ways: the server's answer completes what it began."""
    for protocol in ("negotiate", "kerberos"):
        client = spnego.client(hostname="localhost", service="airflow", protocol=protocol)
        reply = await ask(url, negotiate(client.step() or b""))
        assert reply.status == 200
        client.step(base64.b64decode(reply.headers["WWW-Authenticate"].partition(" ")[2]))
        assert (client.complete, client.negotiated_protocol) == (True, "kerberos")


def der(tag: int, content: bytes) -> bytes:
    """Return an element of DER."""
    size = len(content)
    return bytes([tag]) + (bytes([size]) if size < 128 else b"\x83" + size.to_bytes(3)) + content


KERBEROS, SPNEGO = bytes.fromhex("06092a864886f712010202"), bytes.fromhex("06062b0601050502")
NTLM = bytes.fromhex("060a2b06010401823702020a")
HELLO = b"NTLMSSP\0\1\0\0\0\x97\x82\x08\xe2" + bytes(16)
MECHANISMS, HUGE = der(0xA0, der(0x30, KERBEROS)), der(0x06, b"\x2b" + b"\x81" * 47000 + b"\1")


def init(*fields: bytes) -> bytes:
    """Return SPNEGO's first token."""
    return der(0x60, SPNEGO + der(0xA0, der(0x30, b"".join(fields))))


ODD = {
    "ntlm": HELLO,
    "ntlm-in-spnego": init(der(0xA0, der(0x30, NTLM)), der(0xA2, der(0x04, HELLO))),
    "ntlm-as-kerberos": init(MECHANISMS, der(0xA2, der(0x04, HELLO))),
    "the-client-says-complete": der(0xA1, der(0x30, der(0xA0, der(0x0A, b"\0")) + der(0xA1, KERBEROS))),
    "no-ticket": init(MECHANISMS),
    "long-number": init(der(0xA0, der(0x30, HUGE))),
    "long-number-behind": init(MECHANISMS, der(0xA1, b""), der(0xA0, der(0x30, HUGE))),
    "long-number-outside": der(0x60, HUGE),
    "many-mechanisms": init(der(0xA0, der(0x30, KERBEROS * 4000))),
    "nested": der(0x60, SPNEGO + der(0x60, SPNEGO + der(0x60, SPNEGO))),
    "cut": init(MECHANISMS)[:-5],
    "long-ticket": init(MECHANISMS, der(0xA2, der(0x04, bytes(40000)))),
}


@pytest.mark.parametrize("odd", ODD)
def test_odd_tokens_are_refused(realm: Realm, odd: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a token says of itself; and none keeps the one thread busy that all tickets go through."""
    (tmp_path / "ntlm").write_text("DOMAIN:alice:secret\n")
    monkeypatch.setenv("NTLM_USER_FILE", str(tmp_path / "ntlm"))
    options = {"kerberos_keytab": str(realm.keytab), "kerberos_hostname": "localhost"}
    kerberos = kerberos_auth.Kerberos(config_for("postgresql://localhost/none", **options))
    start = time.process_time()
    with pytest.raises(kerberos_auth._Refused):
        kerberos._step(ODD[odd])
    assert time.process_time() - start < 0.1


async def test_why_a_token_was_refused_is_logged(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """In GSSAPI's words, and without the token."""
    caplog.set_level(logging.DEBUG)
    sent = negotiate(token())
    assert [(await ask(url, sent)).status for _ in range(2)] == [200, 403]
    told = "".join(repr(vars(record)) for record in caplog.records)
    assert "Request is a replay" in told
    assert sent["Authorization"].split()[1][:40] not in told


async def test_large_headers_pass(url: str) -> None:
    """A ticket of 16 KB is read, and judged: it is not the header's size that refuses it."""
    padding = {"X-Padding": "x" * 16384}
    assert (await ask(url, {**negotiate(token()), **padding})).status == 200
    assert (await ask(url, negotiate(bytes(16384)))).status == 403


async def test_a_replaced_keytab_counts_at_once(server: Server, realm: Realm, tmp_path: Path) -> None:
    """The old key's tickets go, the new one's come; without a keytab it is 503, not a refusal."""
    keytab = tmp_path / "airflow.keytab"
    shutil.copy(realm.keytab, keytab)
    async with server(kerberos_keytab=str(keytab)) as url:
        assert (await ask(url, negotiate(token()))).status == 200
        shutil.copy(realm.other_keytab, keytab)
        assert (await ask(url, negotiate(token()))).status == 503
        realm.new_key(realm.keytab)
        shutil.copy(realm.keytab, keytab)
        assert (await ask(url, negotiate(token()))).status == 200


async def test_realms(server: Server) -> None:
    """Only realms that are named are admitted or stripped; without any it is the service's own."""
    session = ("POST", f"{API}/session")
    for options, expected in (
        ({}, f'{{"user":"alice@{REALM}"}}'),
        ({"kerberos_realms": "OTHER.TEST"}, "refused"),
        ({"kerberos_realms": f"OTHER.TEST {REALM}"}, f'{{"user":"alice@{REALM}"}}'),
        ({"kerberos_strip_realms": REALM}, '{"user":"alice"}'),
    ):
        async with server(**options) as url:
            assert expected in (await ask(url, negotiate(token()), *session)).text


async def test_what_is_missing_stops_the_start(
    server: Server, realm: Realm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No keytab, none that is there, one without the service, no library: one line says which."""
    for options, reason in (
        ({"kerberos_keytab": None}, "set .kerberos. keytab"),
        ({"kerberos_keytab": str(tmp_path / "none")}, "missing or cannot be read"),
        ({"kerberos_keytab": str(realm.other_keytab)}, "no usable key of airflow/localhost"),
        ({"kerberos_hostname": "elsewhere.test"}, "no usable key of airflow/elsewhere.test"),
    ):
        with pytest.raises(StartupError, match=reason):
            async with server(**options):
                pass
    for needed in ("spnego", "krb5", "gssapi"):
        monkeypatch.setitem(sys.modules, needed, None)
        with pytest.raises(ConfigError, match=f"needs the Python package {needed}"):
            async with server():
                pass


async def test_our_own_client(url: str, database: str) -> None:
    """It shows a ticket when asked, and takes no answer of a server that cannot prove itself."""
    client = importlib.import_module("auth_backends.kerberos_auth").client_auth(config_for(database))
    assert isinstance(client, Negotiate)
    assert client.authorize("localhost", []) == {}
    headers = client.authorize("localhost", ["Negotiate"])
    reply = await ask(url, headers)
    client.verify([reply.headers["WWW-Authenticate"]])
    client.authorize("localhost", ["Negotiate"])
    with pytest.raises(ClientError, match="did not prove"):
        client.verify([])
    with pytest.raises(ClientError, match="kinit"):
        client.authorize("nowhere.test", ["Negotiate"])


def test_names_of_principals() -> None:
    """The realm follows the last @ that is not part of the name."""
    match = kerberos_auth._PRINCIPAL.fullmatch(r"a\@b@REALM")
    assert match is not None
    assert match.groupdict() == {"name": r"a\@b", "realm": "REALM"}
    assert kerberos_auth._PRINCIPAL.fullmatch("alice") is None


async def test_a_principal_has_the_roles_of_the_user_of_that_name(empty_database: str, realm: Realm) -> None:
    """As for Airflow's own Kerberos backend: the whole principal is the name; a stripped one is another user."""
    await make_schema(empty_database, "3.3.2")
    owner = await asyncpg.connect(empty_database)
    await make_roles(owner, {"reader": [("can_read", "DAGs")], "pools": [("can_read", "Pools")]})
    await add_user(owner, f"Alice@{REALM}", "reader")
    await add_user(owner, "alice", "pools")
    await add_user(owner, "mallory", "pools", email=f"alice@{REALM}")
    await owner.close()
    usual = {"auth_backend": "kerberos_auth", "kerberos_keytab": str(realm.keytab), "kerberos_hostname": "localhost"}
    found: list[int] = []
    for strip in ("", REALM):
        async with live_server(empty_database, **usual, kerberos_strip_realms=strip) as url:
            for path in ("/dags", "/pools"):
                answer = await ask(url, negotiate(token()), "GET", f"{API}{path}")
                found.append(answer.status)
    assert found == [200, 403, 403, 200]
