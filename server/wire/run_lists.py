"""A list of runs that a caller names in a body, and the answer to it: each entry succeeds or fails alone."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo
from typing import NamedTuple

from server.errors import BadRequest, WindsockError
from server.wire.bodies import check_id
from server.wire.dates import parse_execution_date
from server.wire.run_names import RunId, RunName
from server.wire.strict_json import UnstorableError, kind_of, parse_json
from windsock.protocol import Code

MAX_RUNS = 1000
_FIELDS = ("dag_id", "execution_date", "run_id")


class NamedRun(NamedTuple):
    """An entry: what the caller wrote, as far as it is text, and the run that this names, or why it names none."""

    written: Mapping[str, str]
    key: tuple[str, RunName] | None = None
    error: WindsockError | None = None


Found = str | None | WindsockError
"""What is known of a run: its state, or why there is none to tell."""


def parse_named_runs(body: bytes, default_timezone: tzinfo) -> list[NamedRun]:
    """Read the body of `POST /dag_runs/states`: a list of at most `MAX_RUNS` runs. Raises BadRequest."""
    try:
        value = parse_json(body, wanted="a JSON list of runs")
    except UnstorableError as error:
        # What cannot be stored spoils its own entry.
        value = error.value
    if not isinstance(value, list):
        raise BadRequest(f"The request body must be a JSON list of runs, not {kind_of(value)}")
    if len(value) > MAX_RUNS:
        raise BadRequest(f"The list has {len(value)} runs, and at most {MAX_RUNS} may be asked for at a time")
    return [_entry(one, default_timezone) for one in value]


def named_states(runs: Iterable[NamedRun], found: Sequence[Found]) -> list[dict[str, str | None]]:
    """Return the answer: each entry as it was asked for, with its `state`, or with `code` and `error`."""
    return [_answer(run, one) for run, one in zip(runs, found, strict=True)]


def _answer(run: NamedRun, found: Found) -> dict[str, str | None]:
    if isinstance(found, WindsockError):
        return dict(sorted({**run.written, "code": found.code.value, "error": found.message}.items()))
    return {**run.written, "state": found}


def _entry(value: object, default_timezone: tzinfo) -> NamedRun:
    fields = value if isinstance(value, dict) else {}
    written = {name: text for name in _FIELDS if isinstance(text := fields.get(name), str)}
    try:
        return NamedRun(written, _key(value, default_timezone))
    except BadRequest as error:
        return NamedRun(written, error=error)


def _key(value: object, default_timezone: tzinfo) -> tuple[str, RunName]:
    if not isinstance(value, dict):
        raise BadRequest(f"Each run must be a JSON object, not {kind_of(value)}")
    given = {name: one for name, one in value.items() if one is not None}
    if given.keys() not in ({"dag_id", "run_id"}, {"dag_id", "execution_date"}):
        raise BadRequest("A run is named by `dag_id` and either `run_id` or `execution_date`, and by nothing else")
    dag_id = _text(given, "dag_id", Code.INVALID_REQUEST)
    if "run_id" in given:
        return dag_id, RunId(_text(given, "run_id", Code.INVALID_RUN_ID))
    return dag_id, parse_execution_date(given["execution_date"], default_timezone)


def _text(given: Mapping[str, object], name: str, code: Code) -> str:
    text = given[name]
    if not isinstance(text, str):
        raise BadRequest(f"`{name}` must be a string, not {kind_of(text)}", code=code)
    if not text:
        raise BadRequest(f"`{name}` must not be empty", code=code)
    return check_id(text, name, code)
