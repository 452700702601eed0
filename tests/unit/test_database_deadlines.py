from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from server.database.deadlines import Alert, rows_of

DATE = datetime(2024, 1, 1, tzinfo=UTC)
CALLBACK = {"__classname__": "airflow.sdk.definitions.deadline.AsyncCallback", "__data__": {"path": "a.b"}}


def _nested(levels: int) -> Any:  # noqa: ANN401 - JSON
    value: Any = {}
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("reference", "kwargs"),
    [
        ({"reference_type": "DagRunLogicalDateDeadline"}, _nested(100)),
        ({"reference_type": ["DagRunLogicalDateDeadline"]}, {}),
        ({"reference_type": {}}, {}),
        ({"reference_type": "FixedDatetimeDeadline", "datetime": []}, {}),
        ({}, {}),
    ],
)
def test_a_deadline_that_cannot_be_read_is_left_out_with_the_reason(reference: dict[str, Any], kwargs: object) -> None:
    """Whatever somebody wrote, the others are made."""
    callback = {**CALLBACK, "__data__": {"path": "a.b", "kwargs": kwargs}}
    odd = msgspec.convert({"id": None, "reference": reference, "interval": 1.0, "callback": callback}, Alert)
    rows, reasons = rows_of([odd], "d", DATE)
    assert (rows, len(reasons)) == ([], 1)
