"""What others wrote, read here or in a worker process: the same answers, and none that takes more than its part."""

import asyncio
import json
import time
import zlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from server.database.decoder import Decoder
from server.database.next_runs import Position, Question
from server.database.prepared import PreparedDag
from server.database.timetables import Window
from server.database.weights import totals
from server.errors import BadRequest, Conflict, Unavailable
from tests.hostile import colliding_pickle, pickled_laughs

DATE = datetime(2024, 3, 1, 12, 30, tzinfo=UTC)


@pytest.fixture
async def decoder() -> AsyncIterator[Decoder]:
    made = Decoder(cron_intervals=True)
    yield made
    await made.close()


def document(**dag: object) -> str:
    tasks = [
        {"task_id": "a", "_task_type": "BashOperator", "_downstream_task_ids": ["b"], "priority_weight": 2},
        {"task_id": "b", "_task_type": "BashOperator", "start_date": 1.7e9, "retries": 3},
        {"task_id": "bad", "retry_delay": 1e300},
    ]
    return json.dumps({"dag": {"_dag_id": "d", "tasks": tasks, **dag}})


def with_schema(**schema: object) -> str:
    encoded = {"__type": "dict", "__var": schema}
    return document(params=[["n", {"__class": "airflow.models.param.Param", "schema": encoded}]])


async def read(decoder: Decoder, text: str) -> PreparedDag:
    (dag, *_) = await decoder.dag("d", "1", text, None)
    return dag


async def test_large_rows_are_read_as_small_ones(decoder: Decoder) -> None:
    """In a worker process, of JSON or of zlib, the same comes of it; a task that cannot be read fails alone."""
    nested = {"task_id": "s", "subdag": {"_dag_id": "d.s", "tasks": [{"task_id": "x"}]}}
    text = document(default_args={"start_date": {"__type": "datetime", "__var": 1.6e9}}, schedule_interval="@daily")
    text = text.replace('"tasks": [', f'"tasks": [{json.dumps(nested)}, ')
    here = await decoder.dag("d", "1", text, None)
    assert [dag.dag_id for dag in here] == ["d", "d.s"]
    assert here[0].subdag_ids == ["d.s"]
    bad, good = here[0].task("bad"), here[0].task("a")
    assert bad is not None
    assert bad.answer == b""
    assert good is not None
    assert json.loads(good.first_row)["priority_weight"] == "3"
    away = Decoder(cron_intervals=True, small=0)
    for stored in ((text, None), (None, zlib.compress(text.encode()))):
        there = await away.dag("d", "1", *stored)
        assert msgspec.msgpack.encode(there) == msgspec.msgpack.encode(here)
    await away.close()


@pytest.mark.parametrize("text", ['{"dag": {"tasks": 5}}', "{", '"\\ud800"', "[" * 5000, '{"dag": {"tasks": [{}]}}'])
async def test_a_row_that_is_not_airflows(decoder: Decoder, text: str) -> None:
    """It is a 409 that says so; what is no DAG at all is none."""
    with pytest.raises(Conflict, match="not as Airflow writes it"):
        await decoder.dag("d", "1", text, None)
    assert await decoder.dag("d", "1", "{}", None) == []


async def test_rows_that_are_too_large(decoder: Decoder) -> None:
    """Inflated or not: 409."""
    for data, compressed in ((None, None), (None, zlib.compress(b" " * 2**26))):
        with pytest.raises(Conflict, match="more than"):
            await decoder.dag("d", "1", data, compressed)


@pytest.mark.parametrize(
    ("schema", "value", "refused"),
    [
        ({"type": "integer", "minimum": 1}, 2, False),
        ({"type": "integer", "minimum": 1}, 0, True),
        ({"type": "array", "uniqueItems": True}, [[1], [1]], True),
        ({"type": "string", "pattern": "^a+$"}, "aaa", False),
        ({"enum": ["x"]}, "y", True),
        ({"multipleOf": 10**400}, 1.5, True),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}, 1, True),
        ({"$ref": "http://127.0.0.1:9/x.json"}, 1, True),
        ({"type": "nonsense"}, 1, True),
        ({}, {"any": ["thing"] * 2000}, False),
    ],
)
async def test_a_param_is_checked_alike_here_and_there(
    decoder: Decoder, schema: dict[str, Any], value: object, *, refused: bool
) -> None:
    """The worker process says what this one would."""
    dag = await read(decoder, with_schema(**schema))
    found = await decoder.refusal(dag, "1", {"n": value})
    assert isinstance(found, BadRequest) == refused, found
    dag.cheap_params = None
    there = await decoder.refusal(dag, "1", {"n": value})
    assert str(there) == str(found)


async def test_a_check_that_takes_all_its_time_is_remembered(decoder: Decoder) -> None:
    """It is a 503, the second time at once; another conf of the same DAG is checked."""
    dag = await read(decoder, with_schema(type="string", pattern="^(a+)+$"))
    conf = {"n": "a" * 60 + "!"}
    first = await decoder.refusal(dag, "1", conf)
    assert isinstance(first, Unavailable)
    assert first.headers["Retry-After"] == "60"
    # With the worker processes gone it can only be remembered.
    await decoder.close()
    assert str(await decoder.refusal(dag, "1", conf)) == str(first)
    assert decoder._workers.idle == []
    assert await decoder.refusal(dag, "1", {"n": "aa"}) is None


@pytest.mark.parametrize("cron", ["0 0 * * *", "0 0 29 2 *", "* * 31 4 *", "x"])
async def test_intervals_are_the_same_here_and_there(decoder: Decoder, cron: str) -> None:
    """Also where there is none."""
    dag = await read(decoder, document(schedule_interval=cron, timezone="Europe/Warsaw"))
    there = await decoder.interval(dag, "1", DATE)
    dag.is_schedule_cheap = not dag.is_schedule_cheap
    assert str(await decoder.interval(dag, "1", DATE)) == str(there)


async def test_pickles(decoder: Decoder) -> None:
    """Those that mean too much are named; one that takes too long says so."""
    assert await decoder.shown("d", pickled_laughs(7)) == "(a pickle of too much)"
    assert await decoder.shown("d", pickled_laughs(1)) == str(["x"] * 10)
    assert (await decoder.shown("d", colliding_pickle(25_000))).startswith("(a pickle that is not read: ")


def test_weights_along_a_dag() -> None:
    """Each task counts once, however many ways lead to it."""
    edges = {"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": []}
    assert totals({"a": 1, "b": 2, "c": 2, "d": 5}, edges) == {"a": 10, "b": 7, "c": 7, "d": 5}
    with pytest.raises(ValueError, match="cycle"):
        totals({"a": 1, "b": 1}, {"a": ["b"], "b": ["a"]})


def test_prepared_dags_survive_the_way() -> None:
    """What a worker process sends is what is read of it."""
    dag = PreparedDag("d", [], DATE, ["manual"], [(DATE, None)], b"null", b"{}", True, b"[]", b"null", False, "", {})  # noqa: FBT003
    assert msgspec.msgpack.decode(msgspec.msgpack.encode([dag]), type=list[PreparedDag]) == [dag]


async def test_runs_that_take_too_long_are_looked_for_once(decoder: Decoder) -> None:
    """Of many requests for the same runs one takes its time; the others, and those of the next minute, fail at once."""
    delta = {"__type": "relativedelta", "__var": {"months": 1, "days": -27, "hours": -23}}
    dag = await read(decoder, document(schedule_interval=delta))
    window = Window(DATE, None, catchup=True)
    asked = Question(3, is_between=True, since=datetime(9000, 1, 1, tzinfo=UTC))

    async def look(minute: int) -> None:
        at = Position(DATE + timedelta(minutes=minute), None, None, is_open=True, skips=True)
        with pytest.raises(Unavailable, match="longer than 2 seconds"):
            await decoder.planned(dag, "1", window, at, asked)

    begun = time.monotonic()
    await asyncio.gather(*map(look, range(20)))
    await look(30)
    assert time.monotonic() - begun < 10
