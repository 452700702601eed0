"""Sessions by themselves: whose they are, and which keys read them."""

import types

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from cryptography.fernet import Fernet, InvalidToken

from server.auth.cookies import RotatingFernet
from server.auth.sessions import COOKIE, Sessions
from server.http.proxies import Proxies
from windsock.config import Config, load_config


def config(**options: str) -> Config:
    return load_config({"AIRFLOW_HOME": "/nonexistent"}, overrides={"secret_key": "k" * 32, **options}, database="none")


def sessions(backend: str, **options: str) -> Sessions:
    module = types.ModuleType(backend)
    return Sessions(config(**options), module, Proxies([]))


async def test_a_session_is_its_backends() -> None:
    """Another backend that knows no stamps either does not take it: it may know somebody else by that name."""
    response = web.Response()
    assert await sessions("first").begin(make_mocked_request("POST", "/"), response, "alice")
    cookie = {"Cookie": f"{COOKIE}={response.cookies[COOKIE].value}"}
    found = await sessions("first").identify(make_mocked_request("GET", "/", cookie))
    assert found is not None
    assert found.user == "alice"
    assert await sessions("second").identify(make_mocked_request("GET", "/", cookie)) is None
    assert await sessions("first", secret_key="o" * 32).identify(make_mocked_request("GET", "/", cookie)) is None


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
    response = web.Response()
    await sessions("one", **options).begin(make_mocked_request("POST", "/"), response, "alice")
    assert ("makes one up" in caplog.text) == warned
    request = make_mocked_request("GET", "/", {"Cookie": f"{COOKIE}={response.cookies[COOKIE].value}"})
    known = await sessions("one", **options).identify(request)
    assert (known is not None) == ("secret_key" not in options)
