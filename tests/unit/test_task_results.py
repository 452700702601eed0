"""What a task leaves in place of its result, and the folders of tasks."""

import fcntl
import json
import math
import os
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.standalone.scheduler.results import LARGEST, Result, ResultError, ResultFolder, encode
from server.standalone.scheduler.workspace import Workspace, remove_left

GOOD = b'{"outcome": "success", "xcoms": {"k": [1]}}'


def _read(folder: Path, make: Callable[[Path], object]) -> Result | None:
    with closing(ResultFolder(folder)) as results:
        make(results.file)
        return results.read()


def test_a_result(tmp_path: Path) -> None:
    """What was left is read, and nothing is nothing."""
    assert _read(tmp_path, lambda _file: None) is None
    assert _read(tmp_path, lambda file: file.write_bytes(GOOD)) == Result("success", "", {"k": [1]})


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda file: file.symlink_to("/etc/passwd"), id="symlink"),
        pytest.param(lambda file: file.symlink_to(file.with_name("nothing")), id="broken symlink"),
        pytest.param(os.mkfifo, id="fifo"),
        pytest.param(Path.mkdir, id="folder"),
        pytest.param(lambda file: file.write_bytes(b"0" * (LARGEST + 1)), id="too large"),
        pytest.param(lambda file: os.truncate(os.open(file, os.O_CREAT | os.O_WRONLY), 2**40), id="sparse"),
    ],
)
def test_no_regular_file(tmp_path: Path, make: Callable[[Path], object]) -> None:
    """It is neither followed, nor waited for, nor read whole."""
    with pytest.raises(ResultError):
        _read(tmp_path, make)


def test_a_folder_that_is_swapped(tmp_path: Path) -> None:
    """The folder that was made counts, whatever has its name later."""
    folder, other = tmp_path / "own", tmp_path / "other"
    folder.mkdir()
    other.mkdir()
    (other / "result").write_bytes(GOOD)

    def swap(_file: Path) -> None:
        folder.rename(tmp_path / "away")
        folder.symlink_to(other)

    assert _read(folder, swap) is None


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\xff", b"[]", b"1", b"null", b'"success"', b'{"rows": 3}', b'{"outcome": "success"}',
        b'{"outcome": "success", "xcoms": []}', b'{"outcome": [], "xcoms": {}}', b'{"outcome": "done", "xcoms": {}}',
        b"[" * 100_000, b'{"outcome": "success", "xcoms": {"k": ' + b"9" * 5000 + b"}}", GOOD[:-1], GOOD + GOOD,
    ],
)  # fmt: skip
def test_what_is_no_result(tmp_path: Path, data: bytes) -> None:
    """Whatever it is, it is said to be none."""
    with pytest.raises(ResultError):
        _read(tmp_path, lambda file: file.write_bytes(data))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda each: st.lists(each) | st.dictionaries(st.text(st.characters(codec=None)), each),
)


@given(
    JSON | st.fixed_dictionaries({"outcome": st.sampled_from(["success", "failed", 1]), "xcoms": JSON, "message": JSON})
)
def test_any_json(value: Any) -> None:  # noqa: ANN401 - of any kind
    """It is a result that can be kept, or a ResultError."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            result = _read(Path(folder), lambda file: file.write_text(json.dumps(value)))
            assert result is not None
            kept = encode(result.xcoms)
        except ResultError:
            return
    for key, data in kept.items():
        assert key.encode()
        assert len(key) <= 512
        assert "\0" not in key
        json.loads(data.decode("ascii"))


@pytest.mark.parametrize("key", ["", "k" * 513, "a\0", "\ud800", "a\nb"])
def test_keys(key: str) -> None:
    """The database could not keep them."""
    with pytest.raises(ResultError, match="a key must be printable text"):
        encode({key: 1})


def test_values() -> None:
    """What is deep, or is not JSON, is refused; what Python's JSON has beyond the standard is kept, as in Airflow."""
    deep: list[Any] = []
    for _ in range(101):
        deep = [deep]
    for value in (deep, {"a": deep}, 10**5000, object()):
        with pytest.raises(ResultError, match="the value of 'k'"):
            encode({"k": value})
    with pytest.raises(ResultError, match="over 1000 values"):
        encode({str(n): n for n in range(1001)})
    assert encode({"k": math.inf, "s": "\ud800\0"}) == {"k": b"Infinity", "s": b'"\\ud800\\u0000"'}


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep temporary folders here."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


async def test_folders_of_tasks(base: Path) -> None:
    """Each has its own; it goes with all that the task left, read-only folders too, and not with what links lead to."""
    own = Workspace()
    (base / "kept").mkdir()
    (base / "kept" / "file").touch()
    async with own.folder() as one, own.folder() as other:
        assert one.parent == other.parent != base
        (one / "sub" / "sub").mkdir(parents=True)
        (one / "sub" / "sub" / "file").touch()
        (one / "sub").chmod(0o500)
        (one / "link").symlink_to(base / "kept")
    assert not list(one.parent.iterdir())
    own.close()
    assert list(base.iterdir()) == [base / "kept"]
    assert (base / "kept" / "file").exists()


async def test_folders_of_killed_schedulers(base: Path) -> None:
    """They go; those of one that lives, links, and what belongs to another user or another program stay."""
    lives = Workspace()
    async with lives.folder() as used:
        left = base / "windsock-tasks-left"
        (left / "task").mkdir(parents=True)
        (left / "task" / "file").touch()
        (base / "windsock-tasks-link").symlink_to(base / "other")
        (base / "other").mkdir()
        (base / "other" / "file").touch()
        (base / "windsock-tasks-file").touch()
        if os.geteuid() == 0:
            (base / "windsock-tasks-foreign").mkdir()
            os.chown(base / "windsock-tasks-foreign", 12345, 12345)
        before = set(base.iterdir())
        assert remove_left() == 1
        assert set(base.iterdir()) == before - {left}
        assert used.is_dir()
        assert (base / "other" / "file").exists()
    lives.close()


@pytest.mark.usefixtures("base")
async def test_a_folder_that_others_remove(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new one is made, also where it was taken for left behind before it was locked."""
    own = Workspace()
    async with own.folder() as first:
        pass
    first.parent.rmdir()
    async with own.folder() as second:
        assert second.is_dir()
    own.close()
    locked = fcntl.flock
    taken: list[str] = []

    def too_late(descriptor: int, operation: int) -> None:
        locked(descriptor, operation)
        if not taken:
            taken.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
            Path(taken[0]).rmdir()

    monkeypatch.setattr(fcntl, "flock", too_late)
    async with own.folder() as third:
        assert third.is_dir()
        assert third.parent != Path(taken[0])
    own.close()
