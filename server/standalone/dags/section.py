"""A mapping in a DAG file, with the places of its keys, so that every message about it has a line."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from functools import cache
from typing import Any, NoReturn, TypeVar

import msgspec

from server.standalone.dags.errors import DagFileError
from server.standalone.dags.spec import DATES, DURATIONS, IDLE_TASK_KEYS, RENAMED_OPTIONS, RENAMED_RULES
from server.standalone.dags.times import TYPE, parse_bound, parse_duration, plain, zone
from server.standalone.dags.type_check import Checker
from server.wire.document import Document, Path, Problem, shortened, suggestion

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)

_WHOLE = re.compile(r"\s*[+-]?\d{1,20}\s*", re.ASCII)


class ByName(dict[str, Any]):
    """A mapping that was a list, whose items have names."""

    __slots__ = ()


class File(str):
    """The path of a defaults file, as the first part of the paths of what is in it."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping without its nulls; `places` are the paths at which its keys may stand, those that win first."""

    document: Document
    data: dict[str, Any]
    places: tuple[Path, ...]

    def fail(self, key: str | None, text: str, *deeper: str | int) -> NoReturn:
        """Raise DagFileError with the line of the key."""
        tail = () if key is None else (key, *deeper)
        places = [(*place, *tail) for place in self.places]
        line = self.document.line(*places)
        file = next((place[0] for place in places if place in self.document.lines), None)
        if isinstance(file, File):
            raise DagFileError(Problem(None, f"{file}:{line}: {text}"))
        raise DagFileError(Problem(line, text))

    def attempt(self, key: str, parse: Callable[[Any], T], value: object) -> T:
        """Return `parse(value)`; a ValueError becomes a message about the key."""
        try:
            return parse(value)
        except ValueError as error:
            self.fail(key, f"`{key}`: {error}")

    def child(self, key: str, wanted: str = "a mapping") -> "Section":
        """Return the mapping below the key, an empty one if there is none; `wanted` says what would be right."""
        value = self.data.get(key, {})
        if not isinstance(value, dict):
            self.fail(key, f"`{key}` must be {wanted}, not {shortened(repr(value))}")
        return Section(self.document, without_nulls(value), tuple((*place, key) for place in self.places))

    def names(self, key: str) -> list[str]:
        """Return the list of texts below the key, each only once."""
        value = self.data.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.fail(key, f"`{key}` must be a list of names")
        return list(dict.fromkeys(value))

    def only(self, keys: Collection[str]) -> "Section":
        """Return the section with only these keys."""
        return self._with({key: value for key, value in self.data.items() if key in keys})

    def without(self, keys: Collection[str]) -> "Section":
        """Return the section without these keys."""
        return self._with({key: value for key, value in self.data.items() if key not in keys})

    def over(self, defaults: "Section", keys: Collection[str]) -> "Section":
        """Fill in the given keys from `defaults` if they are missing."""
        return Section(self.document, defaults.only(keys).data | self.data, self.places + defaults.places)

    def _with(self, data: dict[str, Any]) -> "Section":
        return Section(self.document, data, self.places)

    def zone(self) -> tzinfo:
        """Return the `timezone` that stands here, UTC if none does."""
        return self.attempt("timezone", lambda given: zone(str(given)), self.data.get("timezone", "UTC"))

    def as_default_args(self) -> "Section":
        """Return the `default_args` without what has no effect; a time zone there is that of the dates there."""
        return self.without({*IDLE_TASK_KEYS, "timezone"}).normalised(self.zone())

    def refuse(self, reasons: Mapping[str, str]) -> None:
        """Raise DagFileError for the first key that has a reason to be refused."""
        for key in self.data:
            if key in reasons:
                self.fail(key, f"`{key}`: {reasons[key]}")

    def normalised(self, local: tzinfo) -> "Section":
        """Return it with dates parsed (in `local` unless they have one), durations in seconds, and 1.10's names."""
        data: dict[str, Any] = {}
        for written, value in self.data.items():
            name = RENAMED_OPTIONS.get(written, written)
            if name in DATES:
                data[name] = self.attempt(written, lambda given: parse_bound(given, local), value)
            elif name in DURATIONS:
                data[name] = self.attempt(written, parse_duration, value)
            elif name == "trigger_rule" and isinstance(value, str):
                data[name] = RENAMED_RULES.get(value, value)
            elif name == "retries" and isinstance(value, str) and _WHOLE.fullmatch(value):
                # As Airflow does, of this option alone; dag-factory hands on what stands in quotes.
                data[name] = int(value)
            elif name == "params" and isinstance(value, dict):
                data[name] = self.attempt(name, plain, {key: _param(item) for key, item in value.items()})
            else:
                data[name] = self.attempt(name, plain, value)
        return self._with(data)

    def convert(self, kind: type[S]) -> S:
        """Return the data as a struct; keys that it has no field for are refused."""
        checker = _checker(kind)
        values = {}
        for key, value in self.data.items():
            if key not in checker.names:
                self.fail(key, unknown_key(key, checker.names))
            try:
                values[key] = checker.convert(key, value)
            except msgspec.ValidationError:
                place, text = checker.mismatch(key, value)
                self.fail(key, f"`{key}`: {text}", *place)
        for name in checker.required:
            if name not in values:
                self.fail(None, f"`{name}` is missing")
        try:
            return kind(**values)
        except ValueError as error:
            # The struct's own check failed, with its own message.
            self.fail(None, str(error))


_checker = cache(Checker)


def unknown_key(key: str, known: Collection[str]) -> str:
    """Return the message about an unknown key."""
    return f"unknown key `{shortened(key)}`{suggestion(key, known)}"


def without_nulls(data: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out keys without a value, which mean nothing."""
    return {key: value for key, value in data.items() if value is not None}


def merge(default: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the own values over the default ones; mappings are merged key by key, at every depth.

    What was a list, or makes an object, is not merged.
    """
    merged = dict(own)
    for key, value in default.items():
        mine = own.get(key)
        if key not in own:
            merged[key] = value
        elif type(value) is dict and type(mine) is dict and not {TYPE} & (value.keys() | mine.keys()):
            merged[key] = merge(value, mine)
    return merged


def _param(value: object) -> object:
    # A Param object of Airflow 2: 1.10 has plain values, so its default is used.
    if isinstance(value, dict) and str(value.get("__type__", "")).endswith(".Param"):
        return value.get("default")
    return value
