"""Who waits for runs, or follows events, gets the true states in the end, whatever is killed meanwhile."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

import asyncpg
import pytest

from tests.faults.conftest import Victim
from tests.faults.parts import signal_all
from tests.until import until
from windsock.client.json_client import JsonClient

WAITERS, FOLLOWERS = 8, 2
RUNS = [f"r{number}" for number in range(WAITERS)]


async def _kill_postgres(victim: Victim) -> None:
    process = victim.postgres._process
    assert process is not None
    signal_all(victim.postgres, signal.SIGKILL)
    await process.wait()
    await asyncio.sleep(1)
    await victim.postgres._launch()


async def _kill_service(victim: Victim) -> None:
    os.killpg(victim.service.process.pid, signal.SIGKILL)
    await asyncio.to_thread(victim.service.process.wait)
    await asyncio.to_thread(victim.service.__enter__)


async def _stop_service(victim: Victim) -> None:
    victim.service.process.terminate()
    # The waiters and the streams hold nothing up.
    await asyncio.to_thread(victim.service.process.wait, 10)
    await asyncio.to_thread(victim.service.__enter__)


async def _reload(victim: Victim) -> None:
    await asyncio.to_thread(victim.service.reload, '"reloaded"')


FAULTS: dict[str, Callable[[Victim], Awaitable[None]]] = {
    "kill -9 of Postgres": _kill_postgres,
    "kill -9 of the service": _kill_service,
    "stop": _stop_service,
    "reload": _reload,
}


def _follow(url: str, states: dict[str, str]) -> None:
    """Keep the states by events; after a gap, read them again."""
    with JsonClient(url) as client, JsonClient(url) as reader:
        for event in client.events(dag_id="d"):
            if event["event"] == "gap":
                found = reader.get_dag_run_states([("d", f"run_id={run_id}") for run_id in RUNS])
                states |= {one["run_id"]: one["state"] for one in found}
            elif event["event"].startswith("run_"):
                states[event["run_id"]] = event["state"]
            if {states.get(run_id) for run_id in RUNS} <= {"success", "failed"}:
                return


async def _make_runs(victim: Victim) -> None:
    connection = await asyncpg.connect(victim.postgres.dsn)
    await connection.execute(
        "INSERT INTO dag_run (dag_id, run_id, execution_date, state, external_trigger)"
        " SELECT 'd', run_id, now() + n * interval '1 second', 'running', true"
        " FROM unnest($1::text[]) WITH ORDINALITY AS runs (run_id, n)",
        RUNS,
    )
    await connection.close()


async def _end_runs(victim: Victim, runs: list[str], state: str) -> None:
    connection = await asyncpg.connect(victim.postgres.dsn)
    await connection.execute("UPDATE dag_run SET state = $2 WHERE run_id = ANY ($1)", runs, state)
    await connection.close()


@pytest.mark.parametrize("fault", FAULTS)
async def test_each_gets_the_true_state(victim: Victim, fault: str) -> None:
    """Some runs end before the fault, some after it."""
    # Each of them has a thread.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(WAITERS + FOLLOWERS + 2))
    url = f"http://127.0.0.1:{victim.service.port}"
    known: list[dict[str, str]] = [{} for _ in range(FOLLOWERS)]
    followers = [asyncio.create_task(asyncio.to_thread(_follow, url, states)) for states in known]
    await asyncio.sleep(1)
    await _make_runs(victim)
    await until(lambda: all(states.keys() == set(RUNS) for states in known))

    def wait(run_id: str) -> str | None:
        with JsonClient(url) as client:
            return client.wait("d", f"run_id={run_id}")

    waiters = [asyncio.create_task(asyncio.to_thread(wait, run_id)) for run_id in RUNS]
    await asyncio.sleep(0.5)
    await _end_runs(victim, RUNS[:2], "failed")
    await FAULTS[fault](victim)
    await _end_runs(victim, RUNS[2:], "success")
    async with asyncio.timeout(60):
        assert await asyncio.gather(*waiters) == ["failed"] * 2 + ["success"] * (WAITERS - 2)
        await asyncio.gather(*followers)
    assert known == [dict(zip(RUNS, ["failed"] * 2 + ["success"] * (WAITERS - 2), strict=True))] * FOLLOWERS
