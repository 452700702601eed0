"""Lets worker processes read DAG files, so that no file can stop anything else; `parsing` is what runs there."""

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

from server.process.offload import OffloadError, OutOfMemory, WorkerPool
from server.standalone.dags import parsing
from server.standalone.dags.errors import DagFileError
from server.standalone.dags.folder import Scan, Signature
from server.standalone.dags.serialize import DagFile
from server.standalone.dags.variables import environment_for_files
from server.wire.document import Problem

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

# The limit for one file.
_SECONDS = 10.0
_MEMORY = 2**29
_AT_ONCE = 2
_QUEUE = 2**20
# A file that could not be read, perhaps because the machine was busy, is read again after this many seconds.
AGAIN = 300.0


@dataclass(frozen=True, slots=True)
class Parsed:
    """The result for a file with this signature. `result` is None if its content is known to be bad.

    If it is not `lasting`, the file may be readable at another time although it has not changed.
    """

    signature: Signature
    result: DagFile | DagFileError | None
    digest: str = ""
    lasting: bool = True


class Parser:
    """Reads files in worker processes; reading a slow file goes on while the results of others are used."""

    def __init__(self, folder: Path, syntax: str, seconds: float = _SECONDS, top: Path | None = None) -> None:
        """`syntax` is that of the ignore files; `seconds` is how long a file may take.

        `top` is the uppermost folder whose defaults files count, by default `folder`.
        """
        self._folder = folder
        self._top = top or folder
        self._syntax = syntax
        self._workers = WorkerPool(parsing.__name__, count=_AT_ONCE, seconds=seconds, memory=_MEMORY, waiting=_QUEUE)
        self._under_way: dict[str, tuple[Signature, asyncio.Task[Parsed]]] = {}
        self._ignored: tuple[tuple[set[str], dict[str, str]], set[str]] = ((set(), {}), set())
        # Ignore files that have no effect, with their texts, and until when.
        self._useless: dict[tuple[str, str], float] = {}

    async def close(self) -> None:
        """Stop reading, and end the processes."""
        tasks = [task for _, task in self._under_way.values()]
        self._under_way.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._workers.close()

    async def read(
        self, files: Mapping[str, Signature], bad: Mapping[str, str], patience: float | None
    ) -> dict[str, Parsed]:
        """Read these files; the results of those that take longer than `patience` seconds come with a later call.

        `bad` has the digest of the content that was refused last. `read` returns the same result again until the file
        changes, or until `done` was called.
        """
        for file in [file for file, (signature, _) in self._under_way.items() if files.get(file) != signature]:
            self._under_way.pop(file)[1].cancel()
        # Small files come first, because they hardly ever take long.
        for file, signature in sorted(files.items(), key=lambda item: item[1].size):
            if file not in self._under_way:
                task = asyncio.create_task(self._read(file, signature, bad.get(file, "")))
                self._under_way[file] = signature, task
        tasks = {file: task for file, (_, task) in self._under_way.items()}
        if tasks:
            await asyncio.wait(tasks.values(), timeout=patience)
        return {file: task.result() for file, task in tasks.items() if task.done()}

    def done(self, file: str) -> None:
        """Forget a result that has been used."""
        del self._under_way[file]

    async def _read(self, file: str, signature: Signature, bad_digest: str) -> Parsed:
        environment = environment_for_files(os.environ)
        request = msgspec.json.encode(parsing.Request(file, str(self._top), bad_digest, environment))
        try:
            answer = msgspec.json.decode(await self._workers.call("read_file", request), type=parsing.Answer)
        except OffloadError as error:
            problem = DagFileError(Problem(None, f"it cannot be read: {error}"))
            return Parsed(signature, problem, lasting=isinstance(error, OutOfMemory))
        if answer.problems:
            return Parsed(signature, DagFileError(*answer.problems, dag_ids=answer.dag_ids), answer.digest)
        return Parsed(signature, answer.file, answer.digest)

    async def without_ignored(self, scan: Scan) -> Scan:
        """Return the scan without the files that its ignore files name."""
        if not scan.ignores:
            return scan
        now = time.monotonic()
        self._useless = {
            one: until for one, until in self._useless.items() if until > now and one in scan.ignores.items()
        }
        state = (set(scan.files), self._useful(scan.ignores))
        if self._ignored[0] != state:
            ignored = await self._find_ignored(sorted(scan.files), scan.ignores)
            self._ignored = (state[0], self._useful(scan.ignores)), set(ignored)
        files = {file: signature for file, signature in scan.files.items() if file not in self._ignored[1]}
        return scan._replace(files=files)

    def _useful(self, ignores: dict[str, str]) -> dict[str, str]:
        return {place: text for place, text in ignores.items() if (place, text) not in self._useless}

    async def _find_ignored(self, files: list[str], ignores: dict[str, str]) -> Sequence[str]:
        """Ask all ignore files at once; if that fails, ask each one alone, and then all of those that work."""
        try:
            return await self._ask_ignored(files, self._useful(ignores))
        except OffloadError:
            for place, text in self._useful(ignores).items():
                await self._try_alone(files, place, text)
        try:
            return await self._ask_ignored(files, self._useful(ignores))
        except OffloadError as error:
            _log.warning("an .airflowignore has no effect", folder=str(self._folder), reason=str(error))
            return ()

    async def _try_alone(self, files: list[str], place: str, text: str) -> None:
        try:
            await self._ask_ignored(files, {place: text})
        except OffloadError as error:
            _log.warning("an .airflowignore has no effect", folder=place, reason=str(error))
            self._useless[place, text] = time.monotonic() + AGAIN

    async def _ask_ignored(self, files: list[str], ignores: dict[str, str]) -> Sequence[str]:
        request = parsing.IgnoreRequest(files, str(self._folder), ignores, self._syntax)
        answer = await self._workers.call("ignored", msgspec.json.encode(request))
        return msgspec.json.decode(answer, type=list[str])
