"""What a request changed in the database, and whether it should have."""

from __future__ import annotations

import ast
import io
import json
import pickle
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import asyncpg

    from tests.contract.cases import Case
    from tests.contract.client import Answer
    from tests.contract.compare import Clock

Row: TypeAlias = dict[str, Any]

HERE = Path(__file__).parent
QUERIES = dict(re.findall(r"-- name: (\w+)\n(.*?);\n", HERE.joinpath("queries.sql").read_text(), re.DOTALL))
WRITES = {"POST", "DELETE", "PUT", "PATCH"}
PAUSE = re.compile(r"^/api/experimental/dags/[^/]+/paused/[^/]+$")
TRIGGER = re.compile(r"^/api/experimental/dags/[^/]+/dag_runs(\?|$)")
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00")
HIGHEST_PROTOCOL = 4


@dataclass(frozen=True, slots=True)
class Change:
    """A row as it was and as it is."""

    relation: str
    before: Row | None
    after: Row | None


async def install(connection: asyncpg.Connection) -> None:
    """Watch every table of a scratch database."""
    await connection.execute(HERE.joinpath("audit.sql").read_text())


async def take(connection: asyncpg.Connection) -> list[Change]:
    """Return what was written since the last call; an update that changes nothing does not count."""
    rows = [
        Change(name, before and json.loads(before), after and json.loads(after))
        for name, before, after in await connection.fetch(QUERIES["take_changes"])
    ]
    return [row for row in rows if row.before != row.after]


class _NothingButData(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        raise pickle.UnpicklingError(f"a conf that names {module}.{name}")


def unpickle(hexadecimal: str) -> object:
    r"""Read a `bytea` column as `\x...`. Raises ValueError for a protocol that a Python 3.7 cannot read."""
    data = bytes.fromhex(hexadecimal.removeprefix("\\x"))
    if data[:1] != b"\x80" or data[1] > HIGHEST_PROTOCOL:
        raise ValueError(f"pickle protocol of {data[:2]!r}")
    value: object = _NothingButData(io.BytesIO(data)).load()
    return value


def _same_pickle(recorded: Mapping[str, Any], actual: object) -> bool:
    if not isinstance(actual, str):
        return False
    try:
        value = unpickle(actual)
    except (ValueError, pickle.UnpicklingError):
        return False
    shortened = re.fullmatch(r"(.*)\.\.\.\((\d+) chars\)", recorded["value"], re.DOTALL)
    if shortened:
        return len(repr(value)) == int(shortened[2]) and repr(value).startswith(shortened[1])
    return bool(value == ast.literal_eval(recorded["value"]))


def _same(recorded: object, actual: object, clock: Clock) -> bool:
    if isinstance(recorded, dict) and "hex" in recorded:
        return _same_pickle(recorded, actual)
    if not isinstance(recorded, str) or not isinstance(actual, str):
        return bool(recorded == actual)
    if TIMESTAMP.fullmatch(recorded) and TIMESTAMP.fullmatch(actual):
        moments = datetime.fromisoformat(recorded), datetime.fromisoformat(actual)
        return moments[0] == moments[1] or all(map(clock.covers, moments))
    return clock.mask(recorded) == clock.mask(actual)


def _matches(recorded: Row, actual: Row, clock: Clock) -> bool:
    return all(column in actual and _same(value, actual[column], clock) for column, value in recorded.items())


def _pair(what: str, recorded: list[Row], actual: list[Row], clock: Clock) -> Iterator[str]:
    left = list(actual)
    for row in recorded:
        match = next((candidate for candidate in left if _matches(row, candidate, clock)), None)
        if match is None:
            yield f"{what}: no row like {row} among {left}"
        else:
            left.remove(match)
    if left:
        yield f"{what}: more rows than recorded: {left}"


async def _updated(connection: asyncpg.Connection, relation: str, updates: list[Row], clock: Clock) -> list[str]:
    found = []
    for update in updates:
        rows = await connection.fetch(QUERIES["rows_with"], relation, json.dumps(update["key"]))
        wanted = {column: values[1] for column, values in update["changes"].items()}
        if len(rows) != 1 or not _matches(wanted, json.loads(rows[0][0]), clock):
            found.append(f"{relation}: {update['key']} should have {wanted}, not {[row[0] for row in rows]}")
    return found


async def _as_recorded(
    connection: asyncpg.Connection, effect: dict[str, Any], changes: list[Change], clock: Clock
) -> list[str]:
    found = [f"{change.relation} was written" for change in changes if change.relation not in effect]
    for relation, recorded in effect.items():
        mine = [change for change in changes if change.relation == relation]
        new = [change.after for change in mine if change.before is None and change.after is not None]
        gone = [change.before for change in mine if change.after is None and change.before is not None]
        found += _pair(f"{relation} inserted", recorded.get("inserted", []), new, clock)
        if "deleted_where" in recorded:
            if not gone or not all(_matches(recorded["deleted_where"], row, clock) for row in gone):
                found.append(f"{relation}: deleted {gone}")
        else:
            found += _pair(f"{relation} deleted", recorded.get("deleted", []), gone, clock)
        found += await _updated(connection, relation, recorded.get("updated", []), clock)
    return found


def _trigger(answer: Answer, changes: list[Change], clock: Clock) -> Iterator[str]:
    """A trigger writes runs and nothing else: the one that it names, and those of its sub-DAGs."""
    said = json.loads(answer.body)
    wanted = {"state": "running", "external_trigger": True, "end_date": None, "run_id": said["run_id"]}
    if not changes:
        yield "a trigger that wrote nothing"
    for change in changes:
        if change.relation != "dag_run" or change.before is not None or change.after is None:
            yield f"{change.relation} was written"
            continue
        started = datetime.fromisoformat(change.after["start_date"] or "0001-01-01T00:00:00+00:00")
        if not clock.since <= started <= clock.until or not _matches(wanted, change.after, clock):
            yield f"not the run that was answered: {change.after}"
        if datetime.fromisoformat(change.after["execution_date"]) != datetime.fromisoformat(said["execution_date"]):
            yield f"not the date that was answered: {change.after}"


async def differences(
    connection: asyncpg.Connection, case: Case, answer: Answer, changes: list[Change], clock: Clock
) -> list[str]:
    """Say what was written that should not have been, or the other way round; an empty list is a pass."""
    target = case.request.target().decode()
    if answer.status >= 400 or not (case.request.method in WRITES or PAUSE.match(target)):
        return [f"{change.relation} was written" for change in changes]
    found: list[str] = []
    if TRIGGER.match(target):
        found += _trigger(answer, changes, clock)
    if case.db_effect and case.airflow and case.airflow.status < 400:
        found += await _as_recorded(connection, case.db_effect, changes, clock)
    return found
