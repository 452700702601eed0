"""Run ids that an Airflow keeps for itself or has no folder for, and what is told first of several mistakes."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import asyncpg
import pytest

from tests.airflow.schemas import RELEASES, copy_dag, generation_of
from tests.airflow.serving import Api, prepare
from tests.live import live_server

NEWER = [release for release in RELEASES if generation_of(release) > 1]
RESERVED = {
    "2.7.3": {"scheduled", "backfill", "dataset_triggered"},
    "2.8.4": {"scheduled", "backfill", "dataset_triggered"},
    "2.9.3": {"scheduled", "backfill", "dataset_triggered"},
    "2.10.5": {"scheduled", "backfill", "dataset_triggered"},
    "3.0.6": {"scheduled", "backfill", "asset_triggered"},
    "3.1.8": {"scheduled", "backfill", "asset_triggered"},
    "3.2.0": {"scheduled", "backfill", "asset_triggered", "asset_materialization"},
    "3.3.2": {"scheduled", "backfill", "asset_triggered", "asset_materialization", "operator_triggered"},
}
WORDS = sorted(set.union(*RESERVED.values()))
RUNS = "SELECT count(*) FROM dag_run"


class Served(Api):
    """A server, and the database that it has."""

    def __init__(self, url: str, session: aiohttp.ClientSession, dsn: str) -> None:
        super().__init__(url, session)
        self.dsn = dsn


@asynccontextmanager
async def _served(database: str, release: str, role: str, **options: object) -> AsyncIterator[Served]:
    dsn = await prepare(database, release, role)
    async with live_server(dsn, **options) as url, aiohttp.ClientSession() as session:
        yield Served(url, session, dsn)


async def _runs(database: str) -> int:
    connection = await asyncpg.connect(database)
    try:
        count: int = await connection.fetchval(RUNS)
        return count
    finally:
        await connection.close()


@pytest.mark.parametrize("release", NEWER)
async def test_what_the_scheduler_keeps_for_itself_is_a_400(empty_database: str, release: str, role: str) -> None:
    """The prefixes of that release, with and without a date; nothing else, and nothing is written."""
    async with _served(empty_database, release, role) as api:
        for word in WORDS:
            for rest in ("2099-01-01T00:00:00+00:00", "x", ""):
                run_id = f"{word}__{rest}"
                status, answer = await api.trigger(run_id=run_id)
                if word in RESERVED[release]:
                    assert status == 400, run_id
                    error = f"A manual DAG run cannot use ID {run_id!r} since it is reserved for {word} runs"
                    assert answer == {"code": "invalid_run_id", "error": error}
                else:
                    assert status == 200, run_id
        made = 3 * (len(WORDS) - len(RESERVED[release]))
        assert await _runs(empty_database) == made
        for run_id in ("Scheduled__x", "scheduled_x", "scheduled", "manual__x", "my_backfill__x"):
            assert (await api.trigger(run_id=run_id))[0] == 200, run_id


@pytest.mark.parametrize("release", NEWER)
async def test_what_cannot_be_a_folder_is_a_400(empty_database: str, release: str, role: str) -> None:
    """`run_id=` and the id are at most 255 bytes, not characters; no part of a path is special."""
    async with _served(
        empty_database, release, role, allowed_run_id_pattern="^.*$", allow_double_dot_in_ids=True
    ) as api:
        for run_id in ("x" * 248, "é" * 124, "a/" + "x" * 248, "x" * 246 + "/b", "..", "a..b"):
            assert (await api.trigger(run_id=run_id))[0] == 200, run_id
        for run_id in ("x" * 249, "é" * 125, "é" * 250, "a/..", "a/../../b", "a/./b", "a//b"):
            status, answer = await api.trigger(run_id=run_id)
            assert status == 400, run_id
            assert "logs in this Airflow" in answer["error"]


@pytest.mark.parametrize("release", NEWER)
async def test_a_dag_whose_logs_have_no_folder_is_not_triggered(empty_database: str, release: str, role: str) -> None:
    """Its own id or, in 2.x, of which some releases end over it, that of a task is too long for a folder."""
    async with _served(empty_database, release, role) as api:
        for dag_id, status in (("é" * 124, 200), ("x" * 248, 200), ("x" * 249, 400)):
            await copy_dag(empty_database, dag_id)
            answer = await api.call("POST", f"/dags/{dag_id}/dag_runs", {"run_id": "r"})
            assert answer[0] == status, answer
            assert status == 200 or "`dag_id` must be at most 248 bytes" in answer[1]["error"]
        connection = await asyncpg.connect(empty_database)
        for length, status in ((247, 200), (248, 400 if generation_of(release) == 2 else 200)):
            await connection.execute(
                "UPDATE serialized_dag SET data = replace(data::text, $1, $2)::json",
                '"t"' if length == 247 else f'"{"t" * 247}"', f'"{"t" * length}"',
            )  # fmt: skip
            assert (await api.trigger(run_id=f"r{length}"))[0] == status
        await connection.close()


@pytest.mark.parametrize("release", NEWER)
async def test_two_dots_in_a_row_are_refused_where_that_airflow_refuses_them(
    empty_database: str, release: str, role: str
) -> None:
    """In 3.3 and later, unless its configuration allows them."""
    refused = release == "3.3.2"
    async with _served(empty_database, release, role) as api:
        for run_id in ("..", "a..b", "manual__..", "..."):
            status, answer = await api.trigger(run_id=run_id)
            assert status == (400 if refused else 200), run_id
            assert not refused or "[core] allow_double_dot_in_ids" in answer["error"]
        assert (await api.trigger(run_id="a.b.c."))[0] == 200
    if refused:
        async with live_server(api.dsn, allow_double_dot_in_ids="True") as url, aiohttp.ClientSession() as session:
            assert (await Api(url, session).trigger(run_id="a..b"))[0] == 200


@pytest.mark.parametrize("release", ["2.10.5", "3.1.8", "3.3.2"])
async def test_the_caller_is_warned_of_ids_that_do_not_fit_into_urls(
    empty_database: str, release: str, role: str
) -> None:
    """Tasks of 3.x put them there as they are."""
    options = {"allowed_run_id_pattern": "(?s)^.*$", "allow_double_dot_in_ids": "True"}
    async with _served(empty_database, release, role, **options) as api:
        for unfit, run_ids in (
            (True, (".", "..", "a/b", "a?b", "a#b", "a%20b", "a\nb", "\x7f")),
            (False, ("...", "a..b", "a.", "~", "a b", "é", "a+b:c~d-e_f")),
        ):
            for run_id in run_ids:
                assert (await api.trigger(run_id=run_id))[0] == 200, run_id
                warned = "does not fit into a URL" in (api.warning or "")
                assert warned == (unfit and generation_of(release) == 3), run_id


@pytest.mark.parametrize("release", NEWER)
async def test_an_empty_pattern_allows_what_airflow_itself_makes(empty_database: str, release: str, role: str) -> None:
    """Nothing else; and a newline at the end, which RE2 refuses and Python's `$` does not, is as in that Airflow."""
    async with _served(empty_database, release, role, allowed_run_id_pattern="") as api:
        assert (await api.trigger())[0] == 200
        assert (await api.trigger(run_id="manual__2024-01-01T00:00:00+00:00"))[0] == 200
        for run_id in ("mine", "manual__x", "a b", "manual__2024-01-01T00:00:00+00:00 "):
            status, answer = await api.trigger(run_id=run_id)
            assert (status, "must match the pattern manual__" in answer["error"]) == (400, True), run_id
    async with live_server(api.dsn) as url, aiohttp.ClientSession() as session:
        for run_id in ("mine\n", "manual__2024-01-02T00:00:00+00:00\n"):
            status, _ = await Api(url, session).trigger(run_id=run_id)
            assert status == (400 if generation_of(release) == 2 else 200), run_id


@pytest.mark.parametrize("release", NEWER)
async def test_the_dag_comes_first_then_the_run_id_then_the_conf(empty_database: str, release: str, role: str) -> None:
    """An unknown DAG is a 404 whatever is wrong besides; a run that exists is told before what is wrong with conf."""
    async with _served(empty_database, release, role) as api:
        wrong: list[dict[str, object]] = [
            {"conf": [1]},
            {"conf": "[1]"},
            {"conf": {"n": "no number"}},
            {"conf": "nope"},
        ]
        unknown = {"code": "dag_not_found", "error": "Dag id gone not found in DagModel"}
        ids: list[dict[str, object]] = [{"run_id": "scheduled__x"}, {"run_id": "x" * 251}, {"run_id": 5}]
        for body in ids + wrong:
            assert await api.call("POST", "/dags/gone/dag_runs", body) == (404, unknown), body
        assert (await api.trigger(run_id="taken", execution_date="2024-01-01"))[0] == 200
        for body in wrong:
            taken = {"code": "run_exists", "error": "Run id taken already exists for dag id d"}
            assert await api.trigger(run_id="taken", **body) == (400, taken), body
            status, answer = await api.trigger(run_id="scheduled__x", **body)
            assert (status, answer["code"], "reserved" in answer["error"]) == (400, "invalid_run_id", True), body
            status, answer = await api.trigger(run_id="new", **body)
            assert (status, answer["code"]) == (400, "invalid_conf"), body
            assert "conf" in answer["error"] or "param n" in answer["error"], body
        assert await _runs(empty_database) == 1


async def test_airflow_1_takes_any_run_id_and_the_caller_is_warned(empty_database: str, role: str) -> None:
    """Its API accepts them, its scheduler takes them for its own; any JSON string is a conf."""
    dsn = await prepare(empty_database, "1.10.15", role)
    async with live_server(dsn) as url, aiohttp.ClientSession() as session:
        path = f"{url}/api/experimental/dags/d/dag_runs"
        for run_id, words in (
            ("scheduled__2099-01-01T00:00:00+00:00", "schedule, which goes on after it"),
            ("backfill_x", "never starts it"),
            ("x" * 250, None),
        ):
            async with session.post(path, json={"run_id": run_id, "conf": "[1]"}) as answer:
                assert answer.status == 200
                warning = answer.headers.get("X-Windsock-Warning")
                assert (words in warning) if words and warning else words is warning


@pytest.mark.parametrize("release", RELEASES)
async def test_no_run_is_listed_of_a_dag_that_is_not_serialized(empty_database: str, release: str, role: str) -> None:
    """State, trigger and tasks say 404, lists 400; a 1.10 without any serialized DAG lists all the same."""
    async with _served(empty_database, release, role) as api:
        assert (await api.trigger(run_id="r", execution_date="2024-01-01"))[0] == 200
        connection = await asyncpg.connect(empty_database)
        await connection.execute("UPDATE dag_run SET dag_id = 'e'")
        insert = 'INSERT INTO dag SELECT (jsonb_populate_record(dag, \'{"dag_id": "e"}\')).* FROM dag'
        await connection.execute(insert)
        for query in ("", "?order_by=-execution_date", "?limit=1", "?run_id=r", "?state=failed"):
            answer = await api.call("GET", f"/dags/e/dag_runs{query}")
            assert answer == (400, {"code": "dag_not_found", "error": "Dag id e not found"}), query
        assert (await api.call("GET", "/dags/e/dag_runs/2024-01-01T00:00:00"))[0] == 404
        if generation_of(release) == 1:
            await connection.execute("DELETE FROM serialized_dag")
            status, runs = await api.call("GET", "/dags/e/dag_runs")
            assert (status, [run["run_id"] for run in runs]) == (200, ["r"])
        await connection.close()


@pytest.mark.parametrize("release", ["1.10.15", "2.10.5", "3.3.2"])
async def test_what_was_read_a_while_ago_refuses_nothing(empty_database: str, release: str, role: str) -> None:
    """A DAG whose start date has changed since it was read last is judged by what it is now."""
    async with _served(empty_database, release, role) as api:
        assert (await api.trigger(run_id="before"))[0] == 200
        connection = await asyncpg.connect(empty_database)
        later = {"__type": "dict", "__var": {"start_date": {"__type": "datetime", "__var": 4_000_000_000}}}
        await connection.execute(
            "UPDATE serialized_dag SET data = jsonb_set(data::jsonb, '{dag,default_args}', $1::jsonb)",
            json.dumps(later),
        )
        status, answer = await api.trigger(run_id="too_early")
        assert (status, "must not be before the start_date" in answer["error"]) == (400, True)
        await connection.execute("UPDATE serialized_dag SET data = data::jsonb #- '{dag,default_args}'")
        assert (await api.trigger(run_id="after"))[0] == 200
        await connection.close()
