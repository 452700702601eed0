"""Templates that run away, in the processes that render them."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from server.database.serialized import SerializedDag
from server.standalone.scheduler.context import Try
from server.standalone.scheduler.graph import Graph
from server.standalone.scheduler.renderer import Renderer
from server.standalone.scheduler.store import Key
from server.standalone.scheduler.task_outcomes import TaskFailed
from tests.until import until

DATE = datetime(2024, 1, 1, tzinfo=UTC)
ENDLESS = "{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}"


@pytest.fixture
async def renderer() -> AsyncIterator[Renderer]:
    """Set up one that has little patience once its process is there."""
    made = Renderer(10)
    await render(made, "{{ 1 }}")
    made.workers.seconds = 1
    yield made
    await made.close()


def attempt(**facts: object) -> Try:
    graph = Graph(SerializedDag("d", {"fileloc": "/nowhere/d.yaml", "tasks": [{"task_id": "t"}]}))
    given = {"try_number": 1, "max_tries": 0, "start_date": DATE, "run": 1, "run_id": "r",
             "run_type": "manual", "conf": {"k": [1]}}  # fmt: skip
    dates = "execution_date", "data_interval_start", "data_interval_end"
    known = dict.fromkeys((*dates, "logical_date", "prev_execution_date", "next_execution_date"), DATE)
    more = {"external_trigger": True, "run_start_date": None, "dates": known, **facts}
    return Try(home="h", key=Key("d", DATE, "t"), node=graph.nodes["t"], graph=graph, **given, **more)  # type: ignore[arg-type]


async def render(renderer: Renderer, text: str, **facts: object) -> object:
    return (await renderer.render(attempt(**facts), {"f": text, "g": "{{ 1 }}"}, ("f",)))["f"]


async def test_what_a_template_may_say(renderer: Renderer) -> None:
    """All that is known of the try comes with it; fields that are no templates stay as they are."""
    text = "{{ ds }} {{ execution_date }} {{ dag_run.conf.k[0] + 1 }} {{ run_id }} {{ dag.dag_id }} {{ task.task_id }}"
    assert await render(renderer, text) == "2024-01-01 2024-01-01T00:00:00+00:00 2 r d t"
    assert await render(renderer, "{{ ti.xcom_pull('a')['v'] }}", xcoms={("a", "return_value"): {"v": 7}}) == "7"
    assert (await renderer.render(attempt(), {"f": "x", "g": "{{ 1 }}"}, ("f",))) == {"f": "x", "g": "{{ 1 }}"}


async def test_conf_overrides_params(renderer: Renderer) -> None:
    """As in Airflow 2: whoever triggers a run chooses what the params of this run are."""
    task = {"task_id": "t", "params": {"shop": "berlin", "limit": 3}}
    graph = Graph(SerializedDag("d", {"fileloc": "/nowhere/d.yaml", "tasks": [task]}))
    text = "{{ params.shop }} {{ params.limit }}"
    for conf, expected in (({"shop": "hamburg"}, "hamburg 3"), (None, "berlin 3"), (["x"], "berlin 3")):
        made = dataclasses.replace(attempt(), graph=graph, node=graph.nodes["t"], conf=conf)
        assert (await renderer.render(made, {"f": text}, ("f",)))["f"] == expected


async def test_a_template_that_runs_away(renderer: Renderer) -> None:
    """It fails when its time is over, while others are rendered beside it; its process is gone."""
    process = renderer.workers.idle[0]
    endless = asyncio.create_task(render(renderer, ENDLESS))
    await until(lambda: process not in renderer.workers.idle)
    renderer.workers.seconds = 10
    assert await render(renderer, "{{ 1 + 1 }}") == "2"
    with pytest.raises(TaskFailed, match="took longer than"):
        await endless
    assert not Path(f"/proc/{process.pid}").exists()
    assert process not in renderer.workers.idle


async def test_a_template_whose_task_is_ended(renderer: Renderer) -> None:
    """Its process ends with it, and never answers another task."""
    process = renderer.workers.idle[0]
    renderer.workers.seconds = 60
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await render(renderer, ENDLESS)
    assert not Path(f"/proc/{process.pid}").exists()
    assert await render(renderer, "{{ 1 + 1 }}") == "2"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{{ 'x' * 10 ** 10 }}", "MemoryError"),
        (
            "{% set x = [[0] * 10 ** 6] %}{% for i in range(99999) %}{% set _ = x.append(x[0] * 1) %}{% endfor %}",
            "Memory",
        ),
        ("{{ 'x' * 2 ** 21 }}", "more than 1048576 bytes"),
        ("{% for i in range(10 ** 9) %}{% endfor %}", "Range too big"),
    ],
)
async def test_a_template_that_takes_too_much(renderer: Renderer, text: str, reason: str) -> None:
    """It fails; the next one does not notice."""
    renderer.workers.seconds = 100
    with pytest.raises(TaskFailed, match=reason):
        await render(renderer, text)
    assert await render(renderer, "{{ 1 + 1 }}") == "2"


async def test_a_process_that_is_killed(renderer: Renderer) -> None:
    """The next template has another one."""
    process = renderer.workers.idle[0]
    await process.kill()
    renderer.workers.seconds = 10
    assert await render(renderer, "{{ 1 + 1 }}") == "2"


async def test_no_secret_is_in_its_environment(renderer: Renderer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections and passwords of the scheduler's environment stay there."""
    monkeypatch.setenv("AIRFLOW_CONN_X", "http://user:secret@host")
    await renderer.close()
    renderer.workers.seconds = 10
    assert await render(renderer, "{{ 1 + 1 }}") == "2"
    assert b"secret" not in Path(f"/proc/{renderer.workers.idle[0].pid}/environ").read_bytes()


async def test_many_at_once(renderer: Renderer) -> None:
    """More than there are processes wait for each other; nobody gets the answer of another."""
    renderer.workers.seconds = 100
    texts = [f"{{{{ {n} * 2 }}}}" for n in range(200)]
    assert await asyncio.gather(*(render(renderer, text) for text in texts)) == [str(n * 2) for n in range(200)]
    assert len(renderer.workers.idle) <= 4
    assert all(Path(f"/proc/{process.pid}").exists() for process in renderer.workers.idle)
