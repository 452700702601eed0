"""The picture for the README, drawn in the bench's own environment: python -m bench.picture results.json out.svg."""

import json
import sys
from pathlib import Path
from typing import Any

import pygal
from pygal.style import CleanStyle

_WORKS = {
    "trigger": "trigger",
    "ti": "task instance",
    "state": "run state",
    "latest": "latest_runs",
    "runs": "dag_runs",
    "pool": "one pool",
    "pools": "all pools",
}
_PEERS = {
    "airflow": "Airflow 1.10.15",
    "fastapi": "FastAPI + asyncpg",
    "postgrest": "PostgREST",
    "fastify2": "Fastify",
    "pgbench": "pgbench, no HTTP",
}


def draw(report: dict[str, Any]) -> bytes:
    """Draw how many times as many requests Windsock answers as each peer, as SVG."""
    ratios = {(bar["work"], bar["peer"]): bar["ratio"] for bar in report["bars"] if bar["measure"] == "rps"}
    chart = pygal.Bar(
        style=CleanStyle,
        width=900,
        height=420,
        logarithmic=True,
        # Bars begin where the peer is as fast; else with the smallest of them, which nobody would see.
        zero=1,
        legend_at_bottom=True,
        legend_at_bottom_columns=len(_PEERS),
        js=[],
        title="Requests/s of Windsock, as a multiple of each peer's (logarithmic)",
    )
    chart.x_labels = list(_WORKS.values())
    for peer, title in _PEERS.items():
        values = [ratios.get((work, peer)) for work in _WORKS]
        if any(values):
            chart.add(title, values)
    picture: bytes = chart.render()
    return picture


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    target.write_bytes(draw(json.loads(source.read_text("utf-8"))))
