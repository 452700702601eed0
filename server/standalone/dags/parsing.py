"""What a worker process does with DAG files: whatever they contain, only that process suffers."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from server.standalone.dags.errors import DagFileError
from server.standalone.dags.expressions import TAGS, evaluated
from server.standalone.dags.folder import DEFAULTS, folders_of, open_regular
from server.standalone.dags.ignoring import ignored
from server.standalone.dags.plan import plan_dags
from server.standalone.dags.section import File
from server.standalone.dags.serialize import DagFile, dag_row
from server.standalone.dags.variables import Environment
from server.wire.document import MAX_BYTES, Document, DocumentError, Problem, read_document

# The limit for all DAGs of a file together, as the database stores them.
_MAX_STORED = 16 * 1024 * 1024
_TOP_LEVEL_KEY = re.compile(r"""^(["']?)([\w.-]{1,250})\1[ \t]*:(?=\s|$)""", re.MULTILINE)
_MOST_NAMED = 100


class Request(msgspec.Struct):
    """The file to read, unless its content and that of its defaults files is known to be bad."""

    fileloc: str
    dags_folder: str
    bad_digest: str
    environment: Environment


class Answer(msgspec.Struct):
    """The result for a file: either `file` or `problems`, or neither if its content is known to be bad.

    `dag_ids` are those that a file with problems seems to define.
    """

    digest: str = ""
    file: DagFile | None = None
    problems: Sequence[Problem] = ()
    dag_ids: Sequence[str] = ()


class IgnoreRequest(msgspec.Struct):
    """The arguments of `ignoring.ignored`."""

    files: list[str]
    folder: str
    ignores: dict[str, str]
    syntax: str


def read_file(request: Request) -> Answer:
    """Read and validate one file."""
    answer, raw = Answer(), b""
    try:
        raw = _read(request.fileloc)
        defaults = _read_defaults(request)
        answer.digest = hashlib.sha256(b"\0".join([raw, *defaults.values()])).hexdigest()
        if answer.digest != request.bad_digest:
            answer.file = _parse(raw, defaults, request)
    except DocumentError as error:
        answer.problems = error.problems
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - no check foresaw it: it is still this file's error alone
        answer.problems = [Problem(None, f"it cannot be read: {type(error).__name__}")]
    if answer.problems:
        answer.dag_ids = _defined(raw)
    return answer


def _defined(raw: bytes) -> list[str]:
    """Return the keys of a mapping that may not even be YAML, so that requests for such a DAG can name the file."""
    keys = dict.fromkeys(found[2] for found in _TOP_LEVEL_KEY.finditer(raw.decode(errors="replace")))
    return [key for key in keys if key != "default"][:_MOST_NAMED]


def _read(fileloc: str) -> bytes:
    try:
        with open_regular(fileloc) as file:
            raw = b""
            while len(raw) <= MAX_BYTES and (part := file.read(MAX_BYTES + 1 - len(raw))) != b"":
                if part is None:
                    raise DagFileError(Problem(None, "cannot read the file: it is of a kind that blocks its readers"))
                raw += part
            return raw
    except OSError as error:
        raise DagFileError(Problem(None, f"cannot read the file: {error.strerror}")) from error


def _read_defaults(request: Request) -> dict[File, bytes]:
    """Return the defaults files that count for the file, the nearest first; of two in one folder, the first one."""
    found: dict[File, bytes] = {}
    for folder in folders_of(Path(request.fileloc), Path(request.dags_folder)):
        file = next((path for name in DEFAULTS if (path := folder / name).exists()), None)
        if file is not None:
            with _named(File(file)):
                found[File(file)] = _read(str(file))
    return found


@contextmanager
def _named(file: File) -> Iterator[None]:
    """Let the problems of a defaults file name it."""
    try:
        yield
    except DocumentError as error:
        raise DagFileError(*(Problem(None, problem.at(file)) for problem in error.problems)) from error


def _parse(raw: bytes, defaults: Mapping[File, bytes], request: Request) -> DagFile:
    notes: list[str] = []
    documents = {}
    for file, content in defaults.items():
        with _named(file):
            documents[file] = _document(content, request, notes)
    plans = plan_dags(_document(raw, request, notes), request.fileloc, documents, request.environment)
    rows = [dag_row(plan, request.fileloc) for plan in plans]
    rows = [row._replace(notes=list(dict.fromkeys(row.notes + notes))) for row in rows]
    if sum(len(row.data) for row in rows) > _MAX_STORED:
        raise DagFileError(Problem(None, f"its DAGs are larger than {_MAX_STORED} bytes as the database stores them"))
    return DagFile(request.fileloc, raw.decode("utf-8-sig"), rows)


def _document(raw: bytes, request: Request, notes: list[str]) -> Document:
    return evaluated(read_document(request.environment.fill_in(raw, notes), TAGS))


def _read_file(data: bytes) -> bytes:
    request = msgspec.json.decode(data, type=Request)
    return msgspec.json.encode(read_file(request))


def _ignored(data: bytes) -> bytes:
    request = msgspec.json.decode(data, type=IgnoreRequest)
    return msgspec.json.encode(ignored(request.files, request.folder, request.ignores, request.syntax))


FUNCTIONS = {"read_file": _read_file, "ignored": _ignored}
