"""Reads and writes files of pools, in Airflow's format: a JSON object, name -> {"slots", "description"}."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

from windsock.commands.base import Failure

_MOST_SLOTS = 2**31 - 1
# Airflow 1.10 stores fifty characters of a name, later releases 256. Only the server knows which release it is.
_SHORT_NAME, _LONG_NAME = 50, 256
_KEYS = ("slots", "description")
# Newer Airflows export this too. Windsock cannot set it, so it must have its default.
_DEFERRED = "include_deferred"


class PoolEntry(NamedTuple):
    """A pool in a file."""

    name: str
    slots: int
    description: str | None


def read_pools(file: str) -> list[PoolEntry]:
    """Read and check a file (`-` is stdin); raises Failure, which names every bad entry."""
    pairs = _pairs(file)
    wrong = [f"  {name}: {problem}" for name, value in pairs if (problem := _problem(name, value))]
    names = [name for name, _ in pairs]
    wrong += [f"  {name}: the name appears twice" for name in sorted({name for name in names if names.count(name) > 1})]
    if wrong:
        raise Failure("\n".join([f"{file}: nothing was imported, because these entries are wrong:", *wrong]))
    entries = [PoolEntry(name, int(value["slots"]), value["description"]) for name, value in pairs]
    # The server may refuse a long name, so long names come first, while nothing is written yet.
    return sorted(entries, key=lambda entry: len(entry.name) <= _SHORT_NAME)


def write_pools(file: str, pools: Sequence[Mapping[str, Any]]) -> None:
    """Write a file (`-` is stdout); raises OSError."""
    import json  # noqa: PLC0415 - help needs none of it

    entries = {pool["pool"]: {key: pool[key] for key in _KEYS} for pool in pools}
    text = json.dumps(entries, sort_keys=True, indent=4, ensure_ascii=False) + "\n"
    if file == "-":
        click.echo(text, nl=False)
    else:
        Path(file).write_text(text, encoding="utf-8")


def _pairs(file: str) -> list[tuple[str, Any]]:
    import json  # noqa: PLC0415 - likewise

    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig")
        # Pairs rather than a dict, to notice a name that appears twice.
        value = json.loads(text, object_pairs_hook=_Pairs)
    except OSError as error:
        raise Failure(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Failure(f"{file}: is not UTF-8 text") from error
    except json.JSONDecodeError as error:
        raise Failure(f"{file}: is not JSON, see line {error.lineno}, column {error.colno}") from error
    except (ValueError, RecursionError) as error:
        raise Failure(f"{file}: is nested too deeply, or has a number with too many digits") from error
    if not isinstance(value, _Pairs):
        raise Failure(f'{file}: expected a JSON object such as {{"a_pool": {{"slots": 5, "description": "..."}}}}')
    return [(name, dict(entry) if isinstance(entry, _Pairs) else entry) for name, entry in value]


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as it was written."""


def _problem(name: str, value: object) -> str | None:
    if not name.strip() or len(name) > _LONG_NAME or not _storable(name):
        return f"a name must have 1 to {_LONG_NAME} characters that can be stored"
    if not isinstance(value, dict) or not {*_KEYS} <= value.keys() <= {*_KEYS, _DEFERRED}:
        return "expected an object with exactly slots and description"
    if value.get(_DEFERRED) not in {None, False}:
        return f"{_DEFERRED} can only be set in Airflow itself"
    slots, description = value["slots"], value["description"]
    if not _is_whole(slots) or not -1 <= int(slots) <= _MOST_SLOTS:
        return f"slots must be a whole number from -1 to {_MOST_SLOTS}"
    if description is not None and not (isinstance(description, str) and _storable(description)):
        return "description must be text or null"
    return None


def _is_whole(value: object) -> bool:
    if isinstance(value, str):
        return value.removeprefix("-").isdecimal() and len(value) < len(str(_MOST_SLOTS)) + 2
    return isinstance(value, int) and not isinstance(value, bool)


def _storable(text: str) -> bool:
    """Tell whether Postgres can hold the text: no NUL, no half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
