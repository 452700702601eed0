"""Connections are kept for the next borrower, and nobody goes short of one for that."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from server.database.connections import Connection, Connections, open_pool
from server.database.database import Database
from server.errors import Locked, Unavailable
from tests.live import config_for

STATEMENTS = {"pid": "SELECT pg_backend_pid()", "sleep": "SELECT pg_sleep(30)", "wrong": "SELECT 1 / 0"}


@pytest.fixture
async def connections(database: str) -> AsyncIterator[Connections]:
    """At most two, waited for half a second."""
    pool = await open_pool(config_for(database, pool_min_size="0", pool_max_size="2"))
    connections = Connections(pool, 0.5)
    yield connections
    async with asyncio.timeout(10):
        await connections.close()


async def pid(connection: Connection) -> int:
    found: int = await connection.fetchval(STATEMENTS["pid"])
    return found


async def turns() -> None:
    """Let tasks come to where they wait for a connection."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_what_comes_back_is_lent_again(connections: Connections) -> None:
    """The pool does not see it meanwhile; it counts as idle all the same."""
    first = await connections.lend()
    assert connections.figures() == (1, 0, 2)
    await connections.take_back(first)
    assert connections.figures() == (1, 1, 2)
    assert await connections.lend() is first
    await connections.take_back(first)


async def test_who_waits_gets_what_comes_back(connections: Connections) -> None:
    """Both are lent: the third borrower has the first that is free, and with none free gives up in time."""
    one, other = await connections.lend(), await connections.lend()
    waiting = asyncio.ensure_future(connections.lend())
    await turns()
    wanted = await pid(one)
    await connections.take_back(one)
    third = await waiting
    assert await pid(third) == wanted
    with pytest.raises(TimeoutError):
        await connections.lend()
    await connections.take_back(third)
    await connections.take_back(other)
    assert connections.figures() == (2, 2, 2)


async def test_a_borrower_that_gives_up_leaves_the_others_their_turn(connections: Connections) -> None:
    """Of two who wait one goes: the other gets the connection, and what comes back later is kept again."""
    one, other = await connections.lend(), await connections.lend()
    leaving, staying = (asyncio.ensure_future(connections.lend()) for _ in range(2))
    await turns()
    leaving.cancel()
    await connections.take_back(one)
    third = await staying
    await connections.take_back(other)
    assert await connections.lend() is other
    await connections.take_back(other)
    await connections.take_back(third)


async def test_what_was_lost_while_it_was_kept_is_replaced(connections: Connections, database: str) -> None:
    """Postgres ended both: nobody is lent one of them, and there are two new ones."""
    old = [await connections.lend(), await connections.lend()]
    pids = [await pid(one) for one in old]
    for one in old:
        await connections.take_back(one)
    killer = await asyncpg.connect(database)
    for number in pids:
        assert await killer.fetchval("SELECT pg_terminate_backend($1, 5000)", number)
    await killer.close()
    await asyncio.sleep(0.1)
    new = [await connections.lend(), await connections.lend()]
    assert not {await pid(one) for one in new} & set(pids)
    for one in new:
        await connections.take_back(one)


async def test_who_borrows_whatever_is_refused_gets_one_that_is_open(connections: Connections, database: str) -> None:
    """Not one that was lost while it was kept."""
    one = await connections.lend()
    pid = await one.fetchval("SELECT pg_backend_pid()")
    await connections.take_back(one)
    admin = await asyncpg.connect(database)
    await admin.fetch("SELECT pg_terminate_backend($1)", pid)
    await admin.close()
    await asyncio.sleep(0.2)
    async with connections.lent_anyway() as other:
        assert await other.fetchval("SELECT 1") == 1


async def test_closing_waits_for_who_still_has_one(connections: Connections) -> None:
    """What comes back then is not kept: nobody would close it."""
    kept, lent = await connections.lend(), await connections.lend()
    await connections.take_back(kept)
    closing = asyncio.ensure_future(connections.close())
    await turns()
    assert not closing.done()
    await connections.take_back(lent)
    async with asyncio.timeout(5):
        await closing


@pytest.mark.parametrize("statement", ["sleep", "wrong"])
async def test_a_failed_statement_leaves_a_connection_that_works(connections: Connections, statement: str) -> None:
    """One that was cancelled, and one that Postgres refused."""
    database = Database(connections, STATEMENTS)
    for _ in range(5):
        failing = asyncio.ensure_future(database.fetch(statement))
        await asyncio.sleep(0.02)
        failing.cancel()
        with pytest.raises((asyncio.CancelledError, asyncpg.DivisionByZeroError)):
            await failing
        assert await database.fetchval("pid")
    size, idle, _ = connections.figures()
    assert size == idle


async def test_nobody_gets_what_a_failed_borrower_left(connections: Connections) -> None:
    """A transaction that was begun by hand and failed, for instance."""
    database = Database(connections, STATEMENTS)
    with pytest.raises(asyncpg.DivisionByZeroError):
        async with database.connection() as connection:
            await connection.execute(f"BEGIN; {STATEMENTS['wrong']}")
    assert await database.fetchval("pid")


async def test_waiting_in_vain_is_unavailable(connections: Connections) -> None:
    """As for a lost database: a 503, not an error of ours."""
    database = Database(connections, STATEMENTS)
    async with database.connection(), database.connection():
        with pytest.raises(Unavailable):
            await database.fetch("pid")


async def test_a_deadlock_is_no_error_of_ours(connections: Connections) -> None:
    """One of the two transactions is undone as a whole: it may be tried again."""
    database, both = Database(connections, STATEMENTS), asyncio.Barrier(2)

    async def lock(*numbers: int) -> None:
        async with database.transaction() as connection:
            for number in numbers:
                await connection.execute("SELECT pg_advisory_xact_lock($1)", number)
                if number == numbers[0]:
                    await both.wait()

    results = await asyncio.gather(lock(1, 2), lock(2, 1), return_exceptions=True)
    assert {type(result) for result in results} == {type(None), Locked}


async def test_nothing_is_lent_while_the_schema_is_unknown(connections: Connections) -> None:
    """Whoever looks at the schema gets a connection; afterwards all are new ones."""
    kept, lent = await connections.lend(), await connections.lend()
    old = {await pid(kept), await pid(lent)}
    await connections.take_back(kept)
    await connections.refuse(lambda: Unavailable("not now"))
    with pytest.raises(Unavailable, match="not now"):
        await connections.lend()
    async with connections.lent_anyway() as looking:
        assert await pid(looking) in old
    await connections.take_back(lent)
    await connections.admit()
    new = [await connections.lend(), await connections.lend()]
    assert not {await pid(one) for one in new} & old
    for one in new:
        await connections.take_back(one)
    assert await connections.lend() is new[1]
    await connections.take_back(new[1])
