"""Several backends at once: tickets, passwords, tokens and modules of somebody else, each by its scheme word."""

import asyncio
import base64
import json
import re
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import aiohttp
import gssapi
import pytest
from yarl import URL

from auth_backends.conformance import API, BackendConformance, ask, served
from server.auth import tokens
from server.auth.sessions import COOKIE
from tests.integration.passwords import add_user, basic, execute, other_hash
from tests.kerberos import REALM, Realm
from tests.live import live_server
from windsock.client.credentials import Given, find_auth
from windsock.config import load_config

SESSION = ("POST", f"{API}/session")
TOKEN = tokens.make()
BEARER = """
from server.auth import Identity
from server.errors import Forbidden, Unauthorized

SCHEMES = ("bearer",)

async def authenticate(request):
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthorized("who?", {"WWW-Authenticate": 'Bearer realm="Windsock"'})
    if token != "of-alice":
        raise Forbidden("no")
    return Identity("alice")
"""
# It looks at another header than `Authorization`.
HEADER = """
from server.auth import Identity
from server.errors import Unauthorized

SCHEMES = ()

async def authenticate(request):
    user = request.headers.get("X-Signed-User")
    if user is None:
        raise Unauthorized("who?")
    return Identity(user)
"""


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server import the modules of somebody else."""
    for name, source in {"chain_bearer": BEARER, "chain_header": HEADER}.items():
        (tmp_path / f"{name}.py").write_text(source)
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.fixture
async def url(database: str, realm: Realm, modules: None, fast_path: str) -> AsyncIterator[str]:
    """Serve with all of them."""
    del modules
    await add_user(database, "alice")
    insert = "INSERT INTO windsock_token (name, digest, role) VALUES ('ci', $1, 'User')"
    await execute(database, insert, tokens.digest(TOKEN))
    options = {"kerberos_keytab": str(realm.keytab), "kerberos_hostname": "localhost", "fast_path": fast_path}
    names = "kerberos_auth, password_auth token_auth, chain_header"
    async with live_server(
        database, auth_backend=names, user_check_seconds="0", verified_seconds="0", **options
    ) as url:
        yield url


def ticket() -> str:
    """Return a new token for the server."""
    name = gssapi.Name("airflow@localhost", gssapi.NameType.hostbased_service)
    return base64.b64encode(gssapi.SecurityContext(name=name, usage="initiate").step() or b"").decode()


def sent(value: str) -> Mapping[str, str]:
    """Return the header."""
    return {"Authorization": value}


PASSWORD = basic("alice")["Authorization"].partition(" ")[2]
CHALLENGES = ["Negotiate", 'Basic realm="Windsock", charset="UTF-8"', 'Bearer realm="Windsock"']


async def challenges(url: str, *headers: tuple[str, str]) -> tuple[int, Sequence[str]]:
    """Send a request with these headers, repeated ones too; return the status and the challenges."""
    async with (
        aiohttp.ClientSession(trust_env=False) as client,
        client.get(URL(f"{url}{API}/test"), headers=list(headers)) as response,
    ):
        assert set(await response.json()) >= ({"code", "error"} if response.status != 200 else {"status"})
        return response.status, response.headers.getall("WWW-Authenticate", [])


@pytest.mark.parametrize("word", ["Negotiate", "NEGOTIATE", "nEgOtIaTe"])
async def test_tickets(url: str, word: str) -> None:
    """The word chooses in upper and lower case; the server proves itself; other backends' credentials do not help."""
    status, proof = await challenges(url, ("Authorization", f"{word} {ticket()}"))
    assert (status, len(proof), proof[0].partition(" ")[0]) == (200, 1, "negotiate")
    assert await challenges(url, ("Authorization", f"{word} {PASSWORD}")) == (403, [])
    assert await challenges(url, ("Authorization", f"{word} {TOKEN}")) == (403, [])


@pytest.mark.parametrize("word", ["Basic", "bAsIc", "token", "Digest-of-mine", "B\u00e4sic"])
async def test_passwords(url: str, word: str) -> None:
    """Any word that is nobody else's is for password_auth, as it is alone."""
    assert (await ask(url, sent(f"{word} {PASSWORD}"))).status == 200
    wrong = basic("alice", "guessed")["Authorization"].partition(" ")[2]
    assert await challenges(url, ("Authorization", f"{word} {wrong}")) == (403, [])
    assert await challenges(url, ("Authorization", f"{word} {TOKEN}")) == (401, CHALLENGES)


async def test_a_module_of_ones_own(url: str) -> None:
    """One has a word of its own, one none; a refusal by one is not mended by another."""
    assert (await ask(url, sent(f"bEARER {TOKEN}"))).status == 200
    assert (await ask(url, sent(f"Bearer {PASSWORD}"))).status == 403
    assert (await ask(url, {"X-Signed-User": "carol"}, *SESSION)).text == '{"user":"carol"}\n'
    assert (await ask(url, {"X-Signed-User": "carol", **sent("Bearer x")})).status == 403
    assert json.loads((await ask(url, {"X-Signed-User": "carol", **basic("alice")}, *SESSION)).text)["user"] == "alice"


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("Authorization", ""),),
        (("Authorization", ""), ("Authorization", "")),
        (("Authorization", f"Basic {PASSWORD}"), ("Authorization", f"Bearer {TOKEN}")),
        (("Authorization", f"Bearer {TOKEN}"), ("Authorization", f"Bearer {TOKEN}")),
        (("Authorization", ""), ("Authorization", f"Bearer {TOKEN}")),
        (("Authorization", "Negotiate AAAA"), ("Authorization", f"Bearer {TOKEN}")),
        (("Authorization", "Bearer"),),
        (("Authorization", "Basic !!!"), ("X-Odd", "\u00e9")),
        (("Cookie", f"{COOKIE}=forged"),),
    ],
)
async def test_what_is_no_credential(url: str, headers: Sequence[tuple[str, str]]) -> None:
    """A 401 with the challenge of each backend on a line of its own, in their order."""
    assert await challenges(url, *headers) == (401, CHALLENGES)


async def test_bytes_that_are_not_utf_8(url: str) -> None:
    """Wherever they are in a request, the 401 has every challenge."""
    host, port = str(URL(url).host), int(URL(url).port or 0)
    reader, writer = await asyncio.open_connection(host, port)
    head = f"GET {API}/test HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nX-Odd: ".encode()
    writer.write(head + b"\xff\xe9\r\nAuthorization: Basic \xff\r\n\r\n")
    answer = (await reader.read()).decode()
    writer.close()
    assert answer.startswith("HTTP/1.1 401 ")
    assert re.findall(r"(?mi)^www-authenticate: (.*?)\r$", answer) == CHALLENGES


async def test_an_unknown_word_without_passwords(realm: Realm, modules: None) -> None:
    """Without password_auth it is a 401, with the words that are known."""
    del modules
    options = {"kerberos_keytab": str(realm.keytab), "kerberos_hostname": "localhost"}
    async with served("kerberos_auth,chain_bearer", options) as url:
        assert await challenges(url, ("Authorization", f"Basic {PASSWORD}")) == (401, [CHALLENGES[0], CHALLENGES[2]])
        assert "Negotiate or Bearer" in (await ask(url, sent(f"Basic {PASSWORD}"))).text


async def test_sessions(url: str, database: str) -> None:
    """Each is that of its backend: a new password ends that of the password, and no other."""
    begun = {
        way: await ask(url, sent(value), *SESSION)
        for way, value in (
            ("ticket", f"Negotiate {ticket()}"), ("password", f"Basic {PASSWORD}"), ("token", f"Bearer {TOKEN}"),
        )
    }  # fmt: skip
    users = {way: json.loads(reply.text)["user"] for way, reply in begun.items()}
    assert users == {"ticket": f"alice@{REALM}", "password": "alice", "token": "token:ci"}
    cookies = {way: {"Cookie": f"{COOKIE}={reply.cookies[COOKIE]}"} for way, reply in begun.items()}
    assert {way: (await ask(url, cookie)).status for way, cookie in cookies.items()} == dict.fromkeys(cookies, 200)
    assert {(await ask(url, cookie, *SESSION)).status for cookie in cookies.values()} == {401}
    await execute(database, "UPDATE users SET password = $1", other_hash())
    ended = {"ticket": 200, "password": 401, "token": 200}
    assert {way: (await ask(url, cookie)).status for way, cookie in cookies.items()} == ended
    await execute(database, "DELETE FROM windsock_token")
    ended |= {"token": 401}
    assert {way: (await ask(url, cookie)).status for way, cookie in cookies.items()} == ended


async def test_a_session_ends_with_its_backend(database: str, modules: None) -> None:
    """It does not become one of another backend that knows the same name."""
    del modules
    await add_user(database, "alice")
    key = {"secret_key": "k" * 32}
    async with live_server(database, auth_backend="chain_bearer password_auth", **key) as url:
        cookie = {"Cookie": f"{COOKIE}={(await ask(url, sent('Bearer of-alice'), *SESSION)).cookies[COOKIE]}"}
        assert (await ask(url, cookie)).status == 200
    async with live_server(database, auth_backend="password_auth", **key) as url:
        assert (await ask(url, cookie)).status == 401


class TestBeside(BackendConformance):
    """A backend passes the suite beside others as it does alone."""

    backend = "kerberos_auth, chain_bearer"

    @pytest.fixture
    async def url(self, realm: Realm, modules: None) -> AsyncIterator[str]:
        """Serve both."""
        del modules
        options = {"kerberos_keytab": str(realm.keytab), "kerberos_hostname": "localhost"}
        async with served(self.backend, options) as url:
            yield url

    def right(self) -> Mapping[str, str]:
        return sent("Bearer of-alice")

    def wrong(self) -> Sequence[Mapping[str, str]]:
        return [sent("Bearer guessed"), sent("Negotiate AAAA")]


@pytest.mark.parametrize(
    ("backends", "env", "given", "expected"),
    [
        ("kerberos_auth,password_auth", {}, {}, "Negotiate"),
        ("kerberos_auth,password_auth", {"WINDSOCK_USERNAME": "ann"}, {}, "Basic"),
        ("kerberos_auth,password_auth", {"WINDSOCK_USERNAME": "ann", "WINDSOCK_TOKEN": "t"}, {}, "Bearer"),
        ("kerberos_auth,token_auth", {"WINDSOCK_USERNAME": "ann"}, {}, "Negotiate"),
        ("kerberos_auth", {"WINDSOCK_USERNAME": "ann"}, {}, "Negotiate"),
        ("kerberos_auth", {"WINDSOCK_TOKEN": "t"}, {}, "Bearer"),
        ("default", {"AIRFLOW__WINDSOCK__TOKEN": "t"}, {}, "Bearer"),
        ("default", {"AIRFLOW__WINDSOCK__TOKEN_CMD": "echo t"}, {}, "Bearer"),
        ("token_auth,password_auth", {"WINDSOCK_TOKEN": "t"}, {"username": "ann", "password": "x"}, "Basic"),
        ("kerberos_auth", {}, {"token": "t"}, "Bearer"),
        ("token_auth,password_auth", {}, {}, "ClientAuth"),
    ],
)
def test_which_credentials_a_client_sends(
    backends: str, env: dict[str, str], given: dict[str, str], expected: str, tmp_path: Path
) -> None:
    """A token if there is one, then a password if a backend takes it, then a ticket."""
    env = {
        "AIRFLOW_HOME": "/nonexistent",
        "NETRC": str(tmp_path / "none"),
        "AIRFLOW__API__AUTH_BACKEND": backends,
        **env,
    }
    config = load_config(env, database="none")
    assert type(find_auth(config, env, "localhost", given=Given(**given))).__name__ == expected
