"""The shapes and texts of answers, as scripts for Airflow 1.10 read them."""

import re
from json.encoder import encode_basestring_ascii

import msgspec
from msgspec import UNSET, UnsetType

from server.wire.bodies import Trigger
from windsock.protocol import created_message

_NOT_PLAIN = re.compile("[\x7f-\U0010ffff]+")
# A number, because Python takes several times as long to find a byte that is given as bytes.
_DELETE = 0x7F
_encoder = msgspec.json.Encoder(order="sorted")


def encode(value: object) -> bytes:
    """Encode an answer: compact JSON with sorted keys, in UTF-8, with a newline at the end."""
    return _encoder.encode(value) + b"\n"


def ascii_json(written: bytes) -> bytes:
    r"""Escape what is not ASCII in JSON, or in a part of it, as Airflow does (`\u017c`): some clients assume Latin-1.

    Control characters are escaped already, except DEL, which Python escapes but msgspec and Postgres do not.
    """
    if written.isascii() and _DELETE not in written:
        return written
    return _NOT_PLAIN.sub(_escaped, written.decode()).encode()


def _escaped(found: re.Match[str]) -> str:
    return encode_basestring_ascii(found[0])[1:-1]


def trigger_answer(dag_id: str, trigger: Trigger) -> dict[str, str]:
    """Return the answer to a trigger: always exactly three keys, because some callers refuse others."""
    shown_date, run_id = trigger.shown_date, trigger.run_id
    message = created_message(dag_id, shown_date, run_id)
    return {"execution_date": shown_date.replace(" ", "T"), "message": message, "run_id": run_id}


def delete_answer(count: int) -> dict[str, object]:
    """Return the answer to the deletion of a DAG with that number of rows."""
    return {"count": count, "message": f"Removed {count} record(s)"}


class TaskInstance(msgspec.Struct):
    """A task instance: each column as Python's `str` shows it.

    The statement `find_task_instances` has a column for each field.
    """

    dag_id: str = "None"
    duration: str = "None"
    end_date: str = "None"
    execution_date: str = "None"
    executor_config: str = "None"
    hostname: str = "None"
    job_id: str = "None"
    max_tries: str = "None"
    operator: str = "None"
    pid: str = "None"
    pool: str = "None"
    pool_slots: str = "None"
    priority_weight: str = "None"
    queue: str = "None"
    queued_dttm: str = "None"
    start_date: str = "None"
    state: str = "None"
    task_id: str = "None"
    test_mode: str = "False"
    unixname: str = "None"
    map_index: str | UnsetType = UNSET
    mapped_instances: str | UnsetType = UNSET
    run_id: str | UnsetType = UNSET
    try_number: str | UnsetType = UNSET
    """The last four only where a task may have several instances, and only of an instance that has a row."""
