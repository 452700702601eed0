"""Answers: the shapes and texts that scripts for Airflow 1.10 read."""

import re
from collections.abc import Mapping
from json.encoder import encode_basestring_ascii

import msgspec

from server.wire.bodies import Trigger

_NOT_PLAIN = re.compile("[\x7f-\U0010ffff]+")
# A number, because Python takes several times as long to find a byte that is given as bytes.
_DELETE = 0x7F
_encoder = msgspec.json.Encoder(order="sorted")
_encode_as_given = msgspec.json.Encoder().encode


def encode(value: object) -> bytes:
    """Encode an answer: compact JSON with sorted keys, in UTF-8, with a newline at the end."""
    return _encoder.encode(value) + b"\n"


def encode_error(message: str, code: str, **more: str) -> bytes:
    """Encode an error; `error` comes first, where it always was: some callers look for it in the text."""
    return _encode_as_given({"error": message, "code": code, **more}) + b"\n"


def ascii_json(written: bytes) -> bytes:
    r"""Escape what is not ASCII in JSON, or in a part of it, as Airflow does (`\u017c`): some clients assume Latin-1.

    Control characters are escaped already, except DEL, which Python escapes but msgspec and Postgres do not.
    """
    if written.isascii() and _DELETE not in written:
        return written
    return _NOT_PLAIN.sub(_escaped, written.decode()).encode()


def _escaped(found: re.Match[str]) -> str:
    return encode_basestring_ascii(found[0])[1:-1]


def created_message(dag_id: str, shown_date: str, run_id: str) -> str:
    """Return the message about a new run; scripts read it with regular expressions."""
    return f"Created <DagRun {dag_id} @ {shown_date}: {run_id}, externally triggered: True>"


def trigger_answer(dag_id: str, trigger: Trigger) -> bytes:
    """Write the answer to a trigger: always exactly three keys, because some callers refuse others."""
    shown_date, run_id = trigger.shown_date, trigger.run_id
    message = created_message(dag_id, shown_date, run_id)
    return encode({"execution_date": shown_date.replace(" ", "T"), "message": message, "run_id": run_id})


def render_strings(values: Mapping[str, object]) -> dict[str, str]:
    """Return each value as Python's `str` shows it: None is "None", dates have a space and their offset."""
    return {key: str(value) for key, value in values.items()}


def render_ti(columns: Mapping[str, object], written: str | None = None) -> bytes:
    """Write a task instance, with each column as a text.

    `written` is a JSON object, as Postgres wrote it, of the columns whose names come after these.
    """
    texts = render_strings(columns)
    return encode(texts) if written is None else _encoder.encode(texts)[:-1] + f",{written[1:]}\n".encode()
