"""Worker processes, real ones: what each piece of work may take, who gets the next one, and that none is left."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.process.offload import Busy, OffloadError, OutOfMemory, TookTooLong, WorkerDied, WorkerPool, WorkFailed
from server.process.offload.pool import _Turns
from tests.unit import offloaded
from tests.until import until

MEMORY = 2**28


@pytest.fixture(autouse=True)
def _tests_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the processes import the work that is done here, which is not installed."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))


@pytest.fixture
async def pool() -> AsyncIterator[WorkerPool]:
    """Set up two processes, of which a share gets one; there is room for eight who wait."""
    made = WorkerPool(offloaded.__name__, count=2, per_share=1, seconds=30, memory=MEMORY, waiting=8)
    yield made
    await made.close()


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


async def test_work_is_done_and_its_process_kept(pool: WorkerPool) -> None:
    """The next piece finds the process that the last one used."""
    assert await pool.call("reverse", b"abc") == b"cba"
    (worker,) = pool.idle
    assert int(await pool.call("pid", b"")) == worker.pid != os.getpid()


async def test_large_pieces(pool: WorkerPool) -> None:
    """Sizes far over what a socket takes at once arrive whole, both ways; an answer over the bound is none."""
    argument = os.urandom(2**24)
    assert await pool.call("reverse", argument) == argument[::-1]
    with pytest.raises(WorkFailed, match="more than is read"):
        await pool.call("zeros", str(2**26 + 1).encode())


@pytest.mark.parametrize(
    ("function", "error"),
    [("spin", TookTooLong), ("sleep", TookTooLong), ("hoard", OutOfMemory), ("crash", WorkerDied)],
)
async def test_a_piece_past_its_bounds(pool: WorkerPool, function: str, error: type[OffloadError]) -> None:
    """It fails with an error of its own kind, its process is gone, and the next piece has another one."""
    await pool.warm_up()
    (worker,) = pool.idle
    with pytest.raises(error):
        await pool.call(function, b"", seconds=20 if function == "hoard" else 0.3)
    assert gone(worker.pid)
    assert await pool.call("reverse", b"ab") == b"ba"


async def test_an_error_of_the_work_itself(pool: WorkerPool) -> None:
    """It is named, and the process lives on."""
    await pool.warm_up()
    (worker,) = pool.idle
    with pytest.raises(WorkFailed, match="ZeroDivisionError: "):
        await pool.call("divide", b"")
    with pytest.raises(WorkFailed, match="RecursionError"):
        await pool.call("recurse", b"")
    assert pool.idle == [worker]


async def test_a_process_that_dies_without_work(pool: WorkerPool) -> None:
    """Nobody notices: there is another one."""
    await pool.warm_up()
    await pool.idle[0].kill()
    assert await pool.call("reverse", b"ab") == b"ba"


async def test_a_module_that_cannot_be_loaded() -> None:
    """The error says that no process could be started; nothing is left of it."""
    broken = WorkerPool("tests.unit.no_such_module", count=1, seconds=5, memory=MEMORY)
    with pytest.raises(WorkerDied, match="could be started"):
        await broken.call("reverse", b"")
    await broken.close()


async def test_whoever_leaves_ends_the_work(pool: WorkerPool) -> None:
    """Cancelled work is killed, cancelled waiting leaves no trace: places and processes are as before."""
    await pool.warm_up()
    (worker,) = pool.idle
    working = asyncio.create_task(pool.call("spin", b""))
    waiting = asyncio.create_task(pool.call("spin", b""))
    await until(lambda: not pool.idle)
    waiting.cancel()
    working.cancel()
    await asyncio.wait([working, waiting])
    assert gone(worker.pid)
    assert await asyncio.gather(*(pool.call("reverse", b"ab", share=str(n)) for n in range(6))) == [b"ba"] * 6


async def test_all_leave_at_the_same_moment() -> None:
    """Those who wait may be gone when the place is free, and have not been able to say so: the next one gets it."""
    turns, done = _Turns(count=1, per_share=1, waiting=16, patience=None), asyncio.Event()

    async def hold() -> None:
        async with turns.take(""):
            await done.wait()

    first, *leaving, last = [asyncio.create_task(hold()) for _ in range(4)]
    await asyncio.sleep(0)
    done.set()
    for task in leaving:
        task.cancel()
    await asyncio.wait([first, *leaving, last], timeout=5)
    assert [task.cancelled() for task in leaving] == [True, True]
    assert (first.exception(), last.exception()) == (None, None)


async def test_one_share_delays_no_other(pool: WorkerPool) -> None:
    """One whose work takes all of its time has one process, and a bounded part of the queue."""
    stuck = [asyncio.create_task(pool.call("spin", b"", share="bad")) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await pool.call("spin", b"", share="bad")
    assert await asyncio.gather(*(pool.call("reverse", b"ab", share="good") for _ in range(2))) == [b"ba"] * 2
    assert not any(task.done() for task in stuck)
    for task in stuck:
        task.cancel()
    await asyncio.wait(stuck)


async def test_nobody_waits_for_ever() -> None:
    """Who waits longer than the pool says is told so, and leaves no trace: the next one has its turn."""
    pool = WorkerPool(offloaded.__name__, count=1, seconds=30, memory=MEMORY, patience=0.2)
    await pool.warm_up()
    stuck = asyncio.create_task(pool.call("spin", b""))
    await asyncio.sleep(0)
    for result in await asyncio.gather(*(pool.call("reverse", b"ab") for _ in range(5)), return_exceptions=True):
        assert isinstance(result, Busy)
    stuck.cancel()
    await asyncio.wait([stuck])
    assert await pool.call("reverse", b"ab") == b"ba"
    await pool.close()


async def test_what_is_in_vain_after_the_wait_is_not_begun(pool: WorkerPool) -> None:
    """The check is made when there is a process, and leaves it to others."""

    def check() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await pool.call("spin", b"", check=check)
    assert not pool.idle
    assert await pool.call("reverse", b"ab") == b"ba"


async def test_shares_take_turns() -> None:
    """Who came last of a share that nobody else has waited for is served before the crowd of another."""
    pool = WorkerPool(offloaded.__name__, count=1, seconds=30, memory=MEMORY)
    order: list[str] = []

    async def work(share: str) -> None:
        await pool.call("reverse", b"", share=share)
        order.append(share)

    await asyncio.gather(*(work("crowd") for _ in range(8)), work("lone"))
    assert order.index("lone") <= 2
    await pool.close()


async def test_a_process_without_work_ends() -> None:
    """Its memory is given back after a while, and it is reaped."""
    pool = WorkerPool(offloaded.__name__, count=1, seconds=30, memory=MEMORY, idle=0.05)
    pid = int(await pool.call("pid", b""))
    await until(lambda: gone(pid))
    assert await pool.call("reverse", b"ab") == b"ba"
    await pool.close()


async def test_a_process_has_nothing_of_ours(pool: WorkerPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of our environment it has what finds Python, of our descriptors none, whatever was left inheritable."""
    monkeypatch.setenv("AIRFLOW__CORE__SQL_ALCHEMY_CONN", "postgresql://u:secret@h/d")
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)  # noqa: FBT003 - the function's own signature
    try:
        pid = int(await pool.call("pid", b""))
        assert b"secret" not in Path(f"/proc/{pid}/environ").read_bytes()
        assert (await pool.call("descriptors", b"")).split() == [b"0", b"1", b"2"]
    finally:
        os.close(reading)
        os.close(writing)


PARENT = """
import asyncio
from server.process.offload import WorkerPool
from tests.unit import offloaded

async def main():
    pool = WorkerPool(offloaded.__name__, count=2, seconds=600, memory=2**28)
    busy, idle = (await asyncio.gather(pool.call("pid", b""), pool.call("pid", b"")))
    print(int(busy), int(idle), flush=True)
    await pool.call("{work}", b"")

asyncio.run(main())
"""


@pytest.mark.parametrize("work", ["spin", "sleep"])
async def test_no_process_outlives_its_parent(work: str) -> None:
    """When the parent is killed its processes end at once: those without work, and those in the middle of it."""
    with subprocess.Popen([sys.executable, "-c", PARENT.format(work=work)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        await asyncio.sleep(0.3)
        assert not any(gone(pid) for pid in pids)
        begin = time.monotonic()
        parent.kill()
        await until(lambda: all(gone(pid) for pid in pids))
        assert time.monotonic() - begin < 15
