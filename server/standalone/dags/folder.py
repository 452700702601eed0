"""The DAG folder: finds its YAML files, but does not read them."""

import errno
import io
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

IGNORE_FILE = ".airflowignore"
_SUFFIXES = (".yaml", ".yml")
_MAX_IGNORE = 64 * 1024
# `import_error.filename` has no room for more.
_LONGEST_PATH = 1000
DEFAULTS = ("defaults.yml", "defaults.yaml")
"""Not DAG files, but what those beside and below them have by default; of two in one folder, the first one counts."""
# A link that leads nowhere, or in a circle, is not a file, and neither is a file that was removed a moment ago.
_NO_FILE = frozenset({errno.ENOENT, errno.ELOOP, errno.ENOTDIR})


class Signature(NamedTuple):
    """The properties that change when a file changes; times are in nanoseconds.

    `defaults` has those of the defaults files that count for it: the file says something else when one of them changes.
    """

    modified: int
    changed: int
    size: int
    inode: int
    defaults: tuple["Signature", ...] = ()


class Scan(NamedTuple):
    """The files found; not `complete` if a folder could not be listed.

    `ignores` has the text of each `.airflowignore` by its folder; `unusable` has files whose names cannot be stored.
    """

    files: dict[str, Signature]
    ignores: dict[str, str]
    unusable: list[str]
    complete: bool


def scan_folder(folder: Path) -> Scan:
    """Find the YAML files below the folder. Links are followed; names with a leading dot are skipped."""
    scan = Scan({}, {}, [], complete=True)
    errors: list[OSError] = []
    defaults: dict[str, Signature] = {}
    top = folder.absolute()
    for entry in _walk(str(top), errors):
        if entry.name == IGNORE_FILE:
            scan.ignores[str(Path(entry.path).parent)] = _read_ignores(entry.path)
        elif (signature := _signature(entry, errors)) is not None:
            if entry.name in DEFAULTS:
                defaults[entry.path] = signature
            elif can_be_stored(entry.path):
                scan.files[entry.path] = signature
            else:
                scan.unusable.append(entry.path)
    files = _with_defaults(scan.files, top, defaults) if defaults else scan.files
    return scan._replace(files=files, complete=not errors)


def _with_defaults(
    files: Mapping[str, Signature], top: Path, defaults: Mapping[str, Signature]
) -> dict[str, Signature]:
    # There may be thousands of files in a folder, and the paths of its defaults files take longer than a `stat`.
    by_folder: dict[str, tuple[Signature, ...]] = {}
    found = {}
    for file, signature in files.items():
        folder = file.rpartition("/")[0]
        if folder not in by_folder:
            paths = (str(above / name) for above in folders_of(Path(file), top) for name in DEFAULTS)
            by_folder[folder] = tuple(defaults[path] for path in paths if path in defaults)
        found[file] = signature._replace(defaults=by_folder[folder])
    return found


def folders_of(file: Path, top: Path) -> list[Path]:
    """Return the folders whose defaults files count for a file: its own and those above it, up to `top`."""
    return [folder for folder in file.parents if folder == top or top in folder.parents] or [file.parent]


def open_regular(path: str) -> io.FileIO:
    """Open a regular file for reading without waiting for a pipe. Raises OSError, also for other kinds of files."""
    file = io.FileIO(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY))
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "not a regular file", path)
    return file


def _read_ignores(path: str) -> str:
    """Return the content of an ignore file; an empty one if it cannot be read, as in Airflow."""
    with suppress(OSError), open_regular(path) as file:
        return (file.read(_MAX_IGNORE) or b"").decode(errors="replace")
    return ""


def _walk(top: str, errors: list[OSError]) -> Iterator[os.DirEntry[str]]:
    """Yield the files of all folders that may count, each folder only once, although several links may lead to it."""
    seen: set[tuple[int, int]] = set()
    folders = [top]
    while folders:
        folder = folders.pop()
        try:
            status = os.stat(folder)  # noqa: PTH116 - a folder is a text here
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            errors.append(error)
            continue
        folders += [entry.path for entry in reversed(entries) if not entry.name.startswith(".") and _is_folder(entry)]
        yield from (entry for entry in entries if _may_count(entry.name))


def _may_count(name: str) -> bool:
    if name.startswith("."):
        return name == IGNORE_FILE
    return name.lower().endswith(_SUFFIXES)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _signature(entry: os.DirEntry[str], errors: list[OSError]) -> Signature | None:
    try:
        status = os.stat(entry.path)  # noqa: PTH116 - as above
    except OSError as error:
        if error.errno not in _NO_FILE:
            errors.append(error)
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return Signature(status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)


def can_be_stored(path: str) -> bool:
    """Whether the database has room for a path: not one that is too long, or is not UTF-8."""
    try:
        return len(path.encode()) <= _LONGEST_PATH
    except UnicodeEncodeError:
        return False
