"""Which files count: those that nobody is in the middle of writing."""

import os
import time
from pathlib import Path

import pytest

from server.standalone.dags.folder import Signature, scan_folder
from server.standalone.dags.settling import Change, Settling

HOUR = 3600.0


class Clock:
    """The time that the loader is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr("server.standalone.dags.settling.time.monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Stop the time."""
    return Clock(monkeypatch)


def signature(file: Path) -> Signature:
    """Say how a file looks."""
    return scan_folder(file.parent).files[str(file)]


def counts(settling: Settling, file: Path, read: Signature | None = None) -> bool:
    """Whether the file counts, as it is now."""
    now = signature(file) if file.exists() else None
    return bool(settling.ready({str(file): Change(now, read)}))


def running() -> Settling:
    """Make one that has looked before."""
    settling = Settling(1.0)
    settling.ready({})
    return settling


def test_a_file_counts_when_nothing_happened_for_a_moment(tmp_path: Path, clock: Clock) -> None:
    """Each piece that is added begins the moment anew, though the writer closes the file each time."""
    file, settling = tmp_path / "a.yaml", running()
    for piece in ("one: ", "{tasks: ", "{}}"):
        with file.open("a") as stream:
            stream.write(piece)
        assert not counts(settling, file)
        clock.now += 0.9
        assert not counts(settling, file)
    clock.now += 0.1
    assert counts(settling, file)


def test_an_old_file_counts_at_once_at_the_start(tmp_path: Path) -> None:
    """A service that starts does not wait for files that are as they were for long; for others it does."""
    file = tmp_path / "a.yaml"
    file.touch()
    old = signature(file)._replace(modified=0, changed=0)
    assert Settling(HOUR).ready({str(file): Change(old, None)})
    assert not counts(Settling(HOUR), file)
    later = Settling(HOUR)
    later.ready({})
    assert not later.ready({str(file): Change(old, None)}), "clocks of file servers differ"


def test_a_file_that_is_renamed_over_another_counts_at_once(tmp_path: Path) -> None:
    """Whoever renames it has written it."""
    file, settling = tmp_path / "a.yaml", Settling(HOUR)
    file.write_text("old")
    read = signature(file)
    new = tmp_path / "new"
    new.write_text("new")
    os.utime(new, (0, 0))
    new.rename(file)
    assert counts(settling, file, read)


def test_a_file_that_was_deleted_and_is_written_anew_does_not_count_at_once(tmp_path: Path, clock: Clock) -> None:
    """It is another inode too, but whoever adds to it piece by piece may have closed it between two of them."""
    file, settling = tmp_path / "a.yaml", running()
    file.write_text("old")
    read = signature(file)._replace(inode=0)
    file.unlink()
    for piece in ("one: ", "{tasks: {}}"):
        with file.open("a") as stream:
            stream.write(piece)
        assert not counts(settling, file, read)
        clock.now += 0.9
    clock.now += 0.1
    assert counts(settling, file, read)
    file.write_text("changed where it is")
    assert not counts(settling, file, signature(file)._replace(size=0))


def test_a_file_that_is_open_for_writing_does_not_count(tmp_path: Path, clock: Clock) -> None:
    """However long its writer takes between two pieces; one who forgot to close it is not waited for for ever."""
    file, settling = tmp_path / "a.yaml", running()
    read = signature_of_another(tmp_path)
    with file.open("w") as stream:
        assert not counts(settling, file, read)
        clock.now += 30
        assert not counts(settling, file, read)
        clock.now += 31
        assert counts(settling, file, read)
        stream.write("more")
        stream.flush()
        assert not counts(settling, file, read)
    clock.now += 1
    assert counts(settling, file, read)


def signature_of_another(folder: Path) -> Signature:
    """Say how a file looked that was there before, under another inode."""
    (folder / "other.yaml").touch()
    return signature(folder / "other.yaml")


def test_a_file_that_is_gone_is_gone_for_a_moment_first(tmp_path: Path, clock: Clock) -> None:
    """Who removes a file and writes it anew does not deactivate its DAGs in between."""
    file, settling = tmp_path / "a.yaml", running()
    assert not counts(settling, file, signature_of_another(tmp_path))
    clock.now += 1
    assert counts(settling, file, signature_of_another(tmp_path))


def test_a_file_that_vanishes_meanwhile_raises_nothing(tmp_path: Path) -> None:
    """Nor does one that has become a pipe: nobody waits for it."""
    old = Signature(0, 0, 0, 0)
    os.mkfifo(tmp_path / "pipe.yaml")
    begin = time.monotonic()
    for name in ("gone.yaml", "pipe.yaml"):
        assert Settling(1.0).ready({str(tmp_path / name): Change(old, None)})
    assert time.monotonic() - begin < HOUR
