"""The parts of authentication, each by itself."""

import asyncio
import base64
import hashlib
import ipaddress
import threading
import time

import bcrypt
import pytest
from aiohttp.test_utils import make_mocked_request
from werkzeug import security

from server.auth import basic, hashes
from server.auth.executor import Executor
from server.auth.fair_queue import FairQueue, Full
from server.auth.throttle import Throttle
from server.auth.verified import Verified
from server.errors import Unauthorized, Unavailable
from server.http.proxies import Proxies, network

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
                                    "md5$a$00", "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA", "x\0", "\ud800",
                                    "pbkdf2:sha256:0$a$00", "pbkdf2:sha256:1000$$00", "scrypt:0:8:1$a$00",
                                    "pbkdf2:sha256:\u0661\u0662$a$00", "$2b$\u0661\u0662$" + "a" * 53,
                                    "pbkdf2:sha256:1000$" + "a" * 10**6 + "$00", "$2b$04$" + "a" * 10**6])  # fmt: skip
def test_broken_hashes_verify_nothing(stored: str) -> None:
    """Nor do they raise."""
    assert not hashes.verify("secret", stored)


COSTLY = ["$2b$15$" + "a" * 53, "$2b$31$" + "a" * 53, "$2y$31$" + "a" * 53, "$2b$03$" + "a" * 53, "$2b$99$" + "a" * 53,
          "pbkdf2:sha256:4000001$a$00", "pbkdf2:sha512:99999999$a$00", "pbkdf2:sha1:99999999999999999999$a$00",
          "scrypt:99999999:99:99$a$00", "scrypt:1048576:8:1$a$00", "scrypt:1024:8:99999999$a$00",
          "scrypt:2:99999999:1$a$00"]  # fmt: skip


@pytest.mark.parametrize("stored", COSTLY)
def test_costly_hashes_are_refused_unverified(stored: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They reach no library, are no model for the dummy, and the reason tells nothing of them."""

    def forbidden(*_arguments: object, **_options: object) -> bytes:
        raise AssertionError

    for module, name in ((bcrypt, "checkpw"), (hashlib, "pbkdf2_hmac"), (hashlib, "scrypt")):
        monkeypatch.setattr(module, name, forbidden)
    assert hashes.verify("secret", stored) is None
    assert hashes.method(stored) is None
    assert "above" in (hashes.fault(stored) or "")
    assert stored[-8:] not in (hashes.fault(stored) or "")


@pytest.mark.parametrize("method", ["$2b$05", "pbkdf2:sha256:2000", "pbkdf2:sha512:2000", "scrypt:2048:8:1"])
def test_the_dummy_is_verified_like_a_real_hash(method: str) -> None:
    """It is a hash of that method, which no password has."""
    dummy = hashes.dummy(method)
    assert hashes.method(dummy) == method
    assert hashes.verify("secret", dummy) is False


def header(user_and_password: bytes) -> str:
    return "Basic " + base64.b64encode(user_and_password).decode()


def test_basic_credentials() -> None:
    """Only the first colon divides, the scheme does not matter, texts are UTF-8."""
    for value, expected in (
        (header(b"a:b:c"), ("a", "b:c")),
        (header(b":"), ("", "")),
        (header("j\u00fcrgen:\u4e2d".encode()).replace("Basic", "bASIC"), ("j\u00fcrgen", "\u4e2d")),
        *(
            (header(b"a:b").replace("Basic", word), ("a", "b"))
            for word in ("token", "Bearer", "Negotiate", "x", "Basic ")
        ),
    ):
        request = make_mocked_request("GET", "/", {"Authorization": value})
        assert basic.credentials(request) == expected


@pytest.mark.parametrize("value", ["", "Basic", "Basic  ", "Bearer YWI=", "Basic YTpi!",
                                   "Negotiate YIIFNwYGKwYBBQUC", "Bearer eyJhbGciOiJub25lIn0.e30.", "Basic YTpi YTpi",
                                   header(b"nocolon"),
                                   header("j\u00fcrgen:x".encode("latin-1")), "Basic YTp", "YTpi"])  # fmt: skip
def test_unreadable_credentials_are_401(value: str) -> None:
    """With the challenge and its realm."""
    with pytest.raises(Unauthorized) as caught:
        basic.credentials(make_mocked_request("GET", "/", {"Authorization": value}))
    assert caught.value.headers["WWW-Authenticate"].startswith("Basic realm=")


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


def refuse(throttle: Throttle, name: str, client: str = "10.0.0.1") -> None:
    """Check a password, which is wrong."""
    throttle.end(throttle.begin(name, client), good=False)


def test_throttle(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pair of name and client waits; others do not; it is bounded; it begins anew when the time is over."""
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    throttle = Throttle(3, 60, limit=10)
    for _ in range(3):
        assert throttle.wait("alice", "10.0.0.1") == 0
        refuse(throttle, "alice")
    assert throttle.wait("alice", "10.0.0.1") == 60
    assert throttle.wait("alice", "10.0.0.2") == throttle.wait("bob", "10.0.0.1") == 0
    now += 61
    assert throttle.wait("alice", "10.0.0.1") == 0
    refuse(throttle, "alice")
    assert throttle.wait("alice", "10.0.0.1") == 0
    for number in range(100):
        refuse(throttle, f"user{number}")
    assert len(throttle) == 10


def test_a_success_forgets_the_refusals() -> None:
    """Of this pair alone; what could not be checked counts for nothing, though it did while it was under way."""
    throttle = Throttle(2, 60)
    refuse(throttle, "alice")
    throttle.end(throttle.begin("alice", "10.0.0.1"), good=True)
    refuse(throttle, "alice")
    pair = throttle.begin("alice", "10.0.0.1")
    assert throttle.wait("alice", "10.0.0.1") == 1
    throttle.end(pair, good=None)
    assert (throttle.wait("alice", "10.0.0.1"), len(throttle)) == (0, 1)


@pytest.mark.parametrize("guesses", [2, 3])
def test_made_up_names_push_no_guesses_out(guesses: int) -> None:
    """Neither those of a name that waits nor those of one that soon would; what is over goes first."""
    throttle = Throttle(3, 60, limit=10)
    for _ in range(guesses):
        refuse(throttle, "victim")
    for number in range(1000):
        refuse(throttle, f"made up {number}")
    for _ in range(3 - guesses):
        refuse(throttle, "victim")
    assert throttle.wait("victim", "10.0.0.1") == 60
    assert len(throttle) == 10


def test_what_is_over_makes_room_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it was refused, so that old names do not fill the table."""
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    throttle = Throttle(2, 60, limit=2)
    for _ in range(2):
        refuse(throttle, "old")
    now += 61
    for name in ("a", "b", "a", "b"):
        refuse(throttle, name)
    assert throttle.wait("a", "10.0.0.1") == throttle.wait("b", "10.0.0.1") == 60


def test_throttling_can_be_switched_off() -> None:
    """Then nothing is kept."""
    throttle = Throttle(0, 60)
    refuse(throttle, "alice")
    assert (throttle.wait("alice", "10.0.0.1"), len(throttle)) == (0, 0)


@pytest.mark.parametrize(
    ("address", "expected"),
    [("192.0.2.1", "192.0.2.1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("2001:db8::1:2:3:4", "2001:db8::/64"),
     ("fe80::1%eth0", "fe80::/64"), ("unix:uid=1000", "unix:uid=1000"), (None, ""), ("", "")],
)  # fmt: skip
def test_what_counts_as_one_client(address: str | None, expected: str) -> None:
    """An IPv4 address, also where the socket is of IPv6; of an IPv6 address its network."""
    assert network(address) == expected


async def test_the_queue_of_slow_work_is_bounded() -> None:
    """What does not fit is refused at once, with Retry-After; afterwards there is room again."""
    executor = Executor("test", 1, 1, nice=True)
    try:
        running = [asyncio.ensure_future(executor.run("a", time.sleep, 0.1)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable) as caught:
            await executor.run("a", time.sleep, 0)
        assert int(caught.value.headers["Retry-After"]) >= 1
        await asyncio.gather(*running)
        assert await executor.run("a", int, "1") == 1
    finally:
        executor.close()


async def test_who_does_not_wait_any_more_keeps_no_thread() -> None:
    """Nor does a function that raises; with the last of them gone the thread is free."""
    executor = Executor("test", 1, 5)
    held = threading.Event()
    try:
        running = asyncio.ensure_future(executor.run("a", held.wait))
        waiting = [asyncio.ensure_future(executor.run("b", int, "1")) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        held.set()
        assert await running is True
        assert await asyncio.gather(*waiting[1:]) == [1, 1]
        with pytest.raises(ValueError, match="invalid literal"):
            await executor.run("b", int, "x")
        assert await executor.run("b", int, "2") == 2
    finally:
        executor.close()


def test_clients_share_a_queue() -> None:
    """Who has most waiting makes room for the others, until all have the same; the least served is next."""
    queue: FairQueue[str] = FairQueue(4)
    assert [queue.put("greedy", f"g{number}") for number in range(4)] == [None] * 4
    with pytest.raises(Full):
        queue.put("greedy", "g4")
    queue.charge("greedy", 1)
    assert (queue.put("other", "o0"), queue.put("other", "o1")) == ("g3", "g2")
    with pytest.raises(Full):
        queue.put("other", "o2")
    assert queue.get() == "o0"
    queue.charge("other", 2)
    assert [queue.get() for _ in range(4)] == ["g0", "g1", "o1", None]
    assert len(queue) == 0


def test_who_is_new_goes_before_many_who_are_not() -> None:
    """Also where each of them has but one waiting; and those who were served alike take turns."""
    queue: FairQueue[str] = FairQueue(3)
    for name in "abc":
        queue.charge(name, 1)
        queue.put(name, name)
    assert queue.put("new", "new") in set("abc")
    assert queue.get() == "new"
    queue = FairQueue(10)
    for name in ("a", "a", "b", "b"):
        queue.put(name, name)
    assert [queue.get() for _ in range(4)] == ["a", "b", "a", "b"]


def test_the_queue_remembers_a_bounded_number_of_clients() -> None:
    """Those that were served most are remembered longest."""
    queue: FairQueue[str] = FairQueue(10)
    queue.charge("greedy", 100)
    for number in range(5000):
        queue.charge(f"client {number}", 0.1)
    assert len(queue._charged) <= 1024
    queue.put("greedy", "g")
    queue.put("other", "o")
    assert queue.get() == "o"


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
