"""Each of our backends, and the one of the docs, passes the suite for backends."""

import base64
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import gssapi
import pytest

from auth_backends.conformance import BackendConformance, served
from tests.documents.blocks import blocks
from tests.integration.passwords import CHEAP, add_user, basic
from tests.kerberos import Realm
from tests.live import live_server


class TestDefault(BackendConformance):
    """Everyone is nobody in particular."""

    backend = "airflow.api.auth.backend.default"
    without = 200

    def right(self) -> Mapping[str, str]:
        return {}


class TestDenyAll(BackendConformance):
    """Nobody gets in."""

    backend = "airflow.api.auth.backend.deny_all"
    without = 403

    def right(self) -> None:
        return None

    def wrong(self) -> Sequence[Mapping[str, str]]:
        return [basic("alice", "secret"), {"Authorization": "Bearer x"}]


class TestPassword(BackendConformance):
    """Users of the database."""

    backend = "airflow.contrib.auth.backends.password_auth"
    secrets = (CHEAP, "secret", "wrong-password")

    @pytest.fixture
    async def url(self, database: str) -> AsyncIterator[str]:
        """Serve the backend with its database."""
        await add_user(database, "alice")
        async with live_server(database, auth_backend=self.backend) as url:
            yield url

    def right(self) -> Mapping[str, str]:
        return basic("alice", "secret")

    def wrong(self) -> Sequence[Mapping[str, str]]:
        pairs = (("alice", "wrong-password"), ("nobody", "secret"), ("alice", ""), ("Alice", "secret"), ("a\0", "b"))
        return [basic(user, password) for user, password in pairs]


class TestKerberos(BackendConformance):
    """Users of a realm."""

    backend = "airflow.api.auth.backend.kerberos_auth"

    @pytest.fixture
    async def url(self, realm: Realm) -> AsyncIterator[str]:
        """Serve the backend with the realm's keytab."""
        async with served(
            self.backend, {"kerberos_keytab": str(realm.keytab), "kerberos_hostname": "localhost"}
        ) as url:
            yield url

    def right(self) -> Mapping[str, str]:
        name = gssapi.Name("airflow@localhost", gssapi.NameType.hostbased_service)
        token = gssapi.SecurityContext(name=name, usage="initiate").step()
        assert token is not None
        return {"Authorization": f"Negotiate {base64.b64encode(token).decode()}"}

    def wrong(self) -> Sequence[Mapping[str, str]]:
        name = gssapi.Name("HTTP@localhost", gssapi.NameType.hostbased_service)
        other_service = gssapi.SecurityContext(name=name, usage="initiate").step() or b""
        tokens = (other_service, b"NTLMSSP\0\1\0\0\0\x97\x82\x08\xe2", os.urandom(16384))
        return [{"Authorization": f"Negotiate {base64.b64encode(token).decode()}"} for token in tokens]


class TestBearer(BackendConformance):
    """The worked example of the docs, as it stands there."""

    backend = "bearer_auth"

    @pytest.fixture(autouse=True)
    def _module(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        [example] = [block for block in blocks("docs/authentication.md") if block.file == "bearer_auth.py"]
        (tmp_path / "bearer_auth.py").write_text(example.text)
        (tmp_path / "tokens").write_text("of-alice alice\nof-bob bob\n")
        monkeypatch.setenv("BEARER_TOKENS", str(tmp_path / "tokens"))
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, "bearer_auth", raising=False)

    def right(self) -> Mapping[str, str]:
        return {"Authorization": "Bearer of-alice"}

    def wrong(self) -> Sequence[Mapping[str, str]]:
        return [{"Authorization": "Bearer guessed"}]


STRANGER = """
import logging
from aiohttp import web
from server.auth import Identity
from server.errors import Forbidden, Unauthorized

async def authenticate(request):
    sent = request.headers.get("Authorization", "")
    if not sent:
        {nothing}
    if sent == "Bearer of-alice":
        return Identity("alice")
    {wrong}
"""
ASKS = 'raise Unauthorized("who?", {"WWW-Authenticate": "Bearer"})'
REFUSES = 'raise Forbidden("no")'
SUITE = """
from auth_backends.conformance import BackendConformance

class Stranger(BackendConformance):
    def right(self):
        return {"Authorization": "Bearer of-alice"}

    def wrong(self):
        return [{"Authorization": "Bearer guessed"}]
"""
# How each stranger treats no and wrong credentials, and the tests that have to fail for it.
STRANGERS: Mapping[str, tuple[str, str, set[str]]] = {
    "good": (ASKS, REFUSES, set()),
    "open": ("return Identity(None)", REFUSES, {"no_credentials", "everything_is_denied_by_default"}),
    "mute": ('raise Unauthorized("who?")', REFUSES, {"no_credentials"}),
    "gullible": (
        ASKS,
        'return Identity("nobody")',
        {"wrong_credentials_are_refused", "malformed_credentials_let_nobody_in"},
    ),
    "careless": (ASKS, "raise KeyError(sent)", {"wrong_credentials_are_refused", "no_secret_is_told"}),
    "echoing": (ASKS, 'raise Forbidden(f"no {sent}")', {"no_secret_is_told"}),
    "noting": (ASKS, f'logging.getLogger("stranger").debug(sent); {REFUSES}', {"no_secret_is_told"}),
}


def test_the_suite_finds_what_is_wrong(pytester: pytest.Pytester) -> None:
    """A backend that lets in whom it should not, tells what it should not or answers otherwise does not pass."""
    suite = SUITE
    for name, (nothing, wrong, _) in STRANGERS.items():
        source = STRANGER.replace("{nothing}", nothing).replace("{wrong}", wrong)
        pytester.makepyfile(**{f"{name}_auth": source})
        suite += f'\nclass Test{name.title()}(Stranger):\n    backend = "{name}_auth"\n'
    pytester.makepyfile(suite)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    report = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-q", "-rf")
    lines = [line for line in report.outlines if line.startswith("FAILED")]
    for name, (_, _, failed) in STRANGERS.items():
        named = {line.partition("::test_")[2].split()[0] for line in lines if f"::Test{name.title()}::" in line}
        assert named >= failed, name
        assert bool(named) == bool(failed), (name, named)
