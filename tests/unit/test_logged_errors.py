"""What the access log says of refused requests."""

from datetime import UTC, datetime

import pytest

from server.database import params
from server.errors import BadRequest
from server.wire.bodies import parse_trigger

SECRET = "hunter2"


@pytest.mark.parametrize(
    "conf",
    [
        '{"%s": NaN}',
        '{"k": ["%s", Infinity]}',
        '{"k": "%s\\u0000"}',
        '"{\\"%s\\": NaN}"',
        '"%s"',
        '["%s"]',
        '{"%s": 1e999}',
    ],
)
def test_refusals_quote_no_conf_in_the_log(conf: str) -> None:
    """However the conf is wrong: its keys and values may be secrets."""
    body = f'{{"conf": {conf % SECRET}}}'.encode()
    try:
        asked = parse_trigger(body, UTC, datetime.now(UTC))
        error = asked.conf_error
    except BadRequest as refusal:
        error = refusal
    if error is not None:
        assert SECRET not in (error.logged or error.message)


def test_refusals_of_params_quote_no_conf_in_the_log() -> None:
    """Jsonschema's messages have the value."""
    found = params.read([["p", {"__class": "airflow.models.param.Param", "schema": {"type": "integer"}, "default": 1}]])
    with pytest.raises(BadRequest) as raised:
        params.check(found, {"p": SECRET})
    assert SECRET in raised.value.message
    assert SECRET not in (raised.value.logged or raised.value.message)
