"""The callers: triggers, duplicates, reads, changes, bad input, wrong passwords, and some who leave in the middle."""

import asyncio
import itertools
import json
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp

from tests.soak.ground import DAGS, PASSWORD, PAUSED, TASK_DATE, USER
from tests.soak.ledger import BROKEN, Ledger

CLIENTS = 12
BOUND = 30.0
"""Seconds after which a request counts as stuck: all timeouts of the service together are below it."""
_OK = frozenset({200})
_EXISTS = frozenset({400})
_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
_numbers = itertools.count(1)
# How often each happens, among a thousand requests.
KINDS = {
    "trigger": 230,
    "duplicate": 80,
    "state": 150,
    "task_instance": 150,
    "runs": 80,
    "latest_runs": 80,
    "pools": 60,
    "pool_change": 30,
    "pause": 40,
    "bad_input": 50,
    "wrong_password": 25,
    "vanish": 25,
}


def _credentials(user: str, password: str) -> dict[str, str]:
    return {"Authorization": aiohttp.encode_basic_auth(user, password)}


class Caller:
    """Sends one request after another, of kinds chosen at random."""

    def __init__(self, port: int, ledger: Ledger, rng: random.Random) -> None:
        self._port = port
        self._ledger = ledger
        self._random = rng
        self._session = aiohttp.ClientSession(
            headers=_credentials(USER, PASSWORD), timeout=aiohttp.ClientTimeout(BOUND)
        )
        # Wrong passwords slow down their address; that of the others is another one.
        self._stranger = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(local_addr=("127.0.0.2", 0)), timeout=aiohttp.ClientTimeout(BOUND)
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()
        await self._stranger.close()

    async def work(self, stop: asyncio.Event, pause: float) -> None:
        """Send requests until told to stop, with pauses of that many seconds on average."""
        while not stop.is_set():
            kind = self._random.choices(list(KINDS), list(KINDS.values()))[0]
            await getattr(self, f"_{kind}")()
            await asyncio.sleep(self._random.uniform(0, 2 * pause))

    async def trigger(self, kind: str = "trigger") -> int:
        """Trigger a new run; the status. Whoever has no answer asks again for the same run, as careful callers do."""
        number = next(_numbers)
        run_id, date = f"{kind}-{number}", (_EPOCH + timedelta(seconds=number)).isoformat()
        self._ledger.sent.add(run_id)
        body = {"run_id": run_id, "execution_date": date, "conf": {"number": number}}
        path = f"/dags/{DAGS[number % len(DAGS)]}/dag_runs"
        status, answer = await self._call(kind, "POST", path, _OK, json=body)
        if status == 200:
            self._note(run_id, date, answer)
        elif status in {BROKEN, 503} and kind == "trigger":
            await asyncio.sleep(1)
            status, answer = await self._call("retry", "POST", path, _OK | _EXISTS, json=body)
            if status == 200:
                self._note(run_id, date, answer)
            elif status == 400:
                # What exists already is there to stay as well.
                self._ledger.answered[run_id] = date
        return status

    def _note(self, run_id: str, date: str, answer: Any) -> None:  # noqa: ANN401 - JSON
        self._ledger.answered[run_id] = date
        if answer.get("run_id") != run_id or answer.get("execution_date") != date:
            self._ledger.problem(f"the trigger of {run_id} at {date} was answered with {answer}")

    def _known(self) -> tuple[str, str, str] | None:
        """One of the runs that were answered: its DAG, its id, its date."""
        if not self._ledger.answered:
            return None
        number = self._random.randrange(1, next(_numbers))
        run_id = f"trigger-{number}"
        date = self._ledger.answered.get(run_id)
        return (DAGS[number % len(DAGS)], run_id, date) if date else None

    async def _trigger(self) -> None:
        await self.trigger()

    async def _duplicate(self) -> None:
        if known := self._known():
            dag_id, run_id, date = known
            body = {"run_id": run_id, "execution_date": date}
            await self._call("duplicate", "POST", f"/dags/{dag_id}/dag_runs", _EXISTS, json=body)

    async def _state(self) -> None:
        if known := self._known():
            await self._call("state", "GET", f"/dags/{known[0]}/dag_runs/{known[2]}", _OK)

    async def _task_instance(self) -> None:
        dag_id = self._random.choice(DAGS)
        await self._call("task_instance", "GET", f"/dags/{dag_id}/dag_runs/{TASK_DATE}/tasks/work", _OK)

    async def _runs(self) -> None:
        path = f"/dags/{self._random.choice(DAGS)}/dag_runs?limit=20&order_by=-execution_date"
        await self._call("runs", "GET", path, _OK)

    async def _latest_runs(self) -> None:
        await self._call("latest_runs", "GET", "/latest_runs", _OK)

    async def _pools(self) -> None:
        await self._call("pools", "GET", self._random.choice(["/pools", "/pools/default_pool"]), _OK)

    async def _pool_change(self) -> None:
        name = f"pool{self._random.randrange(5)}"
        body = {"name": name, "slots": self._random.randrange(100), "description": "soak"}
        await self._call("pool_change", "POST", "/pools", _OK, json=body)
        if self._random.random() < 0.3:
            await self._call("pool_change", "DELETE", f"/pools/{name}", frozenset({200, 404}))

    async def _pause(self) -> None:
        await self._call("pause", "GET", f"/dags/{PAUSED}/paused/{self._random.choice(['true', 'false'])}", _OK)

    async def _bad_input(self) -> None:
        path, body = self._random.choice(
            [
                (f"/dags/{DAGS[0]}/dag_runs", b'{"conf": '),
                (f"/dags/{DAGS[0]}/dag_runs", b'{"execution_date": "no date"}'),
                (f"/dags/{DAGS[0]}/dag_runs", b'{"conf": "\xff"}'),
                ("/dags/no_such_dag/dag_runs", b"{}"),
                ("/pools", b'{"name": "", "slots": 1, "description": ""}'),
            ]
        )
        await self._call("bad_input", "POST", path, frozenset({400, 404}), data=body)

    async def _wrong_password(self) -> None:
        user = self._random.choice([USER, *(f"guest{number}" for number in range(9))])
        headers = _credentials(user, "wrong")
        session, expected = self._stranger, frozenset({403, 429})
        await self._call("wrong_password", "GET", "/latest_runs", expected, session=session, headers=headers)

    async def _vanish(self) -> None:
        number = next(_numbers)
        run_id, date = f"gone-{number}", (_EPOCH + timedelta(seconds=number)).isoformat()
        self._ledger.sent.add(run_id)
        body = json.dumps({"run_id": run_id, "execution_date": date}).encode()
        head = f"POST /api/experimental/dags/{DAGS[0]}/dag_runs HTTP/1.1\r\nHost: localhost\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in _credentials(USER, PASSWORD).items())
        head += f"Content-Length: {len(body)}\r\n\r\n"
        _, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(head.encode() + body[: self._random.choice([None, 5])])
        await asyncio.sleep(self._random.choice([0, 0.002, 0.05]))
        writer.transport.abort()
        self._ledger.statuses["vanish", BROKEN] += 1

    async def _call(
        self, kind: str, method: str, path: str, expected: frozenset[int], *,
        session: aiohttp.ClientSession | None = None, **arguments: Any,  # noqa: ANN401 - aiohttp's
    ) -> tuple[int, Any]:  # fmt: skip
        url = f"http://127.0.0.1:{self._port}/api/experimental{path}"
        began = time.monotonic()
        try:
            async with (session or self._session).request(method, url, **arguments) as response:
                text = await response.read()
                status = response.status
        except TimeoutError:
            self._ledger.stuck(kind, began)
            return -1, None
        except aiohttp.ClientConnectionError:
            status, text = BROKEN, b""
        self._ledger.answer(kind, status, began, expected)
        return status, json.loads(text) if text else None


@asynccontextmanager
async def load(port: int, ledger: Ledger, rng: random.Random, rate: float) -> AsyncIterator[None]:
    """Send about `rate` requests a second while the block runs; afterwards all have ended and nothing is connected."""
    stop = asyncio.Event()
    callers = [Caller(port, ledger, rng) for _ in range(CLIENTS)]
    async with asyncio.TaskGroup() as tasks:
        for caller in callers:
            tasks.create_task(caller.work(stop, CLIENTS / rate))
        try:
            yield
        finally:
            stop.set()
    for caller in callers:
        await caller.close()
