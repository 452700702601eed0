"""Random DAGs end as a plain reading of the rules says, whatever the timing, retries and pools."""

import asyncio
from pathlib import Path
from typing import NamedTuple

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from server.standalone.postgres import EmbeddedPostgres
from tests.conftest import TEMPLATE
from tests.scheduling import bash, bench, empty

RULES = [
    "all_success", "all_failed", "all_done", "one_success", "one_failed", "none_failed", "none_failed_or_skipped",
    "none_skipped", "one_done", "all_skipped", "dummy",
]  # fmt: skip


class Sketch(NamedTuple):
    """A task: those above it, its rule, and on which try it succeeds (0: it fails, -1: it skips, None: no-op)."""

    above: tuple[int, ...]
    rule: str
    succeeds: int | None
    retries: int
    pool: str
    slots: int


@st.composite
def sketches(draw: st.DrawFn) -> list[Sketch]:
    """Draw a DAG of up to seven tasks, each below some of those before it."""
    tasks = []
    for n in range(draw(st.integers(1, 7))):
        above = draw(st.sets(st.integers(0, n - 1), max_size=3)) if n else set()
        pool = draw(st.sampled_from(["default_pool", "one", "two"]))
        tasks.append(
            Sketch(
                tuple(sorted(above)),
                draw(st.sampled_from(RULES)),
                draw(st.sampled_from([None, 1, 1, 2, 0, -1])),
                draw(st.integers(0, 1)),
                pool,
                draw(st.integers(1, 2)) if pool == "two" else 1,
            )
        )
    return tasks


def expected(tasks: list[Sketch]) -> tuple[dict[str, str], str]:
    """Say how each task and the run end: a reading of the rules of its own, over final states alone."""
    ends: list[str] = []
    for task in tasks:
        above = [ends[n] for n in task.above]
        ends.append(_end_of(task) if not above else _by_rule(task, above))
    leaves = [end for n, end in enumerate(ends) if not any(n in task.above for task in tasks)]
    run = "failed" if any(end in {"failed", "upstream_failed"} for end in leaves) else "success"
    return {f"t{n}": end for n, end in enumerate(ends)}, run


def _by_rule(task: Sketch, above: list[str]) -> str:
    bad = any(end in {"failed", "upstream_failed"} for end in above)
    good, skip = "success" in above, "skipped" in above
    run = _end_of(task)
    return {
        "all_success": "upstream_failed" if bad else "skipped" if skip else run,
        "all_failed": "skipped" if good or skip else run,
        "all_done": run,
        "one_success": run if good else "upstream_failed" if bad else "skipped",
        "one_failed": run if bad else "skipped",
        "none_failed": "upstream_failed" if bad else run,
        "none_failed_or_skipped": "upstream_failed" if bad else run if good else "skipped",
        "none_skipped": "skipped" if skip else run,
        "one_done": run if good or "failed" in above else "skipped",
        "all_skipped": "skipped" if good or bad else run,
        "dummy": run,
    }[task.rule]


def _end_of(task: Sketch) -> str:
    if task.succeeds is None:
        return "success"
    if task.succeeds == -1:
        return "skipped"
    return "success" if 0 < task.succeeds <= task.retries + 1 else "failed"


def _dag(tasks: list[Sketch]) -> dict[str, object]:
    return {"tasks": {f"t{n}": _task(task) for n, task in enumerate(tasks)}}


def _task(task: Sketch) -> dict[str, object]:
    above = [f"t{n}" for n in task.above]
    if task.succeeds is None:
        return empty(*above, trigger_rule=task.rule)
    options: dict[str, object] = {
        "trigger_rule": task.rule,
        "retries": task.retries,
        "pool": task.pool,
        "pool_slots": task.slots,
    }
    if task.succeeds == -1:
        return bash("exit 9", *above, skip_on_exit_code=9, **options)
    command = f"[ {{{{ ti.try_number }}}} -ge {task.succeeds} ]" if task.succeeds else "false"
    return bash(command, *above, **options)


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(dags=st.lists(sketches(), min_size=12, max_size=12))
def test_random_dags(
    postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory, dags: list[list[Sketch]]
) -> None:
    """Two schedulers side by side bring every task and run of a dozen DAGs to the end that the rules say."""
    asyncio.run(_run(postgres, tmp_path_factory.mktemp("property"), dags))


async def _run(postgres: EmbeddedPostgres, folder: Path, dags: list[list[Sketch]]) -> None:
    name = folder.name.replace("-", "_")
    admin = await asyncpg.connect(postgres.dsn)
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    try:
        async with bench(postgres.dsn_of(name), folder) as b:
            await b.pool.execute("INSERT INTO slot_pool (pool, slots) VALUES ('one', 1), ('two', 2)")
            await b.load({f"d{n}": _dag(tasks) for n, tasks in enumerate(dags)})
            for n in range(len(dags)):
                await b.trigger(f"d{n}")
            async with b.scheduler(), b.scheduler():
                await b.until_done()
            for n, tasks in enumerate(dags):
                assert (await b.states(f"d{n}"), await b.run_state(f"d{n}")) == expected(tasks), tasks
            assert not await b.witnessed()
    finally:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.close()
