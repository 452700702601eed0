"""Airflow's own JSON encoding of Python values: `{"__type": ..., "__var": ...}`."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

MALFORMED = (ArithmeticError, AttributeError, LookupError, OSError, RecursionError, TypeError, ValueError)
"""The exceptions that values of any type and size may cause in code that expects those of Airflow."""


class OnlyAirflowError(ValueError):
    """Only the Airflow itself knows this; the message says why."""


class IsoDate(datetime):
    """A date whose `str()` has the T that Airflow shows in task attributes."""

    def __str__(self) -> str:
        """ISO 8601, as in 2020-01-01T00:00:00+00:00."""
        return self.isoformat()


class Shown:
    """An object of Airflow's, of which only the text that `str()` shows is known."""

    def __init__(self, text: str) -> None:
        """Show `text`, also inside of a container."""
        self._text = text

    def __repr__(self) -> str:
        """The text, without quotes."""
        return self._text


class XComReference(Shown):
    """The result of an upstream task; how Airflow shows it depends on that task."""

    def __init__(self, var: Mapping[str, Any]) -> None:
        """Read the encoded reference; raises LookupError unless it is to the result of one task."""
        self.task_id, self.key = str(var["task_id"]), str(var.get("key", "return_value"))
        super().__init__(f"XComArg({self.task_id!r}, {self.key!r})")


def date_of(seconds: float) -> IsoDate:
    """Read a date that is stored as seconds since 1970."""
    return IsoDate.fromtimestamp(seconds, UTC)


def plain_date(date: object) -> datetime | None:
    """Return the same date as Python's own, None if it is not a date."""
    if not isinstance(date, datetime):
        return None
    return datetime.combine(date.date(), date.time(), date.tzinfo)


def decode(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Undo Airflow's `{"__type": ..., "__var": ...}` encoding, as deep as it goes."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    kind = kind if isinstance(kind := value.get("__type"), str) else None
    if "__var" in value:
        return _DECODERS.get(kind, decode)(value["__var"])
    fields = {key: item for key, item in value.items() if key != "__type"}
    if kind == "START_TRIGGER_ARGS":
        return _start_trigger_args(fields)
    if kind in _CLASSES:
        return _named(_CLASSES[kind], fields)
    return {key: decode(item) for key, item in value.items()}


def decode_params(params: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Read the params of a DAG or a task: each with its default, as Airflow shows it."""
    pairs = params.items() if isinstance(params, dict) else params
    return {name: decode(one["default"] if isinstance(one, dict) and "__class" in one else one) for name, one in pairs}


def _named(name: str, fields: Mapping[str, Any]) -> Shown:
    return Shown(f"{name}({', '.join(f'{key}={decode(value)!r}' for key, value in fields.items())})")


def _start_trigger_args(fields: Mapping[str, Any]) -> Shown:
    """Show it as its dataclass does, whatever order the fields are stored in."""
    timeout = fields.get("timeout")
    known = {name: fields.get(name) for name in ("trigger_cls", "next_method", "trigger_kwargs", "next_kwargs")}
    shown = ", ".join(f"{name}={decode(value)!r}" for name, value in known.items())
    return Shown(f"StartTriggerArgs({shown}, timeout={None if timeout is None else timedelta(seconds=timeout)!r})")


def _reference(var: Any) -> Any:  # noqa: ANN401 - any JSON value
    # References to several tasks, or to parts of a result, have other types.
    return XComReference(var) if isinstance(var, dict) and "task_id" in var else decode(var)


_CLASSES: Mapping[str | None, str] = {
    "dataset": "Dataset",
    "dataset_alias": "DatasetAlias",
    "dataset_any": "DatasetAny",
    "dataset_all": "DatasetAll",
    "asset": "Asset",
    "asset_alias": "AssetAlias",
    "asset_any": "AssetAny",
    "asset_all": "AssetAll",
    "asset_ref": "AssetRef",
}
_DECODERS: Mapping[str | None, Callable[[Any], Any]] = {
    "datetime": date_of,
    "timedelta": lambda seconds: timedelta(seconds=seconds),
    "set": lambda items: {json.dumps(item) if isinstance(item, dict | list) else item for item in decode(items)},
    "tuple": lambda items: tuple(decode(items)),
    "timezone": lambda name: Shown(f"Timezone({name!r})"),
    "xcomref": _reference,
    **{kind: partial(_named, name) for kind, name in _CLASSES.items()},
}
