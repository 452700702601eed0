"""Values that Airflow encodes in a serialized DAG, and what an Airflow shows of them."""

import json
from typing import Any

import pytest

from server.database.encoding import decode, decode_params
from server.database.serialized import SerializedDag, parse

TRIGGER = {
    "__type": "START_TRIGGER_ARGS",
    "trigger_cls": "a.b.C",
    "trigger_kwargs": {"__type": "dict", "__var": {"moment": {"__type": "datetime", "__var": 0}, "end": False}},
    "next_method": "execute_complete",
    "next_kwargs": None,
    "timeout": None,
}
REFERENCE = {"__type": "xcomref", "__var": {"task_id": "first", "key": "return_value"}}


@pytest.mark.parametrize(
    ("encoded", "shown"),
    [
        (
            {**TRIGGER, "trigger_kwargs": {"__type": "dict", "__var": {"end": False}}},
            (
                "StartTriggerArgs(trigger_cls='a.b.C', next_method='execute_complete', trigger_kwargs={'end': False},"
                " next_kwargs=None, timeout=None)"
            ),
        ),
        (
            {**TRIGGER, "trigger_kwargs": None, "timeout": 90.5},
            (
                "StartTriggerArgs(trigger_cls='a.b.C', next_method='execute_complete', trigger_kwargs=None,"
                " next_kwargs=None, timeout=datetime.timedelta(seconds=90, microseconds=500000))"
            ),
        ),
        ({"__type": "dataset", "__var": {"uri": "s3://b", "extra": None}}, "Dataset(uri='s3://b', extra=None)"),
        ([{"__type": "asset", "__var": {"name": "n", "uri": "u"}}], "[Asset(name='n', uri='u')]"),
        ({"__type": "asset_alias", "name": "n", "group": "g"}, "AssetAlias(name='n', group='g')"),
        ({"__type": "timezone", "__var": "Europe/Berlin"}, "Timezone('Europe/Berlin')"),
        (REFERENCE, "XComArg('first', 'return_value')"),
        ({"__type": "xcomref", "__var": {"type": "zip", "args": [1]}}, "{'type': 'zip', 'args': [1]}"),
        ({"__type": ["odd"], "__var": 5}, "5"),
        ({"__type": {"odd": 1}, "x": 5}, "{'__type': {'odd': 1}, 'x': 5}"),
    ],
)
def test_encoded_values_are_shown_as_airflow_shows_them(encoded: object, shown: str) -> None:
    """By their class and fields, in a container too; what is not known is shown as it is."""
    assert str(decode(encoded)) == shown


def test_params_are_shown_with_their_defaults() -> None:
    """As pairs (2.9.3 and later), as an object (before), and as bare values (2.0)."""
    param = {"__class": "airflow.models.param.Param", "default": {"__type": "dict", "__var": {"a": 1}}, "schema": {}}
    assert decode_params([["n", param], ["m", 5]]) == {"n": {"a": 1}, "m": 5}
    assert decode_params({"n": {**param, "default": None}}) == {"n": None}


def _dag(version: int) -> SerializedDag:
    over = {"type": "dict-of-lists", "value": {"__type": "dict", "__var": {"x": REFERENCE, "y": [1]}}}
    listed = {"type": "list-of-dicts", "value": [{"__type": "dict", "__var": {"x": 1}}]}
    tasks: list[dict[str, Any]] = [
        {"task_id": "first", "task_type": "Op"},
        {"task_id": "mapped", "task_type": "Op", "_is_mapped": True, "op_kwargs_expand_input": over},
        {"task_id": "listed", "task_type": "Op", "_is_mapped": True, "expand_input": listed},
    ]
    document = {"__version": version, "dag": {"tasks": [{"__type": "operator", "__var": task} for task in tasks]}}
    dag = parse("d", json.dumps(document))
    assert dag is not None
    return dag


def test_what_a_task_is_mapped_over_is_shown_as_that_airflow_shows_it() -> None:
    """The names of the classes changed with Airflow 3."""
    shown = {version: {t.task_id: t.attributes for t in _dag(version).tasks.values()} for version in (1, 3)}
    assert str(shown[1]["mapped"]["op_kwargs_expand_input"]) == (
        "DictOfListsExpandInput(value={'x': XComArg(<Task(Op): first>), 'y': [1]})"
    )
    assert str(shown[3]["mapped"]["op_kwargs_expand_input"]) == (
        "SchedulerDictOfListsExpandInput(value={'x': SchedulerPlainXComArg(operator=<SerializedTask(Op): first>,"
        " key='return_value'), 'y': [1]})"
    )
    assert str(shown[1]["listed"]["expand_input"]) == "ListOfDictsExpandInput(value=[{'x': 1}])"


@pytest.mark.parametrize("odd", [None, 5, "x", [], {}, {"type": []}, {"type": "dict-of-lists"}, {"value": 1}])
def test_odd_values_are_shown_somehow(odd: object) -> None:
    """Whatever a row holds, no attribute is in the way of the others."""
    names = ("expand_input", "op_kwargs_expand_input", "subdag", "outlets")
    document = {"__version": 3, "dag": {"tasks": [{"task_id": "t", **dict.fromkeys(names, odd)}]}}
    dag = parse("d", json.dumps(document))
    assert dag is not None
    assert json.loads(dag.tasks["t"].answer)["task_id"] == "t"
