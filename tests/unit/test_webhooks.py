"""The parts that tell others of the ends of runs: signatures, the journal, the file."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import msgspec
import pytest

from server.database.run_ends import RunEnd
from server.errors import StartupError
from server.webhooks import journal, signature
from server.webhooks.journal import Journal
from server.webhooks.stores import FileStore
from tests.documents.blocks import blocks
from tests.receiver import KEY, SECRET
from windsock.config import ConfigError, load_config

NOW = datetime(2026, 1, 1, tzinfo=UTC)
URL = "https://example.org/runs"


def end(number: int, seconds: float = 0, state: str = "success") -> RunEnd:
    """Make the end of a run."""
    return RunEnd(number, "d", f"r{number}", state, (NOW + timedelta(seconds=seconds)).isoformat())


def load(**options: str) -> object:
    """Load a configuration with these options."""
    return load_config({"AIRFLOW_HOME": "/nonexistent"}, overrides=options, database="none")


def test_the_example_of_standard_webhooks() -> None:
    """The signature is the one that its libraries make; with two keys there are two of them."""
    config = load_config(
        {"AIRFLOW_HOME": "/x"},
        database="none",
        overrides={"on_run_end_secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
    )
    headers = signature.headers(
        config.on_run_end_secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    two = signature.headers([b"x" * 24, *config.on_run_end_secret], "a", 1, b"")["webhook-signature"]
    assert [one[:3] for one in two.split(" ")] == ["v1,", "v1,"]


async def test_the_receiver_of_the_documentation(tmp_path: Path) -> None:
    """It accepts what is signed and new, and nothing else."""
    (block,) = [block for block in blocks("docs/operations.md") if block.file == "receiver.py"]
    made, _, _ = block.text.replace("9000", "0").rpartition("HTTPServer(")
    text = f"""{made}made = HTTPServer(("127.0.0.1", 0), Receiver)
print(made.server_port)
made.serve_forever()
"""
    program = tmp_path / "receiver.py"
    program.write_text(text, "utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-u", str(program), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={"SECRET": SECRET}
    )
    assert process.stdout is not None
    try:
        url = f"http://127.0.0.1:{int(await process.stdout.readline())}/"
        body, now = b'{"dag_id": "d", "run_id": "r", "state": "success"}', int(time.time())
        async with aiohttp.ClientSession() as session:

            async def status(key: bytes, moment: int, sent: bytes = body) -> int:
                headers = signature.headers([b"x" * 24, key], "run_end_1", moment, body)
                async with session.post(url, data=sent, headers=headers) as answer:
                    return answer.status

            assert await status(KEY, now) == 204
            assert await process.stdout.readline() == b"run_end_1 d r success\n"
            assert await status(b"y" * 24, now) == 401
            assert await status(KEY, now - 600) == 401
            assert await status(KEY, now, body.replace(b"success", b"failed!")) == 401
    finally:
        process.kill()
        await process.wait()


@pytest.mark.parametrize(
    "url",
    ["ftp://example.org/", "example.org", "https://", "https://a b/", "https://h/#part", "http://h:0/", "http://é/"],
)
def test_what_is_no_url(url: str) -> None:
    """The message does not repeat it: it may contain a password."""
    with pytest.raises(ConfigError, match="expected a URL such as") as caught:
        load(on_run_end_url=url, on_run_end_secret=SECRET)
    assert url not in str(caught.value)


@pytest.mark.parametrize(
    "secret", ["hush", SECRET.removeprefix("whsec_"), "whsec_YWJj", f"{SECRET} whsec_!", "whsec_" + "A" * 92]
)
def test_what_is_no_secret(secret: str) -> None:
    """The message says what one is, and does not repeat it."""
    with pytest.raises(ConfigError, match="expected whsec_ and, after it, 24 to 64 random bytes in base64") as caught:
        load(on_run_end_url=URL, on_run_end_secret=secret)
    assert secret not in str(caught.value)


def test_a_url_needs_a_secret() -> None:
    """Without one receivers could not tell requests from those of others."""
    with pytest.raises(ConfigError, match="on_run_end_secret"):
        load(on_run_end_url=URL)
    load(on_run_end_url=URL, on_run_end_secret=f"{SECRET} {SECRET}")


def test_ids_of_ends() -> None:
    """The same end has the same id; another end of the same run has another one."""
    assert end(1).id == end(1).id
    assert len({end(1).key, end(2).key, end(1, 1).key, end(1, 0, "failed").key}) == 4
    assert len({end(1).id, end(2).id, end(1, 1).id, end(1, 0, "failed").id, end(1)._replace(end_date=None).id}) == 5


def test_intervals_grow() -> None:
    """To ten minutes, and a quarter more or less."""
    one = journal.Waiting(number=1, dag_id="d", run_id="r", since=time.time())
    for attempts, seconds in enumerate([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600], 1):
        one.attempts = attempts
        assert all(0.75 * seconds <= one.pause() <= 1.25 * seconds for _ in range(20))
    one.attempts = 10**6
    assert one.pause() <= 750
    assert not one.is_hopeless
    one.since -= 3 * 86400 + 1
    assert one.is_hopeless


async def test_the_journal_goes_on_as_it_was_written() -> None:
    """What was told is not told again; what waits, also what is being told, is due again."""
    one = Journal(NOW)
    assert one.add([end(1), end(2), end(3)]) == 3
    first, second = await one.next(), await one.next()
    one.settle(first, end(1))
    second.attempts = 7
    again = Journal.read(one.written())
    assert not one.changed
    assert again.add([end(1), end(2), end(4)]) == 3
    waiting = [await again.next() for _ in range(3)]
    assert [(one.number, one.attempts) for one in waiting] == [(2, 7), (3, 0), (4, 0)]
    assert len(again) == 3


async def test_an_end_that_comes_while_another_one_of_the_run_is_told() -> None:
    """The run is looked at once more."""
    one = Journal(NOW)
    one.add([end(1)])
    taken = await one.next()
    one.add([end(1, 5)])
    one.settle(taken, end(1))
    assert (await one.next()).number == 1
    assert not one.was_told(end(1, 5))


def test_the_journal_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more wait than may; what was told is forgotten when it is old, or too much, and is not read again then."""
    monkeypatch.setattr(journal, "MOST_WAITING", 2)
    monkeypatch.setattr(journal, "_MOST_TOLD", 3)
    one = Journal(NOW)
    assert one.add([end(1), end(2), end(3)]) == 2
    assert one.is_full
    for number in range(10, 20):
        one._told[end(number, number).key] = NOW + timedelta(seconds=number)
    one.advance(NOW)
    assert one.since == NOW + timedelta(seconds=17)
    assert len(one._told) == 3
    one.advance(NOW)
    assert one.since == NOW + timedelta(seconds=17)
    one.advance(NOW + timedelta(seconds=19))
    assert len(one._told) == 1


async def test_a_clock_that_was_set_back() -> None:
    """Ends are read from then on, and what was told of them stays known."""
    one = Journal(NOW)
    one.advance(NOW - timedelta(hours=2))
    one.add([end(1, -3600)])
    one.settle(await one.next(), end(1, -3600))
    one.advance(NOW - timedelta(hours=2))
    assert one.was_told(end(1, -3600))


async def test_the_file(tmp_path: Path) -> None:
    """It comes with its folder, belongs to its owner alone, and is replaced as a whole."""
    path = tmp_path / "new" / "state.json"
    store = FileStore(path)
    assert await store.load() is None
    await store.save(b"one")
    await store.save(b"two")
    assert await store.load() == b"two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["state.json"]


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    """The server does not start; the message names the option."""
    (tmp_path / "file").touch()
    with pytest.raises(StartupError, match="on_run_end_state"):
        FileStore(tmp_path / "file" / "state.json")


@pytest.mark.parametrize(
    "note",
    [
        b"garbage", b"{}", b'{"since":"2026-01-01T00:00:00","told":{},"waiting":[]}',
        b'{"since":"2026-01-01T00:00:00Z","told":{"a":"2026-01-01T00:00:00"},"waiting":[]}',
    ],
)  # fmt: skip
def test_a_note_of_others_is_not_read(note: bytes) -> None:
    """Among them is one with a moment that has no time zone: it could not be compared with the others."""
    with pytest.raises(msgspec.MsgspecError):
        Journal.read(note)


async def test_a_run_that_a_note_has_twice_waits_once() -> None:
    """Others may have written the note."""
    one = '{"number":1,"dag_id":"d","run_id":"r","since":0.0}'
    known = Journal.read(f'{{"since":"2026-01-01T00:00:00Z","told":{{}},"waiting":[{one},{one}]}}'.encode())
    known.settle(await known.next())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(known.next(), 0.05)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """Reading it might take for ever."""
    make(tmp_path / "state.json")
    with pytest.raises(StartupError, match=r"state\.json is no file; set \[windsock\] on_run_end_state to a file"):
        FileStore(tmp_path / "state.json")
