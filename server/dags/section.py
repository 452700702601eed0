"""A mapping of a DAG file and where its keys stand, so that every complaint about it has a line."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from difflib import get_close_matches
from typing import Any, Literal, NoReturn, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from server.dags.document import DagFileError, Document, Path, Problem
from server.dags.spec import DATES, DURATIONS, RENAMED_OPTIONS, RENAMED_RULES
from server.dags.times import parse_date, parse_duration, plain

T = TypeVar("T")

_AT = re.compile(r" - at `\$\.?(?P<path>.*)`$")
_NAMED = re.compile(r"(?P<what>unknown|missing required) field `(?P<key>.*?)`")
_STEP = re.compile(r"[^.\[\]]+")


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping without its nulls; `places` are the paths where its keys may stand, winners first."""

    document: Document
    data: dict[str, Any]
    places: tuple[Path, ...]

    def fail(self, key: str | None, text: str, *deeper: str | int) -> NoReturn:
        """Raise DagFileError at the line of the key."""
        tail = () if key is None else (key, *deeper)
        line = self.document.line(*((*place, *tail) for place in self.places))
        raise DagFileError(Problem(line, text))

    def attempt(self, key: str, parse: Callable[[Any], T], value: object) -> T:
        """`parse(value)`, with a ValueError turned into a complaint about the key."""
        try:
            return parse(value)
        except ValueError as error:
            self.fail(key, f"`{key}`: {error}")

    def child(self, key: str) -> "Section":
        """The mapping below the key, empty where there is none."""
        value = self.data.get(key, {})
        if not isinstance(value, dict):
            self.fail(key, f"`{key}` must be a mapping")
        return Section(self.document, without_nulls(value), tuple((*place, key) for place in self.places))

    def names(self, key: str) -> list[str]:
        """The list of texts below the key, each once."""
        value = self.data.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.fail(key, f"`{key}` must be a list of names")
        return list(dict.fromkeys(value))

    def only(self, keys: Collection[str]) -> "Section":
        """The section with these keys alone."""
        return self._with({key: value for key, value in self.data.items() if key in keys})

    def without(self, keys: Collection[str]) -> "Section":
        """The section less these keys."""
        return self._with({key: value for key, value in self.data.items() if key not in keys})

    def over(self, defaults: "Section", keys: Collection[str]) -> "Section":
        """Fill in the given keys of `defaults` where they are lacking."""
        return Section(self.document, defaults.only(keys).data | self.data, self.places + defaults.places)

    def _with(self, data: dict[str, Any]) -> "Section":
        return Section(self.document, data, self.places)

    def refuse(self, reasons: Mapping[str, str]) -> None:
        """Complain about the first key that has a reason to be refused."""
        for key in self.data:
            if key in reasons:
                self.fail(key, f"`{key}`: {reasons[key]}")

    def normalised(self, zone: tzinfo) -> "Section":
        """Dates parsed (in `zone` unless they name one), durations in seconds, 1.10's names for others."""
        data: dict[str, Any] = {}
        for written, value in self.data.items():
            name = RENAMED_OPTIONS.get(written, written)
            if name in DATES:
                data[name] = self.attempt(written, lambda given: parse_date(given, zone), value)
            elif name in DURATIONS:
                data[name] = self.attempt(written, parse_duration, value)
            elif name == "trigger_rule" and isinstance(value, str):
                data[name] = RENAMED_RULES.get(value, value)
            elif name == "params" and isinstance(value, dict):
                data[name] = self.attempt(name, plain, {key: _param(item) for key, item in value.items()})
            else:
                data[name] = self.attempt(name, plain, value)
        return self._with(data)

    def convert(self, kind: type[T]) -> T:
        """The data as a msgspec struct."""
        try:
            return msgspec.convert(self.data, kind)
        except msgspec.ValidationError as error:
            self._complain(str(error), kind)

    def _complain(self, message: str, kind: type) -> NoReturn:
        at = _AT.search(message)
        text = message[: at.start()] if at else message
        steps = [int(step) if step.isdigit() else step for step in _STEP.findall(at["path"])] if at else []
        named = _NAMED.search(text)
        if named and not steps:
            self._complain_of_field(named["what"], named["key"], kind)
        if not steps:
            self.fail(None, text)
        key = str(steps[0])
        if choices := _choices(kind, key):
            text = f"{self.data[key]!r} is none of {', '.join(choices)}"
        self.fail(key, f"`{key}`: {text[:1].lower()}{text[1:]}", *steps[1:])

    def _complain_of_field(self, what: str, key: str, kind: type) -> NoReturn:
        if what != "unknown":
            self.fail(None, f"`{key}` is missing")
        close = get_close_matches(key, get_type_hints(kind), n=1)
        self.fail(key, f"unknown key `{key}`" + (f", did you mean `{close[0]}`?" if close else ""))


def without_nulls(data: Mapping[str, Any]) -> dict[str, Any]:
    """A key without a value says nothing."""
    return {key: value for key, value in data.items() if value is not None}


def merge(default: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Own values over default ones; mappings are merged key by key, at every depth."""
    merged = dict(default)
    for key, value in own.items():
        other = merged.get(key)
        merged[key] = merge(other, value) if isinstance(value, dict) and isinstance(other, dict) else value
    return merged


def _param(value: object) -> object:
    # Airflow 2's Param object: 1.10 has plain values, the default is what remains of it.
    if isinstance(value, dict) and str(value.get("__type__", "")).endswith(".Param"):
        return value.get("default")
    return value


def _choices(kind: type, key: str) -> tuple[str, ...]:
    options = get_args(get_type_hints(kind).get(key))
    return next((get_args(option) for option in options if get_origin(option) is Literal), ())
