"""What clients send in bodies and paths: triggers, pools, pauses, names."""

import json
import re
from datetime import UTC, datetime, tzinfo

import msgspec

from server.errors import BadRequest
from server.wire.dates import parse_execution_date

MAX_ID_LENGTH = 250
MAX_DEPTH = 100
_MAX_SLOTS = 2**31 - 1
_BOM = b"\xef\xbb\xbf"
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_INTEGER = re.compile(r"\s*[+-]?\d{1,20}\s*", re.ASCII)
_TRUE_WORDS = frozenset({"true", "t", "y", "yes", "1"})
_POOL_FIELDS = ("name", "slots", "description")
_decode = msgspec.json.Decoder().decode


class Trigger(msgspec.Struct, frozen=True):
    """A trigger as it will be stored: `execution_date` is aware, `conf` is None when none was sent."""

    run_id: str
    execution_date: datetime
    conf: dict[str, object] | None
    date_given: bool

    @property
    def shown_date(self) -> str:
        """The date as `message` shows it: with a space when the caller left it out, with a T otherwise."""
        return self.execution_date.isoformat("T" if self.date_given else " ")


class PoolRequest(msgspec.Struct, frozen=True):
    """A pool to create or update."""

    name: str
    slots: int
    description: str | None


def parse_json(body: bytes, what: str = "The request body") -> object:
    """Read strict JSON; a UTF-8 byte order mark is skipped and of duplicate keys the last wins.

    Raises BadRequest for anything else, and for text that Postgres cannot hold (NUL, lone surrogates)
    or nesting deeper than 100. `what` begins the message.
    """
    body = body.removeprefix(_BOM)
    if not body.strip():
        raise BadRequest(f"{what} is empty; a JSON object is needed")
    try:
        value = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"{what} {_why_not_json(body)}") from error
    except RecursionError as error:
        raise _too_deep(what) from error
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _is_deep(value):
        raise _too_deep(what)
    # The pattern takes ten times as long, and nearly no body needs it.
    if rb"\u0000" in body and _NUL.search(body):
        raise BadRequest(f"{what} holds a NUL character, which cannot be stored")
    return value


def parse_trigger(body: bytes, default_timezone: tzinfo, now: datetime) -> Trigger:
    """Read the body of `POST /dags/<dag_id>/dag_runs`; `now` is aware. Raises BadRequest."""
    fields = _object(parse_json(body))
    text = fields.get("execution_date")
    date = now.astimezone(UTC) if text is None else parse_execution_date(text, default_timezone, now=now)
    if _replace_microseconds(fields.get("replace_microseconds"), default=text is None):
        date = date.replace(microsecond=0)
    return Trigger(
        run_id=_run_id(fields.get("run_id")) or f"manual__{date.isoformat()}",
        execution_date=date,
        conf=_conf(fields.get("conf")),
        date_given=text is not None,
    )


def parse_pool(body: bytes, name_limit: int) -> PoolRequest:
    """Read the body of `POST /pools`; `name_limit` is the column's width in characters. Raises BadRequest."""
    fields = _object(parse_json(body))
    wrong = [f"field `{name}` is missing" for name in _POOL_FIELDS if name not in fields]
    wrong += [f"unknown field `{name[:50]}`" for name in fields if name not in _POOL_FIELDS]
    if wrong:
        raise BadRequest(f"{'; '.join(wrong[:5])}. A pool has exactly `name`, `slots` and `description`")
    name = fields["name"] or ""
    if not isinstance(name, str):
        raise BadRequest(f"`name` must be a string, not {_kind(name)}")
    if len(parse_pool_name(name)) > name_limit:
        raise BadRequest(f"`name` must be at most {name_limit} characters long; it has {len(name)}")
    description = fields["description"]
    if description is not None and not isinstance(description, str):
        raise BadRequest(f"`description` must be a string or null, not {_kind(description)}")
    return PoolRequest(name, _slots(fields["slots"]), description)


def parse_pool_name(text: str) -> str:
    """Check the name of a pool. Raises BadRequest when it is blank or cannot be stored."""
    if not text.strip():
        raise BadRequest("Pool name shouldn't be empty")
    return check_id(text, "pool name")


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


def check_id(text: str, what: str = "id") -> str:
    """Return `text` when Postgres can hold it. Raises BadRequest for NUL and lone surrogates."""
    if "\0" in text:
        raise BadRequest(f"The {what} holds a NUL character, which cannot be stored")
    if not text.isascii() and not _encodable(text):
        raise BadRequest(f"The {what} is not valid Unicode text")
    return text


def _why_not_json(body: bytes) -> str:
    """Say why msgspec refused a body: its errors hold nothing but words, and these change with its releases.

    The standard library's say where. It reads some of what strict JSON forbids.
    """
    try:
        json.loads(body.decode())
    except UnicodeDecodeError:
        return "is not UTF-8 text"
    except json.JSONDecodeError as error:
        return f"is not valid JSON: see line {error.lineno}, column {error.colno}"
    except (ValueError, RecursionError):
        pass
    return "is not valid JSON: it holds a number that is too large or none at all, or half of a surrogate pair"


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _object(value: object) -> dict[str, object]:
    if isinstance(value, dict):
        return value
    raise BadRequest(f"The request body must be a JSON object, not {_kind(value)}")


def _run_id(value: object) -> str | None:
    if not value:
        return None
    if not isinstance(value, str):
        raise BadRequest(f"`run_id` must be a string, not {_kind(value)}")
    if len(value) > MAX_ID_LENGTH:
        raise BadRequest(f"`run_id` must be at most {MAX_ID_LENGTH} characters long; it has {len(value)}")
    return value


def _conf(value: object) -> dict[str, object] | None:
    """Accept an object or a JSON string of one; the string "{}" is an empty conf, while {} itself is none."""
    if not value:
        return None
    if isinstance(value, str):
        value = parse_json(value.encode(), "`conf`")
        if value is None:
            return None
    if isinstance(value, dict):
        return value
    raise BadRequest(f"`conf` must be an object, or a JSON string that holds an object, not {_kind(value)}")


def _replace_microseconds(value: object, *, default: bool) -> bool:
    if value is None:
        return default
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value.lower() in _TRUE_WORDS
    raise BadRequest(f'`replace_microseconds` must be "true" or "false", not {_kind(value)}')


def _slots(value: object) -> int:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        shown = value[:50] if isinstance(value, str) else msgspec.json.encode(value).decode()[:50]
        raise BadRequest(f"Bad value for `slots`: {shown}")
    if not -1 <= value <= _MAX_SLOTS:
        raise BadRequest(f"`slots` must be between -1 and {_MAX_SLOTS}")
    return value


def _is_deep(value: object) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in _children(node) if isinstance(child, dict | list)]
        if not level:
            return False
    return True


def _children(node: object) -> list[object]:
    if isinstance(node, dict):
        return list(node.values())
    return node if isinstance(node, list) else []


def _too_deep(what: str) -> BadRequest:
    return BadRequest(f"{what} is nested too deeply; {MAX_DEPTH} levels are the limit")


def _kind(value: object) -> str:
    kinds = {bool: "a boolean", str: "a string", list: "a list", dict: "an object", type(None): "null"}
    return kinds.get(type(value), "a number")
