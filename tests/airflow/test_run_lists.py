"""The states of a list of runs: each entry has its own, or its own error, as the table says it."""

import asyncio
import json
import os
from random import Random

import aiohttp
import asyncpg
import pytest

from server.auth.permissions import RoleGrant
from server.wire.dag_patterns import dag_pattern
from tests import limited
from tests.airflow.schemas import copy_dag, generation_of, insert_runs
from tests.airflow.serving import connected, prepare
from tests.live import live_server

SEED = int(os.environ.get("WINDSOCK_FUZZ_SEED", "1"))
RELEASES = ["1.10.15", "2.7.3", "2.10.5", "3.3.2"]
STATES = ["running", "success", "failed", "queued", "paused", "", None]
DAGS = ["d", "other", "other.s", "absent", "absent.s"]
IDS = [f"r{n}" for n in range(8)] + ["", "a b", "Ω", "x" * 250]
DATES = [f"2021-01-0{n}T00:00:00+00:00" for n in range(1, 9)]
NONSENSE: list[object] = [
    1, None, [], "d", {}, {"dag_id": "d"}, {"run_id": "r1"}, {"dag_id": 1, "run_id": "r1"},
    {"dag_id": "d", "run_id": 1},
    {"dag_id": "d", "execution_date": "never"}, {"dag_id": "d", "execution_date": 5}, {"dag_id": "", "run_id": "r1"},
    {"dag_id": "d", "run_id": "r1", "execution_date": DATES[0]}, {"dag_id": "d", "run_id": "r1", "more": 1},
    {"dag_id": "d\0", "run_id": "r1"}, {"dag_id": "d", "run_id": "r\0"},
    {"dag_id": "d", "run_id": "r1", "x": float("nan")},
]  # fmt: skip
Rows = dict[tuple[str, str], str | None]


async def _fill(conn: asyncpg.Connection, random: Random, release: str) -> tuple[Rows, Rows]:
    """Add runs; return their states by run_id, and by date."""
    states = STATES[: -1 if generation_of(release) > 1 else None]
    rows = [
        {"dag_id": dag_id, "run_id": run_id, "state": random.choice(states), "moment": date}
        for dag_id in [*DAGS[:2], *(["other.s"] if generation_of(release) < 3 else [])]
        for run_id, date in random.sample(list(zip(IDS, DATES, strict=False)), 5)
    ]
    await insert_runs(conn, rows)
    by_id: Rows = {(str(row["dag_id"]), str(row["run_id"])): row["state"] for row in rows}
    return by_id, {(str(row["dag_id"]), str(row["moment"])): row["state"] for row in rows}


def _asked(random: Random) -> list[object]:
    """Make a list with all kinds of entries, some of them several times."""
    named = [{"dag_id": random.choice(DAGS), "run_id": random.choice(IDS)} for _ in range(20)]
    dated = [{"dag_id": random.choice(DAGS), "execution_date": random.choice(DATES)} for _ in range(20)]
    some = [*named, *dated, *random.sample(NONSENSE, 6)]
    asked = [*some, *random.choices(some, k=20)]
    random.shuffle(asked)
    return asked[: random.choice([0, 1, 5, 66])]


def _expected(entry: object, by_id: Rows, by_date: Rows, readable: set[str]) -> tuple[object, ...]:
    """Say what the answer to an entry is: `state`, or the code."""
    if not isinstance(entry, dict) or entry in NONSENSE or not all(entry.values()):
        return ("error",)
    dag_id = entry["dag_id"]
    if dag_id not in readable:
        return ("permission_missing",)
    if dag_id not in {key[0] for key in by_id}:
        return ("dag_not_found",)
    rows, name = (by_id, entry["run_id"]) if "run_id" in entry else (by_date, entry["execution_date"])
    return ("state", rows[dag_id, name]) if (dag_id, name) in rows else ("run_not_found",)


def _said(entry: object, answer: dict[str, object]) -> tuple[object, ...]:
    """Check what an answer repeats; return what it says."""
    written = entry if isinstance(entry, dict) else {}
    names = {"dag_id", "run_id", "execution_date"}
    assert {key: answer[key] for key in names & answer.keys()} == {
        key: value for key, value in written.items() if key in names and isinstance(value, str)
    }
    if "state" in answer:
        return "state", answer["state"]
    own = str(answer["code"]) in {"dag_not_found", "run_not_found", "permission_missing"}
    return (answer["code"],) if own else ("error",)


@pytest.mark.parametrize("release", RELEASES)
async def test_each_entry_has_its_own_answer(
    empty_database: str, release: str, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever stands beside it, and however often it is there; for a limited caller only of what may be read."""
    random = Random(SEED)  # noqa: S311 - no secret
    monkeypatch.setattr(limited, "CARRIED", {"some": [RoleGrant("Viewer", dag_pattern(["d", "absent*"]))]})
    dsn = await prepare(empty_database, release, role)
    await copy_dag(empty_database, "other", subdag_id=None if generation_of(release) == 3 else "other.s")
    async with connected(empty_database) as conn:
        by_id, by_date = await _fill(conn, random, release)
    async with live_server(dsn, auth_backend=limited.NAME) as url, aiohttp.ClientSession() as session:

        async def check() -> None:
            user, readable = random.choice([("all", set(DAGS)), ("some", {"d", "absent", "absent.s"})])
            asked = _asked(random)
            async with session.post(
                f"{url}/api/experimental/dag_runs/states", data=json.dumps(asked), headers={limited.HEADER: user}
            ) as answer:
                found = await answer.json()
                assert answer.status == 200, found
            assert len(found) == len(asked)
            for entry, one in zip(asked, found, strict=True):
                assert _said(entry, one) == _expected(entry, by_id, by_date, readable), (entry, one)

        for _ in range(10):
            await asyncio.gather(*(check() for _ in range(4)))
