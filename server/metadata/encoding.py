"""Airflow's own JSON encoding of Python values, `{"__type": ..., "__var": ...}`."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any


class IsoDate(datetime):
    """A date whose `str()` has the T that Airflow shows in task attributes."""

    def __str__(self) -> str:
        """ISO 8601, as in 2020-01-01T00:00:00+00:00."""
        return self.isoformat()


def date_of(seconds: float) -> IsoDate:
    """Read a date that is stored as seconds since 1970."""
    return IsoDate.fromtimestamp(seconds, UTC)


def decode(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Undo Airflow's `{"__type": ..., "__var": ...}` encoding, as deep as it goes."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "__var" not in value:
        return {key: decode(item) for key, item in value.items()}
    return _DECODERS.get(value.get("__type"), decode)(value["__var"])


_DECODERS: Mapping[str | None, Callable[[Any], Any]] = {
    "datetime": date_of,
    "timedelta": lambda seconds: timedelta(seconds=seconds),
    "set": lambda items: {json.dumps(item) if isinstance(item, dict | list) else item for item in decode(items)},
    "tuple": lambda items: tuple(decode(items)),
}
