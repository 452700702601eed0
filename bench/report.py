"""What the rounds say: medians, ratios, the bar; as a table and as JSON."""

import os
import platform
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from bench import waiting
from bench.bars import BARS, ratio
from bench.rounds import Results
from bench.works import TITLES, Cell

_TITLES = {
    "windsock": "Windsock",
    "windsock2": "Windsock, 2 processes",
    "aiohttp": "bare aiohttp",
    "fastapi": "FastAPI + asyncpg",
    "fastify2": "Fastify + postgres.js, 2",
    "postgrest": "PostgREST",
    "airflow": "Airflow 1.10.15, 4",
    "pgbench": "pgbench",
}


def summary(
    datasets: Mapping[str, Results],
    memory: Mapping[str, float] | None,
    waited: Sequence[Mapping[str, object]] | None = None,
    *,
    quick: bool,
) -> dict[str, Any]:
    """Everything that was measured, as JSON types; the bar is held against the first data set."""
    first = next(iter(datasets.values()))
    return {
        "machine": {"cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()},
        "quick": quick,
        "datasets": {name: _cells(results) for name, results in datasets.items()},
        "bars": _bars(first),
        "memory": memory,
        "waiting": waited,
    }


def _cells(results: Results) -> list[dict[str, Any]]:
    return [
        {
            "work": cell.work,
            "connections": cell.connections,
            "side": side,
            **{name: round(median(sample[name] for sample in samples), 3) for name in ("rps", "p50", "p99")},
            "failed": sum(sample["failed"] for sample in samples),
            "rounds": [round(sample["rps"], 1) for sample in samples],
        }
        for (cell, side), samples in results.items()
    ]


def _bars(results: Results) -> list[dict[str, Any]]:
    found = [(bar, ratio(bar, results)) for bar in BARS]
    return [
        {
            "work": bar.cell.work,
            "connections": bar.cell.connections,
            "ours": bar.ours,
            "peer": bar.peer,
            "measure": bar.measure,
            "limit": bar.limit,
            "ratio": None if value is None else round(value, 3),
            "met": None if value is None else bar.holds(value),
        }
        for bar, value in found
    ]


def tables(report: Mapping[str, Any]) -> str:
    """The report as Markdown."""
    parts = [_cell_table(name, cells) for name, cells in report["datasets"].items()]
    parts.append(_bar_table(report["bars"]))
    if report["memory"]:
        parts.append(
            "Memory of a process: {early_mb:g} MB after {early:,} requests, {late_mb:g} MB after {late:,}: "
            "{ratio:g} x (bar: 1.1 x or less)\n".format(**report["memory"])
        )  # fmt: skip - one text
    if report.get("waiting"):
        parts.append(waiting.tables(report["waiting"]))
    return "\n".join(parts)


def _cell_table(name: str, cells: Sequence[Mapping[str, Any]]) -> str:
    sides = [side for side in _TITLES if any(cell["side"] == side for cell in cells)]
    lines = [
        f"Database `{name}`: requests/s (p50 / p99, milliseconds)\n",
        f"| work | {' | '.join(_TITLES[side] for side in sides)} |",
        f"|---|{'---|' * len(sides)}",
    ]
    by_place = {(Cell(cell["work"], cell["connections"]), cell["side"]): cell for cell in cells}
    for place in dict.fromkeys(place for place, _ in by_place):
        shown = [_cell(by_place.get((place, side))) for side in sides]
        lines.append(f"| {TITLES[place.work]}, {place.connections} | {' | '.join(shown)} |")
    return "\n".join([*lines, ""])


def _cell(cell: Mapping[str, Any] | None) -> str:
    if cell is None:
        return ""
    failed = f", {cell['failed']:g} failed" if cell["failed"] else ""
    return f"{cell['rps']:,.0f} ({cell['p50']:.3g} / {cell['p99']:.3g}{failed})"


def _bar_table(bars: Sequence[Mapping[str, Any]]) -> str:
    lines = ["| work | connections | of | against | at least | measured | |", "|---|---|---|---|---|---|---|"]
    for bar in bars:
        if bar["ratio"] is None:
            continue
        p99 = bar["measure"] == "p99"
        lines.append(
            f"| {TITLES[bar['work']]}{', p99' if p99 else ''} | {bar['connections']} | {_TITLES[bar['ours']]}"
            f" | {_TITLES[bar['peer']]} | {'at most ' if p99 else ''}{bar['limit']:g} x | {bar['ratio']:.3g} x"
            f" | {'met' if bar['met'] else '**missed**'} |"
        )
    return "\n".join([*lines, ""])
