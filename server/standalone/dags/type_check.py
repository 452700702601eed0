"""Checks whether a value has the type that a key needs; if not, says where, and what would be right.

The types are those of the structs in `spec` and `operators`. msgspec decides; the texts are ours.
"""

from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

import msgspec
from msgspec import UnsetType, inspect

from server.wire.document import shortened

Place = tuple[str | int, ...]

_WORDS: dict[type[inspect.Type], str] = {
    inspect.BoolType: "true or false",
    inspect.IntType: "a whole number",
    inspect.FloatType: "a number",
    inspect.StrType: "text",
    inspect.ListType: "a list",
    inspect.DictType: "a mapping",
    inspect.DateTimeType: "a date",
}
# A null means the same as a missing key, so no message needs to say that it is allowed.
_UNSAID = (NoneType, UnsetType)


class Mismatch(NamedTuple):
    """A mistake: the path below the value, and what was expected there."""

    place: Place
    text: str


class Checker:
    """Checks values against the fields of a struct."""

    def __init__(self, kind: type[msgspec.Struct]) -> None:
        fields = msgspec.structs.fields(kind)
        self.required = [field.name for field in fields if field.required]
        self._types = {field.name: field.type for field in fields}

    @property
    def names(self) -> list[str]:
        """The names of the struct's fields."""
        return list(self._types)

    def convert(self, name: str, value: object) -> Any:  # noqa: ANN401 - whatever the field holds
        """Return the value as the field stores it. Raises msgspec.ValidationError."""
        return msgspec.convert(value, self._types[name])

    def mismatch(self, name: str, value: object) -> Mismatch:
        """Return what is wrong with a value that `convert` refuses."""
        return _mismatch(self._types[name], value, ())


def _mismatch(wanted: Any, value: object, place: Place) -> Mismatch:  # noqa: ANN401 - a type
    """Return the innermost place that does not fit, if the value has the right shape down to there."""
    choices = _choices(wanted)
    for choice in choices:
        shape, arguments = get_origin(choice), get_args(choice)
        if shape in {list, dict} and isinstance(value, shape):
            items = value.items() if isinstance(value, dict) else enumerate(value)
            for key, item in items:
                if not _fits(arguments[-1], item):
                    return _mismatch(arguments[-1], item, (*place, key))
    shown = shortened(repr(value))
    if get_origin(choices[0]) is Literal:
        return Mismatch(place, f"{shown} is not one of {', '.join(get_args(choices[0]))}")
    return Mismatch(place, f"{shown} is not {' or '.join(map(_expected, choices))}")


def _choices(wanted: Any) -> list[Any]:  # noqa: ANN401 - a type
    choices = get_args(wanted) if get_origin(wanted) in {Union, UnionType} else (wanted,)
    return [choice for choice in choices if choice not in _UNSAID]


def _fits(wanted: Any, value: object) -> bool:  # noqa: ANN401 - a type
    try:
        msgspec.convert(value, wanted)
    except msgspec.ValidationError:
        return False
    return True


def _expected(wanted: Any) -> str:  # noqa: ANN401 - a type
    info = inspect.type_info(wanted)
    words = _WORDS[type(info)]
    if isinstance(info, inspect.IntType | inspect.FloatType) and info.ge is not None:
        return f"{words} from {info.ge} to {info.le}" if info.le is not None else f"{words} of at least {info.ge}"
    if isinstance(info, inspect.StrType) and info.min_length:
        return f"{words} of 1 to {info.max_length} characters" if info.max_length else f"{words} that is not empty"
    return words
