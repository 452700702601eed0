"""Reads what clients send in bodies and paths: triggers, pools, pauses, names."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from random import randrange
from typing import TypeVar

import msgspec

from server.errors import BadRequest
from server.wire.dates import parse_execution_date
from server.wire.strict_json import UnstorableError, kind_of, parse_json
from server.wire.warning_header import warn, warn_of_ignored
from windsock.protocol import Code

MAX_ID_LENGTH = 250
_MAX_SLOTS = 2**31 - 1
_INTEGER = re.compile(r"\s*[+-]?\d{1,20}\s*", re.ASCII)
_TRUE_WORDS = frozenset({"true", "t", "y", "yes", "1"})
_TRIGGER_FIELDS = frozenset({"run_id", "conf", "execution_date", "replace_microseconds"})
_WITHOUT_FIELDS = (str, list)
_POOL_FIELDS = ("name", "slots", "description")
Value = TypeVar("Value")


class Trigger(msgspec.Struct, frozen=True):
    """A trigger as it will be stored: `execution_date` has a time zone, `conf` is None if there was none.

    With a `moment` the caller named no date: if the date is taken, the run may have another one. Without a `run_id`
    from the caller, the run_id follows the date. Errors in run_id or conf are raised only after the DAG is known to
    exist.
    """

    run_id: str
    execution_date: datetime
    conf: object
    date_given: bool
    id_given: bool = True
    moment: datetime | None = None
    run_id_error: BadRequest | None = None
    conf_error: BadRequest | None = None

    @property
    def shown_date(self) -> str:
        """The date as `message` shows it: with a space if the caller left it out, otherwise with a T."""
        return self.execution_date.isoformat("T" if self.date_given else " ")

    def moved(self, now: datetime) -> "Trigger":
        """Return the trigger at its moment or, if that was tried already, at any other in the second of `now`."""
        date = self.moment
        if date is None or date == self.execution_date:
            date = now.replace(microsecond=randrange(now.microsecond + 1))  # noqa: S311 - no secret
        return msgspec.structs.replace(
            self, execution_date=date, moment=date, run_id=self.run_id if self.id_given else default_run_id(date)
        )


class PoolRequest(msgspec.Struct, frozen=True):
    """A pool to create or update."""

    name: str
    slots: int
    description: str | None


def parse_trigger(body: bytes, default_timezone: tzinfo, now: datetime) -> Trigger:
    """Read the body of `POST /dags/<dag_id>/dag_runs`; `now` has a time zone. Raises BadRequest for a bad one."""
    value, unstorable = _read_all(body)
    return read_trigger(_trigger_fields(value), default_timezone, now, unstorable)


def read_trigger(
    fields: Mapping[str, object], default_timezone: tzinfo, now: datetime, unstorable: BadRequest | None = None
) -> Trigger:
    """Read the fields of a trigger, which are JSON's Python values. Raises BadRequest for bad ones.

    `unstorable` says why they cannot be stored, if they cannot.
    """
    text = fields.get("execution_date")
    moment = now.astimezone(UTC)
    date = moment if text is None else parse_execution_date(text, default_timezone, now=now)
    replace = _replace_microseconds(fields.get("replace_microseconds"))
    if replace or (replace is None and text is None):
        date = date.replace(microsecond=0)
    run_id, run_id_error = _attempt(_run_id, fields.get("run_id"))
    conf, conf_error = _attempt(_conf, fields.get("conf"))
    return Trigger(
        run_id=run_id or default_run_id(date),
        execution_date=date,
        conf=conf,
        date_given=text is not None,
        id_given=run_id is not None,
        moment=moment if text is None and not replace else None,
        run_id_error=run_id_error,
        conf_error=conf_error or unstorable,
    )


def default_run_id(date: datetime) -> str:
    """Name a run by its execution date."""
    return f"manual__{date.isoformat()}"


def parse_pool(body: bytes, name_limit: int) -> PoolRequest:
    """Read the body of `POST /pools`; `name_limit` is the column's width in characters. Raises BadRequest."""
    return read_pool(_object(parse_json(body)), name_limit)


def read_pool(fields: Mapping[str, object], name_limit: int) -> PoolRequest:
    """Read the fields of a pool. Raises BadRequest for bad ones."""
    wrong = [f"field `{name}` is missing" for name in _POOL_FIELDS if name not in fields]
    wrong += [f"unknown field `{name[:50]}`" for name in fields if name not in _POOL_FIELDS]
    if wrong:
        raise _bad_pool(f"{'; '.join(wrong[:5])}. A pool has exactly `name`, `slots` and `description`")
    name = fields["name"] or ""
    if not isinstance(name, str):
        raise _bad_pool(f"`name` must be a string, not {kind_of(name)}")
    if len(parse_pool_name(name)) > name_limit:
        raise _bad_pool(f"`name` must be at most {name_limit} characters long; it has {len(name)}")
    description = fields["description"]
    if description is not None and not isinstance(description, str):
        raise _bad_pool(f"`description` must be a string or null, not {kind_of(description)}")
    if description is not None:
        check_id(description, "description", Code.INVALID_POOL)
    return PoolRequest(name, _slots(fields["slots"]), description)


def parse_pool_name(text: str) -> str:
    """Check the name of a pool. Raises BadRequest if it is blank or cannot be stored."""
    if not text.strip():
        raise _bad_pool("Pool name shouldn't be empty")
    return check_id(text, "pool name", Code.INVALID_POOL)


def parse_dag_patch(body: bytes) -> bool:
    """Read the body of `PATCH /dags/<dag_id>`: whether to pause. Raises BadRequest."""
    fields = _object(parse_json(body))
    paused = fields.get("is_paused")
    if not isinstance(paused, bool) or len(fields) > 1:
        raise BadRequest('The request body must be {"is_paused": true} or {"is_paused": false}')
    return paused


def parse_pause(text: str) -> bool:
    """Read the last part of `/dags/<dag_id>/paused/<value>`. Raises BadRequest unless it is true or false."""
    if text not in {"true", "false"}:
        raise BadRequest("The last part of the path must be exactly true or false")
    return text == "true"


def check_id(text: str, what: str = "id", code: Code = Code.INVALID_REQUEST) -> str:
    """Return `text` if Postgres can store it. Raises BadRequest for NUL and lone surrogates."""
    if "\0" in text:
        raise BadRequest(f"The {what} holds a NUL character, which cannot be stored", code=code)
    if not text.isascii() and not _encodable(text):
        raise BadRequest(f"The {what} is not valid Unicode text", code=code)
    return text


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _object(value: object) -> dict[str, object]:
    if isinstance(value, dict):
        return value
    raise BadRequest(f"The request body must be a JSON object, not {kind_of(value)}")


def _trigger_fields(value: object) -> dict[str, object]:
    """Return the fields of a trigger; Airflow looks for their names even in a string or a list, and goes on without."""
    if isinstance(value, _WITHOUT_FIELDS):
        if any(name in value for name in _TRIGGER_FIELDS):
            raise BadRequest(
                f"The request body must be a JSON object, not {kind_of(value)} with names of its fields:"
                " it seems to be encoded twice"
            )
        warn(f"The request body was ignored: it is {kind_of(value)}, not an object")
        return {}
    fields = _object(value)
    if not fields.keys() <= _TRIGGER_FIELDS:
        warn_of_ignored("Field", fields, _TRIGGER_FIELDS)
    return fields


def _run_id(value: object) -> str:
    if not isinstance(value, str):
        raise BadRequest(f"`run_id` must be a string, not {kind_of(value)}", code=Code.INVALID_RUN_ID)
    if len(value) > MAX_ID_LENGTH:
        message = f"`run_id` must be at most {MAX_ID_LENGTH} characters long; it has {len(value)}"
        raise BadRequest(message, code=Code.INVALID_RUN_ID)
    return check_id(value, "run_id", Code.INVALID_RUN_ID)


def _conf(value: object) -> object:
    """Accept an object or a JSON string, nearly always of an object; "{}" is an empty conf, {} itself is none."""
    if isinstance(value, str):
        try:
            return parse_json(value.encode(errors="surrogatepass"), "`conf`")
        except BadRequest as error:
            error.code = Code.INVALID_CONF
            raise
    if isinstance(value, dict):
        return value
    raise conf_refusal(kind_of(value))


def conf_refusal(what: str) -> BadRequest:
    """Build the error for a conf that is not an object."""
    message = f"`conf` must be an object, or a JSON string that holds an object, not {what}"
    return BadRequest(message, code=Code.INVALID_CONF)


def _attempt(read: Callable[[object], Value], value: object) -> tuple[Value | None, BadRequest | None]:
    """Read a field that is not empty; return its error, because an unknown DAG must be reported first."""
    if not value:
        return None, None
    try:
        return read(value), None
    except BadRequest as error:
        return None, error


def _read_all(body: bytes) -> tuple[object, UnstorableError | None]:
    """Read JSON, even if it cannot be stored: in a trigger that is nearly always the conf."""
    try:
        return parse_json(body), None
    except UnstorableError as error:
        return error.value, error


def _replace_microseconds(value: object) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value.lower() in _TRUE_WORDS
    raise BadRequest(f'`replace_microseconds` must be "true" or "false", not {kind_of(value)}')


def _bad_pool(message: str) -> BadRequest:
    return BadRequest(message, code=Code.INVALID_POOL)


def _slots(value: object) -> int:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        shown = value[:50] if isinstance(value, str) else msgspec.json.encode(value).decode()[:50]
        raise _bad_pool(f"Bad value for `slots`: {shown}")
    if not -1 <= value <= _MAX_SLOTS:
        raise _bad_pool(f"`slots` must be between -1 and {_MAX_SLOTS}")
    return value
