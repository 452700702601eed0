"""Logs over HTTP and on disk: parts of them, and what tasks may have put in their place."""

import os
import resource
import shutil
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import ClientSession
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDictProxy

from server.errors import RangeNotSatisfiable
from server.standalone.clean import clean
from server.task_logs.reading import open_log_of, remove_logs
from server.task_logs.writing import NoLogError, log_folder, open_log
from server.wire.ranges import parse_range
from tests.scheduling import bash, bench
from windsock.config import Dsn

DATE = datetime(2024, 1, 1, tzinfo=UTC)
ROWS = """
INSERT INTO dag_run (dag_id, run_id, execution_date, state, external_trigger, start_date, end_date)
VALUES ('d', 'r', '2024-01-01+00', 'success', true, '2024-01-01+00', '2024-01-01+00');
INSERT INTO task_instance (dag_id, task_id, execution_date, state, pool, try_number, max_tries)
VALUES ('d', 't', '2024-01-01+00', 'success', 'default_pool', 1, 0);
"""
SECRET = "the server's own"


class Place:
    """A folder of logs with a task's folder in it, and the URL of its log."""

    def __init__(self, base: Path, session: ClientSession, url: str, dsn: str) -> None:
        self.base, self._session, self.dsn = base / "logs", session, dsn
        self._target = f"{url}/api/experimental/dags/d/dag_runs/2024-01-01/tasks/t/logs"
        self.folder = log_folder(self.base, "d", "t", DATE)
        self.folder.mkdir(parents=True)
        self.secret = base / "secret"
        self.secret.mkdir()
        (self.secret / "1.log").write_text(SECRET)

    async def get(
        self, query: str = "", method: str = "GET", **headers: str
    ) -> tuple[int, bytes, CIMultiDictProxy[str]]:
        """Ask for the log."""
        async with self._session.request(method, self._target + query, headers=headers) as answer:
            return answer.status, await answer.read(), answer.headers

    async def count(self) -> int:
        """Ask for the log and count its bytes."""
        async with self._session.get(self._target) as answer:
            return sum([len(part) async for part in answer.content.iter_any()])


@pytest.fixture
async def place(database: str, tmp_path: Path, serve: Callable[..., Awaitable[str]]) -> AsyncIterator[Place]:
    """Set up a place."""
    async with bench(database, tmp_path) as made:
        await made.load({"d": {"tasks": {"t": bash("true")}}})
        await made.pool.execute(ROWS)
    async with ClientSession() as session:
        yield Place(tmp_path, session, await serve(base_log_folder=tmp_path / "logs"), database)


async def test_parts(place: Place) -> None:
    """A range, the last bytes, the whole; what begins behind the end is 416, in JSON, and says how long it is."""
    text = bytes(range(256)) * 4096
    (place.folder / "1.log").write_bytes(text)
    size = len(text)
    status, body, headers = await place.get()
    assert (status, body, headers["Accept-Ranges"], headers["X-Try-Number"]) == (200, text, "bytes", "1")
    assert int(headers["Content-Length"]) == size
    for asked, start, end in (
        ("bytes=0-0", 0, 1), ("bytes=10-19", 10, 20), (f"bytes={size - 5}-", size - 5, size),
        ("bytes=-7", size - 7, size), (f"bytes=5-{size * 2}", 5, size), (f"bytes=-{size * 2}", 0, size),
    ):  # fmt: skip
        status, body, headers = await place.get(Range=asked)
        assert (status, body) == (206, text[start:end]), asked
        assert headers["Content-Range"] == f"bytes {start}-{end - 1}/{size}"
    for asked in (f"bytes={size}-", "bytes=-0", f"bytes={size}-{size + 1}"):
        status, body, headers = await place.get(Range=asked)
        assert (status, headers["Content-Range"]) == (416, f"bytes */{size}"), asked
        assert headers["Content-Type"].startswith("application/json")
        assert b'"error"' in body
    for asked in ("bytes=5-4", "lines=1-2", "bytes=", "bytes=-", "bytes=0-1,4-5", "bytes=a-b", "5-6"):
        assert (await place.get(Range=asked))[:2] == (200, text), asked
    for tail in (0, 1, 1000, size, size + 1):
        status, body, headers = await place.get(f"?tail={tail}")
        assert (status, body) == (200, text[max(0, size - tail) :])
        assert headers["X-Log-Offset"] == str(max(0, size - tail))
    for query, given_headers in (("?tail=-1", {}), ("?tail=x", {}), ("?tail=1", {"Range": "bytes=0-1"})):
        assert (await place.get(query, **given_headers))[0] == 400
    status, body, headers = await place.get(method="HEAD", Range="bytes=0-1")
    assert (status, body, headers["Content-Length"]) == (200, b"", str(size))


@pytest.mark.timeout(120)
async def test_a_large_log_is_not_in_memory(place: Place) -> None:
    """Whoever reads it, the server has a portion of it at a time."""
    size = 2**28
    with (place.folder / "1.log").open("wb") as file:
        file.truncate(size)
    await place.get(Range="bytes=-10")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert await place.count() == size
    assert (await place.get(Range="bytes=-10"))[:2] == (206, b"\0" * 10)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**16


@pytest.mark.parametrize("seconds", [2**40, -(2**40)])
async def test_times_that_no_date_can_say(place: Place, seconds: int) -> None:
    """The time of a file is its owner's: whatever a task makes it, its log is read. Not all file systems have it."""
    (place.folder / "1.log").write_text("one")
    os.utime(place.folder / "1.log", (seconds, seconds))
    assert (await place.get())[:2] == (200, b"one")


async def test_conditions(place: Place) -> None:
    """What has not changed is not sent again; of what has changed a part alone makes no sense."""
    file = place.folder / "1.log"
    file.write_text("one")
    tag = (await place.get())[2]["ETag"]
    assert (await place.get(**{"If-None-Match": tag}))[:2] == (304, b"")
    assert (await place.get(**{"If-Range": tag, "Range": "bytes=1-"}))[:2] == (206, b"ne")
    file.write_text("three")
    assert (await place.get(**{"If-None-Match": tag}))[:2] == (200, b"three")
    assert (await place.get(**{"If-Range": tag, "Range": "bytes=1-"}))[:2] == (200, b"three")
    file.write_text("")
    assert (await place.get())[:2] == (200, b"")
    assert (await place.get(Range="bytes=0-"))[0] == 416


def _swap(path: Path, target: Path) -> None:
    shutil.rmtree(path)
    path.symlink_to(target)


def _attack(place: Place, kind: str) -> None:
    """Put something else in place of the log, or of a folder on the way to it."""
    file = place.folder / "1.log"
    match kind:
        case "file":
            file.symlink_to(place.secret / "1.log")
        case "date":
            _swap(place.folder, place.secret)
        case "task":
            (place.secret / place.folder.name).symlink_to(place.secret)
            _swap(place.folder.parent, place.secret)
        case "dag":
            (place.secret / "t").mkdir()
            (place.secret / "t" / place.folder.name).symlink_to(place.secret)
            _swap(place.folder.parent.parent, place.secret)
        case "fifo":
            os.mkfifo(file)
        case "folder":
            file.mkdir()
        case "device":
            file.symlink_to("/dev/zero")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("attack", ["file", "date", "task", "dag", "fifo", "folder", "device"])
async def test_what_is_no_log(place: Place, attack: str) -> None:
    """Nothing is read but regular files below the folder; nothing outside of it is removed; nobody waits."""
    _attack(place, attack)
    status, body, headers = await place.get()
    assert status == 403, body
    assert headers["Content-Type"].startswith("application/json")
    assert SECRET.encode() not in body
    with pytest.raises(OSError), open_log(place.folder, 1):  # noqa: PT011 - of several kinds
        pass
    assert (place.secret / "1.log").read_text() == SECRET
    result = await clean(Dsn.parse(place.dsn), datetime(2026, 1, 1, tzinfo=UTC), place.base)
    assert result["runs"] == 1
    assert (place.secret / "1.log").read_text() == SECRET
    assert not place.folder.exists() or attack in {"task", "dag"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files to others")
async def test_hard_links(place: Place) -> None:
    """One to a file of another user is not read; one to a file of the folder's own user is, as backups make them."""
    os.link(place.secret / "1.log", place.folder / "1.log")
    assert (await place.get())[:2] == (200, SECRET.encode())
    os.chown(place.folder, 12345, 12345)
    status, body, _ = await place.get()
    assert status == 403
    assert SECRET.encode() not in body


@pytest.mark.timeout(60)
def test_a_race(tmp_path: Path) -> None:
    """A folder that becomes a link and back leads nowhere, however the moments fall."""
    base, secret = tmp_path / "logs", tmp_path / "secret"
    folder = log_folder(base, "d", "t", DATE)
    secret.mkdir()
    (secret / "1.log").write_text(SECRET)
    folder.mkdir(parents=True)
    (folder / "1.log").write_text("own")
    done = threading.Event()

    def swap() -> None:
        away, link = folder.with_name("away"), folder.with_name("link")
        link.symlink_to(secret)
        while not done.is_set():
            folder.rename(away)
            link.rename(folder)
            folder.rename(link)
            away.rename(folder)

    swapping = threading.Thread(target=swap)
    swapping.start()
    read = set()
    try:
        for _ in range(2000):
            with suppress(OSError, NoLogError), closing(open_log_of(folder, 1)) as log:
                read.add(log.read(0, 100))
    finally:
        done.set()
        swapping.join()
    assert read <= {b"own"}
    assert [each.name for each in secret.iterdir()] == ["1.log"]
    assert remove_logs(base, [("d", DATE)]) == 1
    assert (secret / "1.log").read_text() == SECRET


@given(st.text("bytes=-,0123456789 \t") | st.from_regex(r"bytes=\d*-\d*", fullmatch=True), st.integers(0, 1000))
def test_any_range(header: str, size: int) -> None:
    """It is a part of what there is, the whole, or cannot be met."""
    try:
        part = parse_range(header, size)
    except RangeNotSatisfiable:
        return
    assert part is None or 0 <= part[0] < part[1] <= size
