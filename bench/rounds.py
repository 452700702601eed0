"""The rounds: every cell, its sides one after the other, so that the machine's moods hit all alike."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import click

from bench.bars import Sides
from bench.load import Load, Sample
from bench.sides import Running
from bench.works import Cell

Results = dict[tuple[Cell, str], list[Sample]]
PGBENCH = "pgbench"
_WITHOUT_SQL = frozenset({"test", "health", "dags", "paused", "tasks", "task", "code"})
_WARM_UP = 1


def measure(
    load: Load,
    plan: Sides,
    servers: Mapping[str, Running],
    *,
    rounds: int,
    seconds: int,
    tidy: Callable[[], None],
) -> Results:
    """Measure the plan `rounds` times; `tidy` puts the database back after each."""
    results: Results = defaultdict(list)
    for number in range(rounds):
        for cell, names in plan.items():
            for name in _present(cell, names, servers):
                click.echo(f"\rround {number + 1}/{rounds}  {cell!s:14} {name:12}", nl=False, err=True)
                results[cell, name].append(_once(load, cell, name, servers, seconds, warm=number == 0))
        tidy()
        load.forget_triggers()
    click.echo(err=True)
    return results


def _present(cell: Cell, names: Sequence[str], servers: Mapping[str, Running]) -> list[str]:
    return [
        name
        for name in names
        if (name == PGBENCH and cell.work not in _WITHOUT_SQL)
        or (name in servers and (cell.work in servers[name].side.works or name == "windsock"))
    ]


def _once(load: Load, cell: Cell, name: str, servers: Mapping[str, Running], seconds: int, *, warm: bool) -> Sample:
    if name == PGBENCH:
        return load.pgbench(cell, seconds)
    if warm:
        load.wrk(cell, servers[name], _WARM_UP)
    return load.wrk(cell, servers[name], seconds)
