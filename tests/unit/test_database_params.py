"""What params of a DAG refuse."""

from typing import Any

import pytest

from server.database import params
from server.errors import BadRequest


def _param(schema: dict[str, Any], **more: object) -> dict[str, Any]:
    return {"__class": "airflow.models.param.Param", "schema": {"__type": "dict", "__var": schema}, **more}


INTEGER = _param({"type": "integer", "minimum": 1}, default=5)


@pytest.mark.parametrize("encoded", [[["n", INTEGER]], {"n": INTEGER}])
def test_conf_must_fit_the_schema(encoded: object) -> None:
    """The default stands in for what conf lacks; what is no param is let through."""
    read = params.read(encoded)
    params.check(read, None)
    params.check(read, {"n": 1, "other": object()})
    for value in (0, "1", None, 1.5):
        with pytest.raises(BadRequest, match="Invalid input for param n: "):
            params.check(read, {"n": value})


@pytest.mark.parametrize("default", [{"__type": "arg_not_set"}, {"__type": "arg_not_set", "__var": None}])
def test_a_param_without_default_is_required(default: object) -> None:
    """A 400 says that conf must have it."""
    read = params.read([["must", _param({"type": "string"}, default=default)]])
    params.check(read, {"must": "x"})
    with pytest.raises(BadRequest, match="must: it has no default"):
        params.check(read, {})


def test_formats_are_checked() -> None:
    """Dates too."""
    read = params.read([["when", _param({"type": "string", "format": "date-time"}, default="2024-01-01T00:00:00Z")]])
    params.check(read, {"when": "2024-01-01T00:00:00+01:00"})
    with pytest.raises(BadRequest):
        params.check(read, {"when": "tomorrow"})


@pytest.mark.parametrize("schema", [{"type": "nonsense"}, {"$ref": "http://127.0.0.1:9/schema.json"}])
def test_a_broken_schema_is_a_400_and_nothing_is_fetched(schema: dict[str, Any]) -> None:
    """The DAG's author is named as who can mend it."""
    with pytest.raises(BadRequest, match="its schema in the DAG is broken"):
        params.check(params.read([["x", _param(schema, default=1)]]), {})
