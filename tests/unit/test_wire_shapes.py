"""The shapes and texts that scripts written for Airflow 1.10 read."""

import json
import re
from datetime import UTC, datetime, timedelta, timezone

from server.wire import (
    TaskInstance,
    Trigger,
    encode,
    trigger_answer,
)
from windsock.protocol import created_message

DATE = datetime(2020, 2, 1, tzinfo=UTC)


def test_answers_are_sorted_utf8_with_a_newline() -> None:
    """Compact JSON, keys sorted at every level."""
    assert encode({"b": {"d": "ż", "c": None}, "a": 1}) == '{"a":1,"b":{"c":null,"d":"ż"}}\n'.encode()


def test_trigger_answer_of_a_given_date() -> None:
    """The three keys of the documentation, the date with a T."""
    given = Trigger("r1", DATE.replace(tzinfo=timezone(timedelta(hours=5, minutes=30))), None, date_given=True)
    assert encode(trigger_answer("d", given)) == (
        b'{"execution_date":"2020-02-01T00:00:00+05:30","message":"Created <DagRun d @ 2020-02-01T00:00:00'
        b'+05:30: r1, externally triggered: True>","run_id":"r1"}\n'
    )


def test_trigger_message_of_a_left_out_date() -> None:
    """With a space, as Airflow printed its own dates; regular expressions of the wild still match."""
    left_out = Trigger("r1", DATE, None, date_given=False)
    answer = trigger_answer("d", left_out)["message"]
    assert "<DagRun d @ 2020-02-01 00:00:00+00:00: r1, externally triggered: True>" in answer
    assert re.search(r"Created <DagRun (\S+) @ (.+?): (.+), externally triggered: True>", answer)
    assert created_message("d", "x", "r") == "Created <DagRun d @ x: r, externally triggered: True>"


def test_a_task_instance_is_all_strings() -> None:
    """Every key, sorted; what a caller of Airflow 1.10 does not know is left out."""
    instance = TaskInstance("d", "0.310204", map_index="1", state="success")
    shown = json.loads(encode(instance))
    assert list(shown) == sorted(shown)
    assert shown | {"job_id": "None", "test_mode": "False", "map_index": "1", "duration": "0.310204"} == shown
    assert set(TaskInstance.__struct_fields__) - set(shown) == {"mapped_instances", "run_id", "try_number"}
