"""What the processes hold: memory, descriptors, threads, tasks, connections; and whether it grows."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.soak.ground import WORKERS, Ground

WARM = 240.0
"""Seconds after which caches are filled: what a process of this age holds is what it should hold."""
_MEGABYTE = 2**20
_MAY_GROW = 16 * _MEGABYTE
_MAY_GROW_BY = 0.15
_SPARE_DESCRIPTORS = 4
_SPARE_TASKS = 4
_REST = 20.0


@dataclass(frozen=True)
class Held:
    """What a process holds at a moment of rest."""

    at: float
    pid: int
    role: str
    age: float
    resident: int
    descriptors: int
    threads: int

    def __str__(self) -> str:
        """One line of the report."""
        return (
            f"{self.role} {self.pid}: {self.resident / _MEGABYTE:.1f} MB, {self.descriptors} descriptors,"
            f" {self.threads} threads after {self.age / 60:.0f} min"
        )


@dataclass(frozen=True)
class Rest:
    """The service while nobody asks for anything."""

    in_flight: int
    waiting: int
    busy: int
    open: int
    backends: int
    tasks: int
    workers: int

    @property
    def quiet(self) -> bool:
        """Whether nothing is under way, and all workers are there."""
        return (self.in_flight, self.waiting, self.busy, self.workers) == (0, 0, 0, WORKERS)


def held(pid: int, role: str) -> Held:
    """Look into /proc."""
    folder = Path(f"/proc/{pid}")
    status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
    started = int((folder / "stat").read_text().rpartition(")")[2].split()[19]) / 100
    up = float(Path("/proc/uptime").read_text().split()[0])
    return Held(
        time.monotonic(), pid, role, up - started, int(status["VmRSS"].split()[0]) * 1024,
        _descriptors(folder), int(status["Threads"]),
    )  # fmt: skip


def _descriptors(folder: Path) -> int:
    """How many descriptors it has; 0 for whoever may not look, as only root may."""
    try:
        return len(list((folder / "fd").iterdir()))
    except PermissionError:
        return 0


async def rest(ground: Ground) -> Rest:
    """Wait until nothing is under way, for a while; what there is then."""
    end = time.monotonic() + _REST
    while True:
        one = await _look(ground)
        if (one.quiet and one.open == one.backends) or time.monotonic() > end:
            return one
        await asyncio.sleep(0.5)


async def _look(ground: Ground) -> Rest:
    metrics = await asyncio.to_thread(ground.service.metrics)
    conn = await ground.connect()
    backends = await conn.fetchval("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'windsock'")
    await conn.close()
    busy, idle = (metrics[f'windsock_pool_connections{{state="{state}"}}'] for state in ("busy", "idle"))
    waiting = sum(value for name, value in metrics.items() if name.startswith("windsock_batch_waiting"))
    return Rest(
        int(metrics["windsock_requests_in_flight"]), int(waiting), int(busy), int(busy + idle), backends,
        int(metrics["windsock_tasks"]), int(metrics["windsock_workers"]),
    )  # fmt: skip


def all_held(ground: Ground) -> list[Held]:
    """What the supervisor and each of its workers hold."""
    workers = [held(pid, "worker") for pid in ground.service.workers()]
    return [held(ground.service.process.pid, "supervisor"), *workers]


def unquiet(rests: Iterable[Rest]) -> list[str]:
    """What was still under way although nobody asked for anything; tasks that only grow."""
    rests = list(rests)
    problems = [f"not at rest: {one}" for one in rests if not one.quiet or one.open != one.backends]
    if rests and rests[-1].tasks > min(one.tasks for one in rests) + _SPARE_TASKS:
        problems.append(f"tasks are left over: {[one.tasks for one in rests]}")
    return problems


def grown(samples: Iterable[Held]) -> list[str]:
    """Which processes hold more at their last moment of rest than when they were warm."""
    problems = []
    for first, last in pairs(samples):
        limit = max(_MAY_GROW, first.resident * _MAY_GROW_BY)
        if (
            last.resident - first.resident > limit
            or last.descriptors > first.descriptors + _SPARE_DESCRIPTORS
            or last.threads > first.threads + 1
        ):
            problems.append(f"it grew: {first} -> {last}")
    return problems


def pairs(samples: Iterable[Held]) -> list[tuple[Held, Held]]:
    """The first warm and the last sample of each process that has both."""
    by_process: dict[int, list[Held]] = {}
    for one in samples:
        if one.age >= WARM:
            by_process.setdefault(one.pid, []).append(one)
    return [(each[0], each[-1]) for each in by_process.values() if len(each) > 1]
