"""Params of a DAG (Airflow 2 and 3): what a run's conf must look like, as JSON Schemas."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable

from server.errors import BadRequest
from server.metadata.encoding import decode

_MISSING = object()
_FORMATS = FormatChecker()


class Param(NamedTuple):
    """One param; `default` is `_MISSING` where it has none."""

    name: str
    default: Any
    schema: dict[str, Any]

    def check(self, conf: Mapping[str, Any]) -> None:
        """Raise BadRequest where `conf`, or else the default, is not what the schema wants."""
        value = conf.get(self.name, self.default)
        if value is _MISSING:
            raise BadRequest(f"Invalid input for param {self.name}: it has no default, so `conf` must have it")
        kind = validator_for(self.schema, default=Draft202012Validator)
        # An empty registry: a schema refers to itself, never to what would have to be fetched.
        validator = kind(self.schema, format_checker=_FORMATS, registry=Registry())
        try:
            kind.check_schema(self.schema)
            validator.validate(value)
        except ValidationError as error:
            raise BadRequest(f"Invalid input for param {self.name}: {error.message[:500]}") from error
        except (SchemaError, Unresolvable) as error:
            raise BadRequest(f"Invalid input for param {self.name}: its schema in the DAG is broken") from error


def read(encoded: object) -> tuple[Param, ...]:
    """Read `params` of a serialized DAG: pairs of name and param, or in older releases an object."""
    pairs = encoded.items() if isinstance(encoded, dict) else encoded if isinstance(encoded, list) else ()
    return tuple(_param(str(name), fields) for name, fields in pairs)


def check(params: tuple[Param, ...], conf: Mapping[str, Any] | None) -> None:
    """Raise BadRequest for the first param that refuses its value; conf may hold more than the params."""
    for param in params:
        param.check(conf or {})


def _param(name: str, fields: object) -> Param:
    if not isinstance(fields, dict) or "__class" not in fields:
        return Param(name, decode(fields), {})
    default = fields.get("default")
    unset = isinstance(default, dict) and default.get("__type") == "arg_not_set"
    return Param(name, _MISSING if unset else decode(default), decode(fields.get("schema")) or {})
