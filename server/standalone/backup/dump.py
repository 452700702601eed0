"""Writes and reads backups with the programs of Postgres, each of which ends within its block."""

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, BinaryIO

from server.database import statements
from server.standalone.backup.checks import BackupError, Found
from server.standalone.backup.programs import Programs
from server.standalone.backup.progress import Progress

_SQL = statements.load("backup.sql")
_MARKER = "windsock_schema"
_POLL = 0.05
_CHUNK = 1 << 16
# How long pg_dump waits for a table that somebody has locked, in milliseconds.
_LOCK_PATIENCE = 30_000
# pg_restore sets this for every server, but servers before this release do not know it.
_TRANSACTION_TIMEOUT, _TRANSACTION_TIMEOUT_SINCE = b"SET transaction_timeout = 0;\n", 17
_NUMBER = re.compile(rb"[0-9]{1,9}")
# Postgres' programs mark an error like this. Warnings may stand before it.
_FAILURE = re.compile(r"\b(?:error|fatal|panic):", re.IGNORECASE)
_Process = subprocess.Popen[bytes]


@dataclass
class _Run:
    """A running program; once it has ended, `reason` says why it failed."""

    process: _Process
    reason: str = ""


class Tools:
    """The programs, with the environment for reaching the database, and the schema that has Windsock's tables."""

    def __init__(self, programs: Programs, environment: Mapping[str, str], schema: str) -> None:
        self._programs = programs
        self._environment = environment
        self._schema = schema

    def dump(self, stream: BinaryIO) -> None:
        """Write a backup of the database; raises BackupError with pg_dump's reason."""
        # pg_dump takes the name for a pattern, unless it is quoted.
        schema = '--schema="{}"'.format(self._schema.replace('"', '""'))
        options = ("--format=custom", "--no-password", f"--lock-wait-timeout={_LOCK_PATIENCE}", schema)
        progress, size = Progress("Backing up"), 0
        # Through a pipe: if stdout is a file, pg_dump appends the table of contents a second time.
        with self._running("pg_dump", *options, stdout=subprocess.PIPE) as run:
            assert run.process.stdout is not None  # noqa: S101 - for the type checker
            while piece := run.process.stdout.read(_CHUNK):
                stream.write(piece)
                progress(size := size + len(piece))
            run.process.wait()
        progress.end()
        if run.process.returncode:
            raise BackupError(f"pg_dump failed: {run.reason}")

    def verify(self, stream: BinaryIO) -> int:
        """Read a whole backup and return the version of its schema. Raises BackupError for any other file."""
        progress, size = Progress("Checking the backup"), _size(stream)
        with self._reading(stream, "--file=/dev/null") as run:
            _wait(run.process, progress, lambda: os.lseek(stream.fileno(), 0, os.SEEK_CUR), size)
        progress.end()
        if run.process.returncode:
            major = self._programs.major
            raise BackupError(
                f"the file cannot be restored, pg_restore {major} says: {run.reason}. Nothing was changed"
            )
        return self._version(stream)

    def _version(self, stream: BinaryIO) -> int:
        """Return the newest version in the table that marks a database of Windsock's, as COPY writes it."""
        options = ("--data-only", f"--table={_MARKER}", "--file=-")
        with self._reading(stream, *options, stdout=subprocess.PIPE) as run:
            text, _ = run.process.communicate()
        if run.process.returncode:
            raise BackupError(f"pg_restore failed: {run.reason}. Nothing was changed")
        rows = text.partition(b"FROM stdin;\n")[2].partition(b"\\.\n")[0].splitlines()
        versions = [row.partition(b"\t")[0] for row in rows]
        if not versions or not all(map(_NUMBER.fullmatch, versions)):
            raise BackupError(
                f"this is no backup of Windsock's: it has no table {_MARKER} in the schema {self._schema!r},"
                " that of this database. Nothing was changed"
            )
        return max(map(int, versions))

    def restore(self, stream: BinaryIO, found: Found) -> None:
        """Replace everything in the schema of the database `found` with the backup, in one transaction.

        Raises BackupError with the reason of the failure; the database is then as it was before.
        """
        progress, size = Progress("Restoring"), _size(stream)
        options = ("--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1", "--file=-")
        instance = f"--set=instance={found.instance}"
        with (
            self._running("psql", *options, instance, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as psql,
            self._reading(stream, "--file=-", stdout=subprocess.PIPE) as reader,
        ):
            for piece in self._script(reader.process, found.server):
                progress(os.lseek(stream.fileno(), 0, os.SEEK_CUR), size)
                if not _send(psql.process, piece):
                    break
            psql.process.communicate()
        progress.end()
        for run in (psql, reader):
            if run.process.returncode:
                raise BackupError(f"nothing was restored, the database is as it was: {run.reason}")

    @staticmethod
    def _script(reader: _Process, server: int) -> Iterator[bytes]:
        """Yield what psql must run. It commits only after pg_restore has read the whole backup."""
        yield f"{_SQL['begin']}\n{_SQL['clear']}\n".encode()
        assert reader.stdout is not None  # noqa: S101 - for the type checker
        first = reader.stdout.read(_CHUNK)
        yield first if server >= _TRANSACTION_TIMEOUT_SINCE else first.replace(_TRANSACTION_TIMEOUT, b"", 1)
        while piece := reader.stdout.read(_CHUNK):
            yield piece
        if reader.wait() == 0:
            yield f"{_SQL['commit']}\n".encode()

    @contextmanager
    def _reading(self, stream: BinaryIO, *options: str, stdout: int = subprocess.DEVNULL) -> Iterator[_Run]:
        """Let pg_restore read the backup from its beginning, and only what is in the schema."""
        os.lseek(stream.fileno(), 0, os.SEEK_SET)
        options = ("--no-owner", "--no-privileges", f"--schema={self._schema}", *options)
        with self._running("pg_restore", *options, stdin=stream, stdout=stdout) as running:
            yield running

    @contextmanager
    def _running(
        self, name: str, *options: str, stdin: int | IO[bytes] = subprocess.DEVNULL, stdout: int | IO[bytes]
    ) -> Iterator[_Run]:
        """Run one of the programs; if it is still running at the end of the block, it is killed."""
        command: Sequence[str] = (self._programs.path(name), *options)
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(  # noqa: S603 - Postgres' own, with options that are chosen here
                command, stdin=stdin, stdout=stdout, stderr=errors, env=self._environment
            )
            run = _Run(process)
            try:
                yield run
            finally:
                _end(process)
                run.reason = _reason(errors)


def _wait(process: _Process, progress: Progress, measure: Callable[[], int], total: int = 0) -> None:
    progress(measure(), total)
    while process.poll() is None:
        time.sleep(_POLL)
        progress(measure(), total)


def _send(process: _Process, piece: bytes) -> bool:
    """Write to a program's stdin; return whether it still reads."""
    assert process.stdin is not None  # noqa: S101 - for the type checker
    try:
        process.stdin.write(piece)
        process.stdin.flush()
    except BrokenPipeError:
        return False
    return True


def _end(process: _Process) -> None:
    if process.poll() is None:
        process.kill()
        process.wait()
    for pipe in filter(None, (process.stdin, process.stdout)):
        # If the program no longer reads, this cannot be flushed.
        with suppress(BrokenPipeError):
            pipe.close()


def _size(stream: BinaryIO) -> int:
    return os.fstat(stream.fileno()).st_size


def _reason(errors: IO[bytes]) -> str:
    """Return the line of the error, or the first line if none is marked. The lines after it may quote rows."""
    errors.seek(0)
    text = errors.read(_CHUNK).decode(errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line for line in lines if _FAILURE.search(line)), lines[0] if lines else "no reason given").rstrip(".")
