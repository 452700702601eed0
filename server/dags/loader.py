"""Keeps the database in step with the DAGs folder: standalone's own database, never an Airflow's."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import structlog

from server.dags.document import DagFileError, Problem
from server.dags.folder import Scan, Signature, read_file, scan_folder
from server.dags.store import DagFile, Store, Written
from server.metadata.schema import check_schema

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

# How often to look whether somebody deleted a DAG whose file is still there, in seconds.
_RECHECK = 10.0


@dataclass(slots=True)
class LoadReport:
    """What one pass did. `errors` maps a file to what is wrong with it, one problem a line."""

    written: list[str] = field(default_factory=list)
    deactivated: list[str] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)

    def add(self, change: Written) -> None:
        """Count what the store did."""
        self.written += change.written
        self.deactivated += change.deactivated


@dataclass(slots=True)
class _Known:
    """What the loader remembers of a file: the DAGs it defines, or defined when it was last in order."""

    dag_ids: list[str]
    signature: Signature | None = None
    conflict: bool = False


class DagLoader:
    """Loads the YAML files of a folder into `dag`, `serialized_dag`, `dag_code` and `dag_tag`."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", folder: str | Path, *, paused_at_creation: bool) -> None:
        self._pool = pool
        self._folder = Path(folder).absolute()
        self._paused_at_creation = paused_at_creation
        self._known: dict[str, _Known] | None = None
        self._rechecked = 0.0
        self._incomplete = False

    async def watch(self, interval: float = 1.0) -> None:
        """Load again and again, until cancelled. A database that is away for a while does not end it."""
        while True:
            try:
                await self.load_once()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                _log.warning("DAG files wait for the database", error=str(error) or type(error).__name__)
            await asyncio.sleep(interval)

    async def load_once(self) -> LoadReport:
        """Bring the database in step with the folder. An unchanged file costs a `stat`.

        Raises SchemaError for a database that is not standalone's own.
        """
        scan = await asyncio.to_thread(scan_folder, self._folder)
        self._warn_of_gaps(scan)
        if self._known is not None and not self._due(scan):
            return LoadReport()
        async with self._store() as store:
            if self._known is None:
                self._known = {file: _Known(ids) for file, ids in (await store.known_files()).items()}
            await self._recheck(store)
            return await self._load(store, scan, self._known)

    def _due(self, scan: Scan) -> bool:
        known = self._known or {}
        changed = any(file not in known or known[file].signature != sign for file, sign in scan.files.items())
        removed = scan.complete and not known.keys() <= scan.files.keys()
        return changed or removed or time.monotonic() - self._rechecked > _RECHECK

    async def _recheck(self, store: Store) -> None:
        known = self._known or {}
        missing = await store.missing([dag_id for state in known.values() for dag_id in state.dag_ids])
        for state in known.values():
            if not missing.isdisjoint(state.dag_ids):
                state.signature = None
        self._rechecked = time.monotonic()

    async def _load(self, store: Store, scan: Scan, known: dict[str, _Known]) -> LoadReport:
        report = LoadReport()
        removed = [file for file in known if file not in scan.files] if scan.complete else []
        changed = {
            file for file, signature in scan.files.items() if file not in known or known[file].signature != signature
        }
        if changed or removed:
            changed |= {file for file, state in known.items() if state.conflict and file in scan.files}
        parsed = await asyncio.to_thread(_read_files, sorted(changed))
        others = {file: state.dag_ids for file, state in known.items() if file in scan.files}
        outcome = _resolve(parsed, others)
        for fileloc, result in outcome.items():
            conflict = result is not parsed[fileloc]
            await self._apply(store, fileloc, result, report)
            ids = result.dag_ids if isinstance(result, DagFile) else others.get(fileloc, [])
            known[fileloc] = _Known(ids, scan.files[fileloc], conflict)
        for fileloc in removed:
            report.add(await store.remove_file(fileloc))
            del known[fileloc]
        for dag_id in report.deactivated:
            _log.info("DAG deactivated, no file defines it any more", dag_id=dag_id)
        return report

    async def _apply(self, store: Store, fileloc: str, result: DagFile | DagFileError, report: LoadReport) -> None:
        if isinstance(result, DagFile):
            try:
                change = await store.put_file(result)
            except asyncpg.DataError as error:
                result = DagFileError(Problem(None, f"the database refuses it: {error}"))
            else:
                report.add(change)
                _log_loaded(result, change)
                return
        report.errors[fileloc] = result.report(fileloc)
        if await store.put_error(fileloc, report.errors[fileloc]):
            for problem in result.problems:
                _log.error("DAG file refused", file=fileloc, line=problem.line, problem=problem.text)

    def _warn_of_gaps(self, scan: Scan) -> None:
        if not scan.complete and not self._incomplete:
            _log.warning("DAGs folder cannot be read in full; no DAG is deactivated", folder=str(self._folder))
        self._incomplete = not scan.complete

    @asynccontextmanager
    async def _store(self) -> AsyncIterator[Store]:
        async with self._pool.acquire() as conn:
            await check_schema(conn)
            yield Store(conn, paused_at_creation=self._paused_at_creation)


def _log_loaded(file: DagFile, change: Written) -> None:
    for row in file.rows:
        if row.dag_id in change.written:
            _log.info("DAG loaded", dag_id=row.dag_id, file=file.fileloc)
            for note in row.notes:
                _log.warning("DAG loaded with a note", dag_id=row.dag_id, file=file.fileloc, note=note)


def _read_files(files: Iterable[str]) -> dict[str, DagFile | DagFileError]:
    results: dict[str, DagFile | DagFileError] = {}
    for fileloc in files:
        try:
            results[fileloc] = read_file(fileloc)
        except DagFileError as error:
            results[fileloc] = error
    return results


def _resolve(
    parsed: Mapping[str, DagFile | DagFileError], others: Mapping[str, list[str]]
) -> dict[str, DagFile | DagFileError]:
    """Refuse files that define a DAG of another file. Who had it keeps it; else the first by name gets it.

    `others` is what each existing file defined until now, which counts where it is broken or did not change.
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
