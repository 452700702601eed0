"""Sessions by themselves: whose they are, and which keys read them."""

import types
from typing import cast

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from cryptography.fernet import Fernet, InvalidToken

from server.auth import Chain, Identity
from server.auth.contract import Backend
from server.auth.cookies import RotatingFernet
from server.auth.sessions import COOKIE, Sessions
from server.http.proxies import Proxies
from windsock.config import Config, load_config


def config(**options: str) -> Config:
    return load_config({"AIRFLOW_HOME": "/nonexistent"}, overrides={"secret_key": "k" * 32, **options}, database="none")


def sessions(*backends: str, **options: str) -> Sessions:
    modules = {name: types.ModuleType(name) for name in backends}
    for name, module in modules.items():
        vars(module)["SCHEMES"] = (name,)
    return Sessions(config(**options), Chain(cast("dict[str, Backend]", modules)), Proxies([]))


async def begun(made_by: Sessions, backend: str, realm: str | None = None) -> dict[str, str]:
    """Begin a session of alice's at that backend; return its cookie."""
    response = web.Response()
    identity = Identity("alice", backend=backend, realm=realm)
    assert await made_by.begin(make_mocked_request("POST", "/"), response, identity)
    return {"Cookie": f"{COOKIE}={response.cookies[COOKIE].value}"}


async def test_a_session_is_its_backends() -> None:
    """Another backend that knows no stamps either does not take it: it may know somebody else by that name."""
    cookie = await begun(sessions("first"), "first")
    found = await sessions("first").identify(make_mocked_request("GET", "/", cookie))
    assert found is not None
    assert found.user == "alice"
    assert await sessions("second").identify(make_mocked_request("GET", "/", cookie)) is None
    assert await sessions("first", secret_key="o" * 32).identify(make_mocked_request("GET", "/", cookie)) is None


async def test_a_session_of_several_backends_is_that_of_one() -> None:
    """It says which backend and realm it is of, and ends if that backend is no longer one of them."""
    both = sessions("first", "second")
    for backend, realm in (("first", None), ("second", "EXAMPLE.COM")):
        cookie = await begun(both, backend, realm)
        found = await both.identify(make_mocked_request("GET", "/", cookie))
        assert found == Identity("alice", backend=backend, realm=realm)
        other = "first" if backend == "second" else "second"
        assert await sessions(other, "third").identify(make_mocked_request("GET", "/", cookie)) is None


def test_keys_rotate() -> None:
    """The first key encrypts, any decrypts, a strange one does not."""
    old, new, strange = (Fernet.generate_key() for _ in range(3))
    token = Fernet(old).encrypt(b"x")
    assert RotatingFernet([new, old]).decrypt(token) == b"x"
    assert Fernet(new).decrypt(RotatingFernet([new, old]).encrypt(b"y")) == b"y"
    with pytest.raises(InvalidToken):
        RotatingFernet([new, strange]).decrypt(token)


@pytest.mark.parametrize(
    ("options", "warned"),
    [
        ({"workers": "2", "secret_key": ""}, True),
        ({"workers": "2", "secret_key": "temporary_key"}, True),
        ({"workers": "1", "secret_key": ""}, False),
        ({"workers": "2"}, False),
    ],
)
async def test_a_missing_key_is_made_up(
    options: dict[str, str], *, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """No two processes make up the same; where there are several, a warning says what that means."""
    cookie = await begun(sessions("one", **options), "one")
    assert ("makes one up" in caplog.text) == warned
    request = make_mocked_request("GET", "/", cookie)
    known = await sessions("one", **options).identify(request)
    assert (known is not None) == ("secret_key" not in options)
