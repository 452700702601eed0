"""Keeps the database in step with the DAG folder: standalone's own database, never an Airflow's."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import asyncpg
import structlog

from server.database.schema import check_schema
from server.process.cancellation import pause
from server.standalone.dags.dag_rows import DagRows, Written
from server.standalone.dags.errors import DagFileError
from server.standalone.dags.folder import Scan, Signature, scan_folder
from server.standalone.dags.parser import AGAIN, Parsed, Parser
from server.standalone.dags.serialize import DagFile
from server.standalone.dags.settling import Change, Settling
from server.wire.document import Problem
from windsock.text import first_line

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

# How often to check whether somebody deleted a DAG whose file is still there, in seconds.
_RECHECK = 10.0
# How long a file must not have changed, in seconds.
SETTLE = 1.0
# What looking at a folder may take of a core: the larger it is, the less often the loader looks.
_SHARE = 0.004
_LONGEST_PAUSE = 10.0
# How long a pass waits for files that take long, and the first pass for files that were just written.
_PATIENCE = 1.0
_START_PATIENCE = 3.0
# Errors that are about the values, not about the database.
_REFUSALS = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, asyncpg.ProgramLimitExceededError)


@dataclass(slots=True)
class LoadReport:
    """The result of a pass. `errors` maps a file to its problems, one on each line.

    `waiting` is the number of files that have changed but were not read yet.
    """

    written: list[str] = field(default_factory=list)
    deactivated: list[str] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    waiting: int = 0

    def add(self, change: Written) -> None:
        """Count what was written."""
        self.written += change.written
        self.deactivated += change.deactivated


@dataclass(slots=True)
class _Known:
    """What the loader remembers of a file: the DAGs that it defines, or defined when it was last valid."""

    dag_ids: list[str]
    signature: Signature | None = None
    conflict: bool = False
    bad_digest: str = ""
    again: float = math.inf


class DagLoader:
    """Loads the YAML files of a folder into `dag`, `serialized_dag`, `dag_code` and `dag_tag`.

    It is a context manager: it has worker processes, which end with it.
    """

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        folder: str | Path,
        *,
        paused_at_creation: bool,
        ignore_syntax: str = "regexp",
        settle: float = SETTLE,
        recheck: float = _RECHECK,
    ) -> None:
        """`settle`: for how many seconds a file must not have changed before it is read.

        `recheck`: after how many seconds the loader asks the database again what it has.
        """
        self._pool = pool
        self._folder = Path(folder).absolute()
        self._paused_at_creation = paused_at_creation
        self._parser = Parser(self._folder, ignore_syntax)
        self._settling = Settling(settle)
        self._known: dict[str, _Known] | None = None
        self._recheck = recheck
        self._rechecked = 0.0
        self._cost = 0.0
        self._incomplete = False
        self._unusable: set[str] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._parser.close()

    async def watch(self, interval: float = 0.5, loaded: asyncio.Event | None = None) -> None:
        """Load again and again, until cancelled; go on if the database is away for a while.

        After a look at a large folder in which no file waits to be read, the pause is longer than `interval` seconds.
        `loaded` is set when all files that need no waiting have been loaded.
        """
        begin = time.monotonic()
        while True:
            seconds = interval
            try:
                report = await self.load_once(_PATIENCE)
                if not report.waiting:
                    seconds = max(interval, min(self._cost / _SHARE, _LONGEST_PAUSE))
                if loaded is not None and (not report.waiting or time.monotonic() - begin > _START_PATIENCE):
                    loaded.set()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                _log.warning("DAG files must wait for the database", error=first_line(error))
            await pause(seconds)

    async def load_once(self, patience: float | None = None) -> LoadReport:
        """Bring the database in step with the folder. An unchanged file costs only a `stat`.

        Files that take longer than `patience` seconds are left to a later pass. Raises SchemaError for a database that
        is not standalone's own.
        """
        scan = await self._parser.without_ignored(await asyncio.to_thread(self._scan))
        self._warn_of_gaps(scan)
        known = await self._checked()
        changes = _changes(scan, known)
        ready = await asyncio.to_thread(self._settling.ready, changes)
        files = {file: scan.files[file] for file in changes if file in ready and file in scan.files}
        removed = [file for file in changes if file in ready and file not in scan.files]
        if files or removed:
            files |= {file: scan.files[file] for file, state in known.items() if state.conflict and file in scan.files}
        bad = {file: known[file].bad_digest for file in files if file in known}
        parsed = await self._parser.read(files, bad, patience)
        report = LoadReport(waiting=len(changes.keys() - parsed.keys() - set(removed)))
        if parsed or removed:
            async with self._rows() as rows:
                await self._load(rows, scan, parsed, removed, report)
        return report

    async def _checked(self) -> dict[str, _Known]:
        """Return what is known of each file; from time to time, compare it with the database."""
        now = time.monotonic()
        if self._known is not None and now - self._rechecked <= self._recheck:
            return self._known
        async with self._rows() as rows:
            if self._known is None:
                self._known = {file: _Known(ids) for file, ids in (await rows.known_files()).items()}
            known = self._known
            missing = await rows.missing([dag_id for state in known.values() for dag_id in state.dag_ids])
        for state in known.values():
            if not missing.isdisjoint(state.dag_ids) or state.again <= now:
                state.signature, state.bad_digest, state.again = None, "", math.inf
        self._rechecked = now
        return known

    async def _load(
        self, rows: DagRows, scan: Scan, parsed: Mapping[str, Parsed], removed: list[str], report: LoadReport
    ) -> None:
        known = {} if self._known is None else self._known
        others = {file: state.dag_ids for file, state in known.items() if file in scan.files}
        results = {file: one.result for file, one in parsed.items() if one.result is not None}
        outcome = resolve(results, others)
        for file, one in parsed.items():
            state = known.setdefault(file, _Known([]))
            if one.result is not None:
                refused = await self._apply(rows, file, outcome[file], report)
                state.conflict = outcome[file] is not one.result
                state.bad_digest = one.digest if isinstance(one.result, DagFileError) else ""
                state.again = math.inf if one.lasting else time.monotonic() + AGAIN
                if isinstance(one.result, DagFile) and not refused:
                    state.dag_ids = one.result.dag_ids
            state.signature = one.signature
            self._parser.done(file)
        for file in removed:
            report.add(await rows.remove_file(file))
            del known[file]
        # If a DAG has moved to another file, and that file was written later, the DAG is active again.
        report.deactivated = [dag_id for dag_id in report.deactivated if dag_id not in report.written]
        for dag_id in report.deactivated:
            _log.info("DAG deactivated, no file defines it any more", dag_id=dag_id)

    async def _apply(self, rows: DagRows, file: str, result: DagFile | DagFileError, report: LoadReport) -> bool:
        """Write what a file defines, or why it is refused; return whether it is refused."""
        if isinstance(result, DagFile):
            try:
                change = await rows.put_file(result)
            except _REFUSALS as error:
                result = DagFileError(Problem(None, f"the database refuses it: {error}"))
            else:
                report.add(change)
                _log_loaded(result, change)
                return False
        report.errors[file] = result.report(file)
        if await _put_error(rows, file, report.errors[file]):
            for problem in result.problems:
                _log.error("DAG file refused", file=file, line=problem.line, problem=problem.text)
        return True

    def _scan(self) -> Scan:
        begin = time.thread_time()
        scan = scan_folder(self._folder)
        self._cost = time.thread_time() - begin
        return scan

    def _warn_of_gaps(self, scan: Scan) -> None:
        if not scan.complete and not self._incomplete:
            what = "cannot be read in full" if self._folder.is_dir() else "does not exist"
            _log.warning(f"DAG folder {what}; no DAG is deactivated", folder=str(self._folder))
        self._incomplete = not scan.complete
        for file in scan.unusable:
            if file not in self._unusable:
                _log.warning("DAG file left out: its path is too long, or is not UTF-8", file=ascii(file))
        self._unusable = set(scan.unusable)

    @asynccontextmanager
    async def _rows(self) -> AsyncIterator[DagRows]:
        async with self._pool.acquire() as conn:
            await check_schema(conn)
            yield DagRows(conn, paused_at_creation=self._paused_at_creation)


def _changes(scan: Scan, known: Mapping[str, _Known]) -> dict[str, Change]:
    """Return the files that have changed since they were read, or are gone."""
    changes = {}
    for file, signature in scan.files.items():
        read = known[file].signature if file in known else None
        if read != signature:
            changes[file] = Change(signature, read)
    gone = known.keys() - scan.files.keys() if scan.complete else set()
    return changes | {file: Change(None, known[file].signature) for file in sorted(gone)}


def _log_loaded(file: DagFile, change: Written) -> None:
    for row in file.rows:
        if row.dag_id in change.written:
            _log.info("DAG loaded", dag_id=row.dag_id, file=file.fileloc)
            for note in row.notes:
                _log.warning("DAG loaded with a note", dag_id=row.dag_id, file=file.fileloc, note=note)


def resolve(
    parsed: Mapping[str, DagFile | DagFileError], others: Mapping[str, list[str]]
) -> dict[str, DagFile | DagFileError]:
    """Refuse files that define a DAG of another file: the file that had it keeps it, or else the first by name gets it.

    `others` has what each existing file defined until now, for files that are broken or have not changed.
    """
    fresh = {file: result for file, result in parsed.items() if isinstance(result, DagFile)}
    owner = {dag_id: file for file, dag_ids in others.items() if file not in fresh for dag_id in dag_ids}
    outcome: dict[str, DagFile | DagFileError] = {file: result for file, result in parsed.items() if file not in fresh}
    for file in sorted(fresh, key=lambda name: (set(others.get(name, ())).isdisjoint(fresh[name].dag_ids), name)):
        problems = [
            Problem(row.line, f"DAG {row.dag_id!r} is already defined in {owner[row.dag_id]}")
            for row in fresh[file].rows
            if row.dag_id in owner
        ]
        outcome[file] = DagFileError(*problems) if problems else fresh[file]
        if not problems:
            owner |= dict.fromkeys(fresh[file].dag_ids, file)
    return outcome


async def _put_error(rows: DagRows, file: str, text: str) -> bool:
    """Store why a file is refused, in ASCII if the database's encoding requires it; return whether the text is new."""
    for form in (text, text.encode("ascii", "backslashreplace").decode().replace("\0", "\\x00")):
        with suppress(*_REFUSALS):
            return await rows.put_error(file, form)
    return True
