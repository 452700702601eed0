"""`python -m bench`: install the peers, start Postgres, load the data, measure, report."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import click

from bench import cache, data, memory, report, waiting
from bench.bars import ONE, TWO, Sides, full_plan, quick_plan
from bench.load import Load
from bench.rounds import Results, measure
from bench.sides import Running, Side, available, running
from bench.works import OTHERS, Cell
from server.standalone.postgres import EmbeddedPostgres, find_binaries

# What one would set on a machine like this; fsync, synchronous_commit and full_page_writes stay on, their default.
_SETTINGS = {
    "shared_buffers": "1GB",
    "max_connections": "500",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
    "effective_cache_size": "4GB",
    "random_page_cost": "1.1",
}
_SCALE: Sides = {
    Cell("latest", 32): [ONE, "fastapi", "pgbench"],
    Cell("runs", 32): [ONE, "fastapi", "pgbench"],
    Cell("trigger", 256): [ONE, "fastapi", "pgbench"],
}
WAITING = "waiting"
_EARLY, _LATE = 10_000, 2_000_000


@contextmanager
def _postgres(binaries: Path, runner: asyncio.Runner) -> Iterator[EmbeddedPostgres]:
    folder = cache.CACHE / "database"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    server = EmbeddedPostgres(folder, binaries=binaries, settings=_SETTINGS)
    runner.run(server.start())
    try:
        yield server
    finally:
        runner.run(server.stop())


class _Bench:
    """One run of the bench on one Postgres."""

    def __init__(self, postgres: EmbeddedPostgres, binaries: Path, runner: asyncio.Runner) -> None:
        self._postgres = postgres
        self._binaries = binaries
        self._runner = runner

    def load(self, dataset: data.DataSet) -> Load:
        """Make the database of a data set, with what the peers need in it."""
        click.echo(f"loading {dataset.dags:,} DAGs with {dataset.runs:,} runs ...", err=True)
        dsn = self._runner.run(data.load(self._postgres, dataset))
        self._runner.run(_execute(dsn, (cache.HERE / "peers" / "peers.sql").read_text("utf-8")))
        return Load(dataset, dsn, self._binaries)

    def results(self, load: Load, plan: Sides, sides: Sequence[Side], rounds: int, seconds: int) -> Results:
        """Start the sides that the plan names, and measure it."""
        wanted = {name for names in plan.values() for name in names}
        with ExitStack() as stack:
            servers = _start(stack, [side for side in sides if side.name in wanted], load.dsn)

            def tidy() -> None:
                self._runner.run(data.tidy(load.dsn))

            return measure(load, plan, servers, rounds=rounds, seconds=seconds, tidy=tidy)

    def memory(self, load: Load, side: Side) -> dict[str, float]:
        """Measure the growth of one Windsock process."""
        click.echo(f"memory after {_LATE:,} requests ...", err=True)
        with running(side, load.dsn) as target:
            return memory.growth(load, target, early=_EARLY, late=_LATE)


def _start(stack: ExitStack, sides: Sequence[Side], dsn: str) -> dict[str, Running]:
    """Start each side; a peer that does not start is left out."""
    servers = {}
    for side in sides:
        click.echo(f"starting {side.title}", err=True)
        try:
            servers[side.name] = stack.enter_context(running(side, dsn))
        except click.ClickException as error:
            if side.name in {ONE, TWO}:
                raise
            click.echo(f"  left out: {error}", err=True)
    return servers


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(statement)
    await connection.close()


@click.command()
@click.option("--quick", is_flag=True, help="Only what the bar needs, in a few minutes.")
@click.option("--rounds", default=3, show_default=True, help="How often everything is measured.")
@click.option("--seconds", type=int, help="How long each measurement takes.")
@click.option("--only", multiple=True, help="Only this work (may be given again), or `waiting`.")
@click.option("--postgres-bin", type=click.Path(path_type=Path), help="Folder of other Postgres programs.")
@click.option("--out", type=click.Path(path_type=Path), default=cache.ROOT / "docs", show_default=True)
def main(
    *, quick: bool, rounds: int, seconds: int | None, only: Sequence[str], postgres_bin: Path | None, out: Path
) -> None:
    """Measure Windsock beside its peers; write benchmark.json and benchmark.svg."""
    if only != (WAITING,):
        cache.require_wrk()
        cache.install()
    sides = available()
    names = [side.name for side in sides]
    binaries = postgres_bin or find_binaries(cache.CACHE / "nothing")
    plan = quick_plan() if quick else full_plan(OTHERS, [*names, "pgbench"])
    plan = {cell: sides for cell, sides in plan.items() if not only or cell.work in only}
    seconds = seconds or (2 if quick else 5)
    grown = None
    with asyncio.Runner() as runner, _postgres(binaries, runner) as postgres:
        if only == (WAITING,):
            click.echo(waiting.tables(waiting.measure(postgres, runner)))
            return
        waited = waiting.measure(postgres, runner) if not quick and not only else None
        bench = _Bench(postgres, binaries, runner)
        load = bench.load(data.MAIN)
        found = {data.MAIN.name: bench.results(load, plan, sides, rounds, seconds)}
        if not quick and not only:
            grown = bench.memory(load, sides[0])
            found[data.SCALE.name] = bench.results(bench.load(data.SCALE), _SCALE, sides, rounds, seconds)
    _write(report.summary(found, grown, waited, quick=quick), out)


def _write(result: dict[str, Any], out: Path) -> None:
    click.echo(report.tables(result))
    json_file = out / "benchmark.json"
    json_file.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    if cache.PYTHON.exists():
        command = [str(cache.PYTHON), "-m", "bench.picture", str(json_file), str(out / "benchmark.svg")]
        subprocess.run(command, cwd=cache.ROOT, check=True)


if __name__ == "__main__":
    main()
