"""The params of a DAG (Airflow 2 and 3): JSON Schemas for the conf of a run."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable

from server.database.encoding import decode
from server.errors import BadConf, BadRequest
from server.wire.shapes import ShownParam, ascii_json
from windsock.protocol import Code

_MISSING = object()
_FORMATS = FormatChecker()
BROKEN_SCHEMA = (
    SchemaError, Unresolvable, re.error,
    ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError,
)  # fmt: skip
# These keywords take little time for any value: none compares containers, searches a text or refers elsewhere.
_CHEAP_KEYWORDS = frozenset(
    {
        "type", "enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength",
        "minItems", "maxItems", "minProperties", "maxProperties", "format", "title", "description", "description_md",
        "default", "examples", "section", "values_display", "custom_html_form", "deprecated", "readOnly",
    }
)  # fmt: skip
_CHEAP_FORMATS = frozenset({"date", "date-time", "time", "email", "ipv4", "ipv6", "uuid", "multiline", "password"})
_SCALARS = (str, int, float, bool, type(None))
NOTHING_SHOWN = b"null"
_MOST_SHOWN = 2**18
_CHEAP_CHOICES = 1000
_CHEAP_VALUES = 1000
_CHEAP_CHARACTERS = 10_000


@dataclass(frozen=True)
class Param:
    """One param; `default` is `_MISSING` if it has none."""

    name: str
    default: Any
    schema: dict[str, Any]
    description: str | None = None

    def check(self, conf: Mapping[str, Any]) -> None:
        """Raise BadRequest if `conf`, or else the default, does not fit the schema."""
        value = conf.get(self.name, self.default)
        if value is _MISSING:
            missing = f"Invalid input for param {self.name}: it has no default, so `conf` must have it"
            raise BadRequest(missing, code=Code.INVALID_CONF)
        try:
            self._validator.validate(value)
        except ValidationError as error:
            raise BadConf(f"Invalid input for param {self.name}: {error.message[:500]}") from error
        except BROKEN_SCHEMA as error:
            broken = f"Invalid input for param {self.name}: its schema in the DAG is broken"
            raise BadRequest(broken, code=Code.INVALID_CONF) from error

    @cached_property
    def _validator(self) -> Validator:
        """Return the validator; raises SchemaError, or whatever else an unchecked schema can lead to."""
        kind = validator_for(self.schema, default=Draft202012Validator)
        kind.check_schema(self.schema)
        # The registry is empty: a schema may refer to itself, but never to something that would have to be fetched.
        return kind(self.schema, format_checker=_FORMATS, registry=Registry())

    @cached_property
    def is_cheap(self) -> bool:
        """Whether checking a small value takes a negligible time."""
        choices = self.schema.get("enum", [])
        return (
            self.schema.keys() <= _CHEAP_KEYWORDS
            and isinstance(choices, list)
            and len(choices) <= _CHEAP_CHOICES
            and all(isinstance(choice, _SCALARS) for choice in (*choices, self.schema.get("const")))
            and self.schema.get("format", "date") in _CHEAP_FORMATS
            and is_small(self.default if self.default is not _MISSING else None)
        )


def is_small(value: object) -> bool:
    """Whether a value has at most 1,000 parts and 10,000 characters."""
    parts = characters = 0
    waiting = [value]
    while waiting:
        item = waiting.pop()
        parts += 1
        match item:
            case str():
                characters += len(item)
            case int():
                characters += item.bit_length() // 3
            case dict():
                waiting += item.keys()
                waiting += item.values()
            case list() | tuple() | set():
                waiting += item
        if parts + len(waiting) > _CHEAP_VALUES or characters > _CHEAP_CHARACTERS:
            return False
    return True


def read(encoded: object) -> tuple[Param, ...]:
    """Read `params` of a serialized DAG: pairs of name and param, or in older releases an object.

    Raises TypeError, ValueError and others for anything else.
    """
    pairs = encoded.items() if isinstance(encoded, dict) else encoded if isinstance(encoded, list) else ()
    return tuple(_param(str(name), fields) for name, fields in pairs)


def shown(encoded: object) -> bytes:
    """Return the params of a serialized DAG as a JSON list of `ShownParam`; null if they are none or too many."""
    params = [
        ShownParam(param.name, None if param.default is _MISSING else param.default, param.description, param.schema)
        for param in read(encoded)
    ]
    # Values that JSON does not have, such as dates, are shown as texts.
    written = ascii_json(msgspec.json.encode(params, order="sorted", enc_hook=str))
    return written if params and len(written) <= _MOST_SHOWN else NOTHING_SHOWN


def check(params: tuple[Param, ...], conf: Mapping[str, Any] | None) -> None:
    """Raise BadRequest for the first param that refuses its value; conf may have more than the params."""
    for param in params:
        param.check(conf or {})


def _param(name: str, fields: object) -> Param:
    if not isinstance(fields, dict) or "__class" not in fields:
        return Param(name, decode(fields), {})
    default = fields.get("default")
    unset = isinstance(default, dict) and default.get("__type") == "arg_not_set"
    schema = decode(fields.get("schema")) or {}
    if not isinstance(schema, dict):
        raise TypeError("a schema is an object")
    description = fields.get("description")
    return Param(
        name, _MISSING if unset else decode(default), schema, description if isinstance(description, str) else None
    )
