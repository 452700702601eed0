"""Is an answer within what a case expects? Nothing is forgiven that the contract does not forgive."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.cases import Case
    from tests.contract.client import Answer

Json: TypeAlias = dict[str, "Json"] | list["Json"] | str | int | float | bool | None

RECORDED = datetime(2026, 11, 22, tzinfo=UTC)
# Two days before, the start of DAGs whose file asked the clock.
DAYS_AGO = "2026-11-20 00:00:00+00:00"
MAY_DIFFER = frozenset({"id", "hostname", "unixname", "job_id", "pid", "count", "duration"})
NONE_OR_NOT = frozenset({"job_id", "pid", "duration"})
MAY_BE_ABSENT = frozenset(
    {
        *("output_encoding", "sub_process", "xcom_push_flag", "provide_context", "python_callable", "executor"),
        *("extra_options", "headers", "hook", "http_conn_id", "mode", "poke_interval", "response_check", "soft_fail"),
        "timeout",
    }
)
UNORDERED = re.compile(r"^/api/experimental/(latest_runs|pools)(\?|$)")
SHORTENED = re.compile(r"\.\.\. ?\(\d+( \w+)?\)$")
DATE = re.compile(
    r"(\d{4}-\d\d-\d\d)([T +])(\d\d)(:|%3A)(\d\d)\4(\d\d)(\.\d{1,6})?(?:([+-]|%2B)(\d\d)\4(\d\d))?",
)
FAILURE = 400


@dataclass(frozen=True, slots=True)
class Clock:
    """What counts as a clock time: the day of the recording, and what the replay itself took."""

    since: datetime
    until: datetime

    def covers(self, moment: datetime) -> bool:
        """Whether a moment came from a clock and not from a request."""
        return RECORDED <= moment < RECORDED + timedelta(days=1) or self.since <= moment <= self.until

    def mask(self, text: str) -> str:
        """Replace each clock time by its form, so that only the form is compared."""
        return DATE.sub(self._form, text)

    def _form(self, found: re.Match[str]) -> str:
        day, separator, hour, colon, minute, second, fraction, sign, *offset = found.groups()
        zone = f"{'-' if sign == '-' else '+'}{offset[0]}:{offset[1]}" if sign else "+00:00"
        moment = datetime.fromisoformat(f"{day}T{hour}:{minute}:{second}{fraction or ''}{zone}")
        if not self.covers(moment):
            return found.group()
        form = f"{separator}{colon}{'.f' if fraction else ''}"
        return f"<now {form} {sign or ''}{colon.join(offset) if sign else ''}>"


def _sorted_object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    names = [name for name, _ in pairs]
    if names != sorted(names):
        raise ValueError(f"keys are not sorted: {names}")
    return dict(pairs)


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


def _plain(value: str, key: str, clock: Clock) -> str:
    if key == "dag_run_url":
        value = value.replace("/admin/airflow/graph?", "/graph?", 1)
    if key == "message":
        value = re.sub(r"^Removed \d+ record\(s\)$", "Removed n record(s)", value)
    return clock.mask(value)


def _list(recorded: list[Json], answered: list[Json], path: str, clock: Clock, *, ordered: bool) -> Iterator[str]:
    if len(recorded) != len(answered):
        yield f"{path}: {len(recorded)} elements recorded, {len(answered)} answered"
        return
    left = list(answered)
    for index, element in enumerate(recorded):
        here = f"{path}[{index}]"
        choices = left[:1] if ordered else left
        tries = [list(_value(element, choice, here, clock, ordered=ordered)) for choice in choices]
        best = min(range(len(tries)), key=lambda number: len(tries[number]))
        yield from tries[best]
        del left[best]


def _object(
    recorded: dict[str, Json], answered: dict[str, Json], path: str, clock: Clock, *, ordered: bool
) -> Iterator[str]:
    for key, value in recorded.items():
        if key in answered:
            yield from _value(value, answered[key], f"{path}.{key}", clock, ordered=ordered)
        elif not (key in MAY_BE_ABSENT and "task_id" in recorded):
            yield f"{path}.{key} is missing"


def _same_scalar(recorded: Json, answered: Json, key: str, clock: Clock) -> bool:
    if type(recorded) is not type(answered):
        return False
    if key in NONE_OR_NOT and (recorded == "None") != (answered == "None"):
        return False
    if key in MAY_DIFFER:
        return True
    if isinstance(recorded, str) and isinstance(answered, str):
        if recorded == DAYS_AGO:
            return DATE.fullmatch(answered) is not None
        return _plain(recorded, key, clock) == _plain(answered, key, clock)
    return recorded == answered


def _value(recorded: Json, answered: Json, path: str, clock: Clock, *, ordered: bool = True) -> Iterator[str]:
    if isinstance(recorded, dict) and isinstance(answered, dict):
        yield from _object(recorded, answered, path, clock, ordered=ordered)
    elif isinstance(recorded, list) and isinstance(answered, list):
        yield from _list(recorded, answered, path, clock, ordered=ordered)
    elif not _same_scalar(recorded, answered, path.rpartition(".")[2], clock):
        yield f"{path}: {recorded!r} recorded, {answered!r} answered"


def _parse(answer: Answer) -> Json:
    """Read an answer as the contract's JSON: its media type, keys sorted, nothing but JSON. Raises ValueError."""
    if answer.content_type != "application/json":
        raise ValueError(f"Content-Type is {answer.content_type!r}")
    value: Json = json.loads(answer.body, object_pairs_hook=_sorted_object, parse_constant=_no_constant)
    return value


def _error_text(answer: Answer) -> str:
    """Read the text of an error. Raises ValueError for anything that is not `{"error": text}`."""
    value = _parse(answer)
    if answer.status < FAILURE:
        raise ValueError(f"status {answer.status} for an error")
    text = value.get("error") if isinstance(value, dict) else None
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"not an error: {answer.body[:200]!r}")
    return text


def _same_json(case: Case, answer: Answer, clock: Clock) -> Iterator[str]:
    assert case.airflow is not None
    value = _parse(answer)
    if answer.status >= FAILURE:
        yield f"status {answer.status} where Airflow answers {case.airflow.status}"
    if SHORTENED.search(case.airflow.body):
        return
    ordered = not UNORDERED.match(case.request.target().decode())
    yield from _value(json.loads(case.airflow.body), value, "$", clock, ordered=ordered)


def _same_error(case: Case, answer: Answer, clock: Clock) -> Iterator[str]:
    assert case.airflow is not None
    recorded, answered = json.loads(case.airflow.body)["error"], _error_text(answer)
    if clock.mask(recorded) != clock.mask(answered):
        yield f"error {recorded!r} recorded, {answered!r} answered"


def _like_airflow_or_error(case: Case, answer: Answer, clock: Clock) -> Iterator[str]:
    assert case.airflow is not None
    if answer.status >= FAILURE:
        _error_text(answer)
    elif case.airflow.status < FAILURE:
        yield from _same_json(case, answer, clock)
    elif case.beyond:
        _parse(answer)
    else:
        yield f"status {answer.status} where Airflow answers {case.airflow.status}"


def _text(answer: Answer, source: str | None) -> Iterator[str]:
    text = answer.body.decode()
    if not text.strip():
        yield "an empty text"
    if source is not None and text != source:
        yield f"not the source of the DAG: {text[:100]!r}"


def _body(case: Case, answer: Answer, clock: Clock, source: str | None) -> Iterator[str]:
    assert case.expect is not None
    match case.expect.body:
        case "json":
            yield from _same_json(case, answer, clock)
        case "same error text":
            yield from _same_error(case, answer, clock)
        case '{"error": text}':
            _parse(answer) if answer.status < FAILURE and answer.status in case.expect.status else _error_text(answer)
        case 'like Airflow, or {"error": text}':
            yield from _like_airflow_or_error(case, answer, clock)
        case "text":
            yield from _text(answer, source)
        case "empty":
            if answer.body:
                yield f"a body where none is expected: {answer.body[:100]!r}"
        case "any":
            return
        case other:
            yield f"unknown kind of comparison: {other}"


def differences(case: Case, answer: Answer, clock: Clock, source: str | None = None) -> list[str]:
    """Say in what an answer is not what the case expects; an empty list is a pass.

    `source` is the DAG file that `/code` must return, where it is known.
    """
    if case.expect is None:
        return [] if answer.status < 500 else [f"status {answer.status}"]
    found = []
    if answer.status not in case.expect.status:
        found.append(f"status {answer.status}, expected one of {case.expect.status}")
    if answer.status == 405 and "allow" not in answer.headers:
        found.append("405 without Allow")
    try:
        found += _body(case, answer, clock, source)
    except ValueError as problem:
        found.append(f"{problem} (body {answer.body[:200]!r})")
    return found
