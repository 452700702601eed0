"""DAG files that could not be loaded: the table `import_error`, which Airflow and the DAG loader write."""

import re
from collections.abc import AsyncGenerator
from pathlib import PurePath
from typing import NamedTuple

from server.caching.recent import Recent
from server.database.database import DagIds, Database, of_readable, ordered

# An error has some kilobytes, so a page of them is still a small answer.
_STREAM_PAGE = 200
# If a caller asks for an unknown DAG, the answer names its file; errors are read at most once in this many seconds.
_SECONDS = 2.0
_LONGEST_SUMMARY = 400
_REDACTED = "REDACTED: this file also has DAGs that you may not read"
_PLACE = re.compile(r'File "([^"\n]+)", line (\d+)')


class BrokenFile(NamedTuple):
    """A file that could not be loaded, and why: lines `file:line: problem`, or the traceback of an Airflow."""

    filename: str
    error: str

    def is_of(self, dag_id: str) -> bool:
        """Whether it seems to be the file of a DAG: the file has the DAG's name, or the error names the DAG."""
        return PurePath(self.filename).stem == dag_id or f"'{dag_id}'" in self.error or f'"{dag_id}"' in self.error

    def summary(self, dag_id: str) -> str:
        """Return file, line and problem on one line; of several problems, the one of the DAG, if it has one."""
        lines = [line.strip() for line in self.error.splitlines() if line.strip()] or ["it cannot be loaded"]
        if places := _PLACE.findall(self.error):
            # The innermost place in the file itself, or else in a file that it imports.
            own = [number for file, number in places if file.endswith(self.filename)]
            text = f"{self.filename}:{(own or [places[-1][1]])[-1]}: {lines[-1]}"
        else:
            # A problem of another DAG in the file may be the only reason why this DAG is missing.
            placed = re.compile(rf"{re.escape(self.filename)}:\d+: ")
            named = [line for line in lines if f"'{dag_id}'" in line and placed.match(line)]
            text = named[0] if named else lines[0]
            text = text if text.startswith(self.filename) else f"{self.filename}: {text}"
        return text if len(text) <= _LONGEST_SUMMARY else f"{text[:_LONGEST_SUMMARY]}..."


class ImportErrors:
    """The `import_error` table."""

    def __init__(self, database: Database) -> None:
        """Read the table of `database`."""
        self._database = database
        self._recent: Recent[list[BrokenFile]] = Recent(self._read_recent, _SECONDS)

    def pages(
        self, limit: int | None, offset: int, *, descending: bool, readable: DagIds | None = None
    ) -> AsyncGenerator[list[str], None]:
        """Yield pages of JSON objects, one for each file, ordered by filename.

        As Airflow 2 does it: only files with a DAG that is `readable`, and why one cannot be loaded only if all of its
        DAGs are. None: all files.
        """
        name, *dag_ids = of_readable("import_errors", readable)
        arguments = (limit, offset, *dag_ids, *([_REDACTED] if dag_ids else []))
        return self._database.stream(ordered(name, descending=descending), arguments, _STREAM_PAGE)

    async def count(self, readable: DagIds | None = None) -> int:
        """Return how many there are in files with a DAG that is `readable`; None: in all files."""
        total: int = await self._database.fetchval(*of_readable("count_all_import_errors", readable))
        return total

    async def of_dag(self, dag_id: str) -> str | None:
        """Say what is wrong with the file that seems to define an unknown DAG; None if there is no such file."""
        for file in await self._recent.get(""):
            if file.is_of(dag_id):
                return file.summary(dag_id)
        return None

    async def _read_recent(self, _: str) -> list[BrokenFile]:
        rows = await self._database.fetch("latest_import_errors")
        return [BrokenFile(row["filename"] or "", row["stacktrace"] or "") for row in rows]
