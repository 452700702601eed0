"""Whoever is told that a run was made finds it in the table as it was asked for; everybody else, what was in its way.

`WINDSOCK_TRIGGER_ROUNDS` rounds for each kind of database, from `WINDSOCK_TRIGGER_SEED` on.
"""

import asyncio
import json
import os
import pickle
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

import asyncpg
import msgspec
import pytest

from server.database.metadata import Metadata, open_metadata
from server.errors import BadRequest, Unavailable
from server.wire import Trigger, parse_trigger
from tests.airflow.schemas import add_dag, copy_dag, generation_of, make_schema
from tests.live import config_for

ROUNDS = int(os.environ.get("WINDSOCK_TRIGGER_ROUNDS", "8"))
SEED = int(os.environ.get("WINDSOCK_TRIGGER_SEED", "1"))
STANDALONE = "standalone"
DATABASES = [STANDALONE, "1.10.15", "2.7.3", "2.10.5", "3.0.6", "3.3.2"]
FAMILY = {"p": "p.s"}
EPOCH = datetime(2021, 1, 1, tzinfo=UTC)
# A run_id that no caller gets as far as this, and that Postgres refuses together with those that share its statement.
BREAKS = "\0"


@dataclass(frozen=True)
class Told:
    """What was asked for, and what the caller was told: the run as it was made, or an error."""

    dag_id: str
    asked: Trigger
    made: Trigger | None
    error: BaseException | None

    @property
    def members(self) -> list[str]:
        """The DAGs that get a run together."""
        return [self.dag_id, FAMILY[self.dag_id]] if self.dag_id in FAMILY else [self.dag_id]


@dataclass(frozen=True)
class Run:
    """A row of `dag_run`."""

    run_id: str
    date: datetime
    conf: object


class Table:
    """What is stored."""

    def __init__(self, rows: Sequence[asyncpg.Record]) -> None:
        self.runs = [(row["dag_id"], Run(row["run_id"], row["date"], _conf(row["conf"]))) for row in rows]
        self.by_run_id = {(dag_id, run.run_id): run for dag_id, run in self.runs}
        self.by_date = {(dag_id, run.date): run for dag_id, run in self.runs}


def _conf(stored: bytes | str | None) -> object:
    value: object = pickle.loads(stored) if isinstance(stored, bytes) else json.loads(stored or "null")  # noqa: S301 - ours
    return value or None


def _body(random: Random, number: int, who: int) -> bytes:
    """Ask for one of a few run_ids and one of a few dates, so that most of a round collide; some name no date."""
    few = random.choice((2, 5, 20, 60))
    body: dict[str, object] = {"conf": {"who": who}, "run_id": f"r{number}_{random.randrange(few)}"}
    day = EPOCH + timedelta(days=number % 1000)
    body["execution_date"] = (day + timedelta(microseconds=random.randrange(few))).isoformat()
    match random.randrange(12):
        case 0:
            del body["execution_date"]
        case 1:
            del body["run_id"]
        case 2:
            del body["execution_date"], body["run_id"]
        case 3:
            body["conf"] = {"who": 0}
    return json.dumps(body).encode()


async def _ask(metadata: Metadata, dag_id: str, asked: Trigger) -> Told:
    try:
        made = await metadata.dag_runs.trigger(dag_id, asked)
    except (BadRequest, Unavailable, asyncpg.PostgresError) as error:
        return Told(dag_id, asked, None, error)
    return Told(dag_id, asked, made, None)


async def _round(random: Random, number: int, servers: Sequence[Metadata], dag_ids: Sequence[str]) -> list[Told]:
    """Some ask and are answered, then others; now and then one of them breaks the statement that it shares."""
    told: list[Told] = []
    for _ in range(random.choice((1, 1, 2))):
        requests = [
            (
                random.choice(servers),
                random.choice(dag_ids),
                parse_trigger(_body(random, number, who), UTC, datetime.now(UTC)),
            )
            for who in range(len(told), len(told) + random.randint(2, 128))
        ]
        if random.random() < 0.25:
            server, _, asked = requests[random.randrange(len(requests))]
            requests.append((server, "d", msgspec.structs.replace(asked, run_id=BREAKS, id_given=True)))
        told += await asyncio.gather(*(_ask(*request) for request in requests))
    return told


def _wrong(told: Sequence[Told], table: Table) -> list[str]:
    """Compare what everybody was told with the table."""
    wrong = []
    credited: list[tuple[str, str]] = []
    perhaps: set[tuple[str, str]] = set()
    for one in told:
        if one.made is not None:
            wanted = Run(one.made.run_id, one.made.execution_date, one.asked.conf)
            credited += [(dag_id, wanted.run_id) for dag_id in one.members]
            wrong += [
                f"{dag_id}: told {wanted}, stored {table.by_run_id.get((dag_id, wanted.run_id))}"
                for dag_id in one.members
                if table.by_run_id.get((dag_id, wanted.run_id)) != wanted
            ]
            if one.asked.moment is None and one.made != one.asked:
                wrong.append(f"asked {one.asked}, made {one.made}")
            if one.asked.id_given and one.made.run_id != one.asked.run_id:
                wrong.append(f"asked for {one.asked.run_id}, made {one.made.run_id}")
        elif isinstance(one.error, Unavailable):
            # A slow machine: it may be stored or not, as the caller was told.
            perhaps |= {(dag_id, run.run_id) for dag_id, run in table.runs if run.conf == one.asked.conf}
        elif one.asked.run_id == BREAKS:
            wrong += [] if isinstance(one.error, asyncpg.PostgresError) else [f"{one}"]
        elif not isinstance(one.error, BadRequest) or not _is_true(one, str(one.error), table):
            wrong.append(f"{one.dag_id} {one.asked.run_id} {one.asked.execution_date}: {one.error!r}")
    stored = {(dag_id, run.run_id) for dag_id, run in table.runs}
    if len(set(credited)) < len(credited) or not set(credited) <= stored <= perhaps.union(credited):
        wrong.append(f"credited {set(credited) - stored}, nobody's {stored - set(credited)}, in all {len(credited)}")
    return wrong


def _is_true(one: Told, message: str, table: Table) -> bool:
    """Whether what the refusal names is in the table, and would have been in the way."""
    for dag_id in one.members:
        if message == f"Run id {one.asked.run_id} already exists for dag id {dag_id}":
            return one.asked.id_given | (one.asked.moment is None) and (dag_id, one.asked.run_id) in table.by_run_id
        other = table.by_date.get((dag_id, one.asked.execution_date))
        date = one.asked.execution_date.isoformat()
        if other and message == f"Execution date {date} is taken for dag id {dag_id} by run id {other.run_id}":
            return one.asked.moment is None
    return False


@pytest.fixture(params=DATABASES)
async def stored(
    request: pytest.FixtureRequest, database: str, empty_database: str
) -> AsyncIterator[tuple[str, list[str]]]:
    """Make a database with two DAGs, and a family where there are such; its DSN and the ids."""
    kind = request.param
    dsn = database if kind == STANDALONE else empty_database
    if kind == STANDALONE:
        table = await asyncpg.connect(dsn)
        # It has the pool that `add_dag` adds.
        await table.execute("DELETE FROM slot_pool")
        await table.close()
    else:
        await make_schema(dsn, kind)
    await add_dag(dsn, "1.10.15" if kind == STANDALONE else kind)
    await copy_dag(dsn, "e")
    if kind != STANDALONE and generation_of(kind) > 2:
        yield dsn, ["d", "e"]
        return
    await copy_dag(dsn, "p", subdag_id="p.s")
    yield dsn, ["d", "d", "e", "p", "p.s"]


@asynccontextmanager
async def _two_servers(dsn: str) -> AsyncIterator[list[Metadata]]:
    """Serve the database twice, once as behind PgBouncer."""
    options = {"allowed_run_id_pattern": "^.*$"}
    async with (
        open_metadata(config_for(dsn, **options)) as one,
        open_metadata(config_for(dsn, pgbouncer="True", **options)) as other,
    ):
        yield [one, other]


async def test_every_answer_is_the_row_that_is_stored(stored: tuple[str, list[str]]) -> None:
    """Of those that collide by run_id or by date one is stored and told so; the others are told what is in the way."""
    dsn, dag_ids = stored
    table = await asyncpg.connect(dsn)
    date = "logical_date" if await table.fetchval("SELECT to_regclass('dag_version')") else "execution_date"
    made = requests = 0
    try:
        async with _two_servers(dsn) as servers:
            for number in range(SEED, SEED + ROUNDS):
                told = await _round(Random(number), number, servers, dag_ids)  # noqa: S311 - no secret
                rows = await table.fetch(f"SELECT dag_id, run_id, {date} AS date, conf FROM dag_run")
                wrong = _wrong(told, Table(rows))
                assert not wrong, "\n".join([f"WINDSOCK_TRIGGER_SEED={number}: {len(wrong)} of {len(told)}", *wrong])
                await table.execute("DELETE FROM dag_run")
                made, requests = made + len(rows), requests + len(told)
    finally:
        await table.close()
    assert 0 < made < requests


async def test_who_names_no_date_gets_one(stored: tuple[str, list[str]]) -> None:
    """Hundreds of one DAG at once, on two servers: each has a run, with a run_id of its own or one made of its date."""
    dsn, dag_ids = stored
    table = await asyncpg.connect(dsn)
    try:
        async with _two_servers(dsn) as servers:
            for dag_id in sorted(set(dag_ids) - {"e", "p.s"}):
                bodies = [{} if n % 3 else {"run_id": f"{dag_id}{n}"} for n in range(200)]
                asked = [parse_trigger(json.dumps(body).encode(), UTC, datetime.now(UTC)) for body in bodies]
                told = await asyncio.gather(*(_ask(servers[n % 2], dag_id, one) for n, one in enumerate(asked)))
                assert [one.error for one in told if one.made is None] == []
                stored_ids = await table.fetch("SELECT run_id FROM dag_run WHERE dag_id = $1", dag_id)
                assert {one.made.run_id for one in told if one.made} == {row[0] for row in stored_ids}
                assert len(stored_ids) == len(told)
                again = await _ask(servers[0], dag_id, asked[0])
                assert str(again.error) == f"Run id {dag_id}0 already exists for dag id {dag_id}"
    finally:
        await table.close()


async def test_a_run_without_a_run_id_is_in_the_way_too(empty_database: str) -> None:
    """Airflow 1.10 allows NULL there."""
    await make_schema(empty_database, "1.10.15")
    await add_dag(empty_database, "1.10.15")
    table = await asyncpg.connect(empty_database)
    await table.execute("INSERT INTO dag_run (dag_id, execution_date) VALUES ('d', '2024-01-01Z')")
    await table.close()
    async with open_metadata(config_for(empty_database)) as metadata:
        told = await _ask(metadata, "d", parse_trigger(b'{"execution_date": "2024-01-01"}', UTC, datetime.now(UTC)))
    assert str(told.error) == "Execution date 2024-01-01T00:00:00+00:00 is taken for dag id d by run id None"
