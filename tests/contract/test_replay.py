"""The recorded cases against a real server on a real database."""

import pickle
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from tests.contract import cases, effects
from tests.contract.cases import Request
from tests.contract.client import send
from tests.contract.replay import Result, replay, watched
from tests.description import Description


@pytest.fixture
async def recorded_database(database: str) -> str:
    """Fill a database made by `schema.sql` with the rows that the cases start from."""
    connection = await asyncpg.connect(database)
    try:
        await connection.execute(cases.ROWS.read_text())
    finally:
        await connection.close()
    return database


@pytest.fixture
async def url(recorded_database: str, serve: Callable[[], Awaitable[str]]) -> str:
    """Serve that database."""
    assert recorded_database
    return await serve()


def _not_as_described(description: Description, result: Result) -> list[str]:
    assert result.answer is not None, str(result)
    request = result.case.request
    return [
        f"{result}\n    not as described: {problem}"
        for problem in description.problems(request.method, request.target().decode(), result.answer)
    ]


async def test_every_answer_is_within_what_is_expected(url: str, recorded_database: str) -> None:
    """All cases in order: the answers, what they wrote, and the server's own description of both."""
    async with watched(recorded_database) as connection:
        results = await replay(url, cases.load(), connection)
    wrong = [str(result) for result in results if result.wrong]
    description = Description.read()
    wrong += [problem for result in results for problem in _not_as_described(description, result)]
    assert not wrong, "\n".join([f"{len(wrong)} are wrong", *wrong])


async def test_a_replay_sees_what_was_not_answered(url: str, recorded_database: str) -> None:
    """A write that the answer does not tell of turns the replay red."""
    read = next(case for case in cases.load() if case.name == "test: GET")
    async with watched(recorded_database) as connection:
        await connection.execute("UPDATE slot_pool SET slots = 1")
        (result,) = await replay(url, [read], connection)
    assert result.wrong == ["slot_pool was written", "slot_pool was written"]


async def test_a_replay_sees_that_nobody_answers() -> None:
    """A server that is away is a wrong answer, not a crash."""
    (result,) = await replay("http://127.0.0.1:9", cases.load()[:1])
    assert result.answer is None
    assert result.wrong


async def test_a_trigger_must_write_its_run(url: str, recorded_database: str) -> None:
    """An answer without its row, and a row without its answer, are seen."""
    trigger = next(case for case in cases.load() if case.name == "trigger: execution_date Z")
    async with watched(recorded_database) as connection:
        await connection.execute(
            "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM dag_run WHERE id = NEW.id; "
            "RETURN NULL; END'; CREATE TRIGGER zz_lose AFTER INSERT ON dag_run FOR EACH ROW EXECUTE FUNCTION lose()"
        )
        (result,) = await replay(url, [trigger], connection)
        assert any("dag_run was written" in reason for reason in result.wrong), str(result)
        await connection.execute("DROP TRIGGER zz_lose ON dag_run")
        await effects.take(connection)
        (again,) = await replay(url, [trigger], connection)
    assert again.wrong == []


@pytest.mark.parametrize(
    ("body", "status"),
    [('{"conf": {"a": 1}, "execution_date": "2020-07-09"}', 200), ('{"conf": {"a": 2}, "execution_date": "x"}', 400)],
)
async def test_the_client_sends_bodies_of_every_kind(url: str, body: str, status: int) -> None:
    """With a length, in chunks, after a 100, as bytes: the server reads the same."""
    path = "/api/experimental/dags/ref_echo/dag_runs"
    chunks = "".join(f"1\r\n{character}\r\n" for character in body) + "0\r\n\r\n"
    requests = [
        Request("POST", path, {}, body),
        Request("POST", path, {"Transfer-Encoding": "chunked"}, chunks),
        Request("POST", path, {"Expect": "100-continue"}, {"latin1": body}),
        Request("POST", path, {}, {"parts": [body[:5], {"text": body[5:], "times": 1}]}),
    ]
    answers = [await send(url, request) for request in requests]
    # The first one makes the run, the others find it.
    assert [answer.status for answer in answers] == [status, 400, 400, 400]
    assert len({answer.body for answer in answers[1:]}) == 1


def test_confs_are_read_as_python_3_7_reads_them() -> None:
    """A pickle of a protocol that Airflow's Python lacks, or of more than data, is refused."""
    assert effects.unpickle("\\x80047d942e") == {}
    with pytest.raises(ValueError, match="protocol"):
        effects.unpickle("\\x80057d942e")
    with pytest.raises(pickle.UnpicklingError):
        effects.unpickle("\\x" + pickle.dumps(Callable, 4).hex())
