"""The DAGs folder: which YAML files it holds, and what is in them."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from server.dags.document import MAX_BYTES, DagFileError, Problem, read_document
from server.dags.plan import plan_dags
from server.dags.serialize import dag_row
from server.dags.store import DagFile

_SUFFIXES = (".yaml", ".yml")
_DEFAULTS = ("defaults.yaml", "defaults.yml")

Signature = tuple[int, int, int]


class Scan(NamedTuple):
    """The files found, with what changes when they do; not `complete` where a folder could not be listed."""

    files: dict[str, Signature]
    complete: bool


def scan_folder(folder: Path) -> Scan:
    """Find the YAML files below the folder. Links are followed; names with a leading dot are skipped."""
    errors: list[OSError] = []
    files: dict[str, Signature] = {}
    for path in _walk(folder, errors):
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        except OSError as error:
            errors.append(error)
            continue
        if stat.S_ISREG(status.st_mode):
            files[str(path)] = (status.st_mtime_ns, status.st_size, status.st_ino)
    return Scan(files, not errors)


def _walk(folder: Path, errors: list[OSError]) -> Iterator[Path]:
    seen: set[str] = set()
    for parent, folders, names in os.walk(folder.absolute(), onerror=errors.append, followlinks=True):
        real = str(Path(parent).resolve())
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (
            Path(parent, name) for name in names if name.lower().endswith(_SUFFIXES) and not name.startswith(".")
        )


def read_file(fileloc: str) -> DagFile:
    """Read and validate one file. Raises DagFileError."""
    try:
        with Path(fileloc).open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise DagFileError(Problem(None, f"cannot read the file: {error.strerror}")) from error
    if Path(fileloc).name in _DEFAULTS:
        text = f"{Path(fileloc).name} is not supported: put its content under the key `default` of each file"
        raise DagFileError(Problem(None, text))
    plans = plan_dags(read_document(raw), fileloc)
    return DagFile(fileloc, raw.decode("utf-8-sig"), [dag_row(plan, fileloc) for plan in plans])
