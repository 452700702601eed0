"""The bar: what Windsock is to reach against each peer, as medians of one run."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.works import READS, TRIGGER, Cell

CONNECTIONS = (1, 32, 256)
ONE, TWO = "windsock", "windsock2"


@dataclass(frozen=True)
class Bar:
    """`ours` divided by `peer` in `cell`: of requests/s at least `limit`, of p99 at most."""

    cell: Cell
    ours: str
    peer: str
    limit: float
    measure: str = "rps"

    def holds(self, ratio: float) -> bool:
        """Whether `ratio` is good enough."""
        return ratio <= self.limit if self.measure == "p99" else ratio >= self.limit


def _bars(ours: str, peer: str, connections: int, **limits: float) -> list[Bar]:
    return [Bar(Cell(work, connections), ours, peer, limit) for work, limit in limits.items()]


BARS = [
    *_bars(ONE, "aiohttp", 32, test=0.85),
    *_bars(ONE, "fastapi", 256, ti=5, state=5, pool=5, trigger=5),
    *_bars(ONE, "fastapi", 32, latest=8, runs=2),
    *(Bar(Cell(work, 256), ONE, "fastapi", 0.5, "p99") for work in ("ti", "state", "pool", "trigger")),
    *_bars(TWO, "pgbench", 256, trigger=1.5),
    *_bars(TWO, "postgrest", 256, ti=5, trigger=5),
    *_bars(TWO, "postgrest", 32, latest=5, runs=1.5),
    *_bars(TWO, "fastify2", 256, ti=1.2, trigger=2.5),
    *_bars(TWO, "fastify2", 32, latest=5, runs=1.2),
    *_bars(TWO, "airflow", 32, trigger=60, ti=60, state=60, latest=60, pools=20, runs=15, test=12),
]

Sides = Mapping[Cell, Sequence[str]]


def quick_plan() -> Sides:
    """The cells of the bar, each with the sides that it compares, and a lone client's latency."""
    plan: dict[Cell, list[str]] = {}
    for bar in BARS:
        sides = plan.setdefault(bar.cell, [])
        sides += [name for name in (bar.ours, bar.peer) if name not in sides]
    for work in ("test", "ti", TRIGGER):
        plan[Cell(work, 1)] = [ONE, "fastapi"]
    return _ordered(plan)


def full_plan(others: Iterable[str], names: Sequence[str]) -> Sides:
    """Every work at every number of connections, of every side; `others` at 32 connections of Windsock alone."""
    plan = {Cell(work, n): list(names) for work in (*READS, TRIGGER) for n in CONNECTIONS}
    plan.update({Cell(work, 32): [ONE] for work in others})
    return _ordered(plan)


def _ordered(plan: Mapping[Cell, list[str]]) -> Sides:
    """Triggers last: they add rows, which the end of the round removes."""
    return {cell: plan[cell] for cell in sorted(plan, key=lambda cell: (cell.work == TRIGGER, cell))}


def ratio(bar: Bar, rounds: Mapping[tuple[Cell, str], Sequence[Mapping[str, float]]]) -> float | None:
    """Median over the rounds of ours divided by theirs; None where one side was not measured."""
    ours, theirs = rounds.get((bar.cell, bar.ours)), rounds.get((bar.cell, bar.peer))
    if not ours or not theirs:
        return None
    return median(
        mine[bar.measure] / other[bar.measure] for mine, other in zip(ours, theirs, strict=False) if other[bar.measure]
    )
