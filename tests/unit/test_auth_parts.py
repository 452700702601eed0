"""The parts of authentication, each by itself."""

import asyncio
import base64
import hashlib
import ipaddress
import time

import bcrypt
import pytest
from aiohttp.test_utils import make_mocked_request
from werkzeug import security

from server.auth import basic, hashes
from server.auth.executor import Executor
from server.auth.recent import Recent
from server.auth.throttle import Throttle
from server.auth.verified import Verified
from server.errors import Unauthorized, Unavailable
from server.proxies import Proxies

CHEAP = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()


def pbkdf2(password: str, method: str = "pbkdf2:sha256:1000") -> str:
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), b"salty", 1000).hex()
    return f"{method}$salty${digest}"


def scrypt(password: str) -> str:
    return f"scrypt:1024:8:1$salty${hashlib.scrypt(password.encode(), salt=b'salty', n=1024, r=8, p=1).hex()}"


@pytest.mark.parametrize("stored", [CHEAP, CHEAP.replace("$2b$", "$2a$"), CHEAP.replace("$2b$", "$2y$"),
                                    pbkdf2("secret"), scrypt("secret")],
                         ids=["2b", "2a", "2y", "pbkdf2", "scrypt"])  # fmt: skip
def test_hashes_verify(stored: str) -> None:
    """Bcrypt's three prefixes, pbkdf2 and scrypt: the password, and no other."""
    assert hashes.verify("secret", stored) is True
    assert hashes.verify("Secret", stored) is False
    assert hashes.verify("", stored) is False


def test_werkzeugs_own_hashes_verify() -> None:
    """What the library that made `ab_user`'s hashes makes, in its current forms."""
    for method in ("pbkdf2:sha256:1000", "pbkdf2:sha512:1000", "scrypt:1024:8:1"):
        stored = security.generate_password_hash("p\u00e4ss:w", method=method)
        assert hashes.verify("p\u00e4ss:w", stored) is True
        assert hashes.verify("pass:w", stored) is False


def test_the_first_72_bytes_count() -> None:
    """As Airflow always had it; a new password that is longer is refused."""
    stored = bcrypt.hashpw(b"a" * 72, bcrypt.gensalt(4)).decode()
    assert hashes.verify("a" * 72 + "whatever", stored) is True
    assert hashes.verify("a" * 71 + "b", stored) is False
    with pytest.raises(ValueError, match="72 bytes"):
        hashes.make("\u00e4" * 37)


@pytest.mark.parametrize("stored", ["", "secret", "$2b$12$short", "$2x$04$" + "a" * 53, "$2b$99$" + "a" * 53,
                                    "plain$$secret", "pbkdf2:md5:1$a$00", "scrypt:3:8:1$a$00", "$2b$04$" + "\0" * 53,
                                    "scrypt:99999999:99:99$a$00", "md5$a$00"])  # fmt: skip
def test_broken_hashes_verify_nothing(stored: str) -> None:
    """Nor do they raise."""
    assert not hashes.verify("secret", stored)


@pytest.mark.parametrize("method", ["$2b$05", "pbkdf2:sha256:2000", "pbkdf2:sha512:2000", "scrypt:2048:8:1"])
def test_the_dummy_is_verified_like_a_real_hash(method: str) -> None:
    """It is a hash of that method, which no password has."""
    dummy = hashes.dummy(method)
    assert hashes.method(dummy) == method
    assert hashes.verify("secret", dummy) is False


def header(user_and_password: bytes) -> str:
    return "Basic " + base64.b64encode(user_and_password).decode()


def test_basic_credentials() -> None:
    """Only the first colon divides, the scheme's case does not matter, texts are UTF-8."""
    for value, expected in (
        (header(b"a:b:c"), ("a", "b:c")),
        (header(b":"), ("", "")),
        (header("j\u00fcrgen:\u4e2d".encode()).replace("Basic", "bASIC"), ("j\u00fcrgen", "\u4e2d")),
    ):
        request = make_mocked_request("GET", "/", {"Authorization": value})
        assert basic.credentials(request) == expected


@pytest.mark.parametrize("value", ["", "Basic", "Basic  ", "Bearer YTpi", "Basic YTpi!", header(b"nocolon"),
                                   header("j\u00fcrgen:x".encode("latin-1")), "Basic YTp", "YTpi"])  # fmt: skip
def test_unreadable_credentials_are_401(value: str) -> None:
    """With the challenge and its realm."""
    with pytest.raises(Unauthorized) as caught:
        basic.credentials(make_mocked_request("GET", "/", {"Authorization": value}))
    assert caught.value.headers["WWW-Authenticate"].startswith("Basic realm=")


async def test_a_row_is_read_once_in_n_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """All who ask meanwhile share it, at the same time too; afterwards it is read again."""
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    read: list[str] = []

    async def reader(key: str) -> int:
        await asyncio.sleep(0)
        read.append(key)
        return len(read)

    recent = Recent(reader, 10, limit=2)
    assert await asyncio.gather(*(recent.get("a") for _ in range(5))) == [1] * 5
    now += 9.9
    assert await recent.get("a") == 1
    now += 0.2
    assert recent.peek("a") is None
    assert await recent.get("a") == 2
    for key in "bcd":
        await recent.get(key)
    assert len(recent) == 2


async def test_a_failed_reading_is_not_kept() -> None:
    """Everybody who waited has the error; the next one reads again."""
    fail = [True]

    async def reader(key: str) -> str:
        await asyncio.sleep(0)
        if fail:
            raise Unavailable(key)
        return key

    recent = Recent(reader, 10)
    failed = await asyncio.gather(recent.get("a"), recent.get("a"), return_exceptions=True)
    assert [type(error) for error in failed] == [Unavailable] * 2
    fail.clear()
    assert await recent.get("a") == "a"


async def test_verified_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kept for some time after their last use; one check for all at once; failures are never kept; bounded."""
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    verified = Verified(60, limit=2)
    good = verified.digest("alice", "secret", "hash")
    assert good != verified.digest("alice", "secret", "other hash")
    checks: list[bool] = []

    async def verify(*, answer: bool) -> bool:
        await asyncio.sleep(0)
        checks.append(answer)
        return answer

    assert await asyncio.gather(*(verified.check(good, lambda: verify(answer=True)) for _ in range(5))) == [True] * 5
    assert checks == [True]
    now += 59
    assert verified.knows(good)
    now += 59
    assert verified.knows(good)
    now += 61
    assert not verified.knows(good)
    bad = verified.digest("alice", "wrong", "hash")
    assert not await verified.check(bad, lambda: verify(answer=False))
    assert not verified.knows(bad)
    for name in "abc":
        await verified.check(name.encode(), lambda: verify(answer=True))
    assert len(verified) == 2


def test_throttle(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pair of user and address waits; others do not; it is bounded; an IPv6 network counts as one address."""
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    throttle = Throttle(3, 60, limit=10)
    for address in ("2001:db8::1", "2001:db8::2", "2001:db8::3"):
        assert throttle.wait("alice", "2001:db8::9") == 0
        throttle.count("alice", address)
    assert throttle.wait("alice", "2001:db8::9") == 60
    assert throttle.wait("alice", "2001:db8:0:1::9") == throttle.wait("bob", "2001:db8::9") == 0
    now += 61
    assert throttle.wait("alice", "2001:db8::9") == 0
    throttle.count("alice", "2001:db8::1")
    assert throttle.wait("alice", "2001:db8::9") == 0
    for number in range(100):
        throttle.count(f"user{number}", "10.0.0.1")
    assert len(throttle) == 10


def test_throttling_can_be_switched_off() -> None:
    """Then nothing is kept."""
    throttle = Throttle(0, 60)
    throttle.count("alice", "10.0.0.1")
    assert (throttle.wait("alice", "10.0.0.1"), len(throttle)) == (0, 0)


async def test_the_queue_of_slow_work_is_bounded() -> None:
    """What does not fit is refused at once, with Retry-After; afterwards there is room again."""
    executor = Executor("test", 1, 1, nice=True)
    try:
        running = [asyncio.ensure_future(executor.run(time.sleep, 0.1)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable) as caught:
            await executor.run(time.sleep, 0)
        assert int(caught.value.headers["Retry-After"]) >= 1
        await asyncio.gather(*running)
        assert await executor.run(int, "1") == 1
    finally:
        executor.close()


class _Peer:
    def __init__(self, address: str) -> None:
        self._address = address

    def get_extra_info(self, name: str, default: object = None) -> object:
        return (self._address, 1234) if name == "peername" else default


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("198.51.100.7", "203.0.113.1", "198.51.100.7"),
        ("10.0.0.1", "203.0.113.1", "203.0.113.1"),
        ("10.0.0.1", "1.1.1.1, 203.0.113.1", "203.0.113.1"),
        ("10.0.0.1", "203.0.113.1, 10.0.0.2", "203.0.113.1"),
        ("10.0.0.1", "203.0.113.1:5000", "203.0.113.1"),
        ("10.0.0.1", "[2001:db8::1]:5000", "2001:db8::1"),
        ("::ffff:10.0.0.1", "203.0.113.1", "203.0.113.1"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
    ],
)
def test_the_clients_address(peer: str, forwarded: str, expected: str) -> None:
    """Only what trusted proxies say counts: the nearest address that is not their own."""
    proxies = Proxies([ipaddress.ip_network("10.0.0.0/8")])
    headers = {"X-Forwarded-For": forwarded, "X-Forwarded-Proto": "https"}
    request = make_mocked_request("GET", "/", headers, transport=_Peer(peer))
    assert proxies.address(request) == expected
    assert proxies.secure(request) == ("10.0.0.1" in peer)
    assert Proxies([]).address(request) == peer
    assert not Proxies([]).secure(request)
