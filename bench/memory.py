"""Whether a process grows with the requests it has served."""

from pathlib import Path

from bench.load import Load
from bench.sides import Running
from bench.works import Cell

_WORKS = ("test", "ti", "state", "pool", "latest")
_SECONDS = 5


def growth(load: Load, target: Running, *, early: int, late: int) -> dict[str, float]:
    """Resident megabytes after `early` and after `late` requests of mixed kinds."""
    served, sizes = 0.0, []
    for goal in (early, late):
        turn = 0
        while served < goal:
            # The first reading is to come soon after its goal.
            seconds = _SECONDS if goal - served > early else 1
            served += load.wrk(Cell(_WORKS[turn % len(_WORKS)], 256), target, seconds)["requests"]
            turn += 1
        sizes.append(resident(target.pid))
    return {
        "early": early,
        "late": late,
        "early_mb": round(sizes[0], 1),
        "late_mb": round(sizes[1], 1),
        "ratio": round(sizes[1] / sizes[0], 3),
    }


def resident(pid: int) -> float:
    """Megabytes of the process that serves: Windsock's first one watches over its workers and stays small."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    return max(_megabytes(each) for each in (str(pid), *children))


def _megabytes(pid: str) -> float:
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024
