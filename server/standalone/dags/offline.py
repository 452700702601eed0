"""`windsock check`: reads DAG files as the loader does, with the same limits and messages, and writes nothing."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from server.standalone.dags.errors import DagFileError
from server.standalone.dags.folder import Scan, Signature, can_be_stored, scan_folder
from server.standalone.dags.loader import resolve
from server.standalone.dags.parser import Parser
from server.standalone.dags.serialize import DagFile
from server.wire.document import Problem

Results = Mapping[str, DagFile | DagFileError]
# Nothing compares it, because each file is read only once.
_ANY = Signature(0, 0, 0, 0)
_NO_ROOM = DagFileError(Problem(None, "its path is too long for the database, or is not UTF-8"))
_UNREADABLE = DagFileError(Problem(None, "not everything below it can be read"))


async def check_files(paths: Iterable[Path], ignore_syntax: str, dags_folder: Path | None = None) -> Results:
    """Read these files, and the YAML files below those that are folders; return the result of each, in their order.

    Defaults files count up to the DAG folder, or for what is not below it, up to the path that is given.
    """
    found: dict[str, DagFile | DagFileError] = {}
    for path in paths:
        scan = scan_folder(path) if path.is_dir() else None
        found |= await _check(path.absolute(), scan, ignore_syntax, dags_folder)
    return resolve(found, {})


async def _check(
    path: Path, scan: Scan | None, ignore_syntax: str, dags_folder: Path | None
) -> dict[str, DagFile | DagFileError]:
    if scan is None and not can_be_stored(str(path)):
        return {str(path): _NO_ROOM}
    folder = path if scan else path.parent
    parser = Parser(folder, ignore_syntax, top=dags_folder if dags_folder in folder.parents else folder)
    try:
        files = (await parser.without_ignored(scan)).files if scan else {str(path): _ANY}
        parsed = await parser.read(files, {}, None)
    finally:
        await parser.close()
    found: dict[str, DagFile | DagFileError]
    found = {file: result for file in sorted(parsed) if (result := parsed[file].result) is not None}
    return found | (_missed(path, scan) if scan else {})


def _missed(folder: Path, scan: Scan) -> dict[str, DagFile | DagFileError]:
    """Return what the loader cannot use or read in a folder."""
    missed: dict[str, DagFile | DagFileError] = dict.fromkeys(scan.unusable, _NO_ROOM)
    return missed if scan.complete else {**missed, str(folder): _UNREADABLE}
