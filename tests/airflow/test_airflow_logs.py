"""The logs that an Airflow wrote are found by its templates, on every supported schema, with the grants."""

import os
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import asyncpg
import pytest

from tests.airflow.schemas import RELEASES, generation_of
from tests.airflow.serving import Api, prepare
from tests.live import live_server

DATE = "2024-02-03T04:05:06.789+00:00"
SHOWN = "2024-02-03T04:05:06.789000+00:00"
RUN_ID = "by_hand:1~x"
OLD = "{dag_id}/{task_id}/{run_id}/{try_number}.log"
NEW = (
    "dag_id={{ ti.dag_id }}/run_id={{ ti.run_id }}/task_id={{ ti.task_id }}/"
    "{% if ti.map_index >= 0 %}map_index={{ ti.map_index }}/{% endif %}"
    "attempt={{ try_number|default(ti.try_number) }}.log"
)


def name_of(generation: int, task_id: str, try_number: int, map_index: int = -1) -> str:
    """Where that generation writes the log by default."""
    if generation == 1:
        return f"d/{task_id}/{SHOWN}/{try_number}.log"
    mapped = f"map_index={map_index}/" if map_index >= 0 else ""
    return f"dag_id=d/run_id={RUN_ID}/task_id={task_id}/{mapped}attempt={try_number}.log"


def write(folder: Path, name: str, text: str) -> None:
    """Write a log as Airflow does."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


async def read(api: Api, path: str) -> tuple[int, str]:
    """Status and text; of an error its message."""
    async with aiohttp.ClientSession() as session, session.get(f"{api.url}/api/experimental{path}") as answer:
        if answer.status != 200:
            return answer.status, (await answer.json())["error"]
        return int(answer.headers["X-Try-Number"]), await answer.text()


async def add_instance(
    conn: "asyncpg.Connection[Any]", generation: int, *, state: str | None, tries: int, map_index: int = -1
) -> None:
    """Give the run an instance of `t` (`m` if it is mapped)."""
    task_id = "m" if map_index >= 0 else "t"
    columns: dict[str, object] = {"dag_id": "d", "task_id": task_id, "state": state, "try_number": tries}
    columns |= {"hostname": "worker-7", "pool": "default_pool", "pool_slots": 1}
    if generation == 1:
        columns["execution_date"] = await conn.fetchval("SELECT execution_date FROM dag_run WHERE run_id = $1", RUN_ID)
    else:
        columns |= {"run_id": RUN_ID, "map_index": map_index}
    if generation == 3:
        columns["id"] = await conn.fetchval("SELECT gen_random_uuid()")
    places = ", ".join(f"${place}" for place in range(1, len(columns) + 1))
    await conn.execute(
        f"INSERT INTO task_instance ({', '.join(columns)}) VALUES ({places})",
        *columns.values(),
    )


@pytest.mark.parametrize("release", RELEASES)
async def test_logs_are_found(empty_database: str, release: str, role: str, tmp_path: Path) -> None:
    """By date and run_id, for each try, for mapped tasks, by the run's own template; else the 404 says where it is."""
    generation = generation_of(release)
    dsn = await prepare(empty_database, release, role)
    conn = await asyncpg.connect(empty_database)
    if generation > 1:
        await conn.execute("DELETE FROM log_template")
        await conn.execute(
            "INSERT INTO log_template (id, filename, elasticsearch_id, created_at)"
            " VALUES (7, $1, '', now()), (9, $2, '', now())",
            OLD,
            NEW,
        )
    options = {"base_log_folder": str(tmp_path), "remote_logging": "True", "remote_base_log_folder": "s3://logs/x"}
    async with live_server(dsn, **options) as url, aiohttp.ClientSession() as session:
        api = Api(url, session)
        assert (await api.trigger(run_id=RUN_ID, execution_date=DATE))[0] == 200
        task = f"/dags/d/dag_runs/run_id={quote(RUN_ID, safe='')}/tasks/t"
        await conn.execute("DELETE FROM task_instance")
        status, error = await read(api, f"{task}/logs")
        assert status == 404
        assert f"Task t at date {SHOWN}: there is no log of any try: it has not begun" in error
        if generation == 3:
            await conn.execute("UPDATE dag_run SET logical_date = NULL")
            status, error = await read(api, f"{task}/logs")
            assert (status, "there is no log of any try: it has not begun" in error) == (404, True), error
            await conn.execute("UPDATE dag_run SET logical_date = $1", datetime.fromisoformat(DATE))
        await add_instance(conn, generation, state="failed", tries=2)
        name = name_of(generation, "t", 2)
        status, error = await read(api, f"{task}/logs")
        missing = (
            f"Task t at date {SHOWN}: there is no such log on this machine; its name is {name} below base_log_folder"
        )
        assert (status, error) == (404, f"{missing}, or below s3://logs/x; the task last ran on worker-7")
        for try_number in (1, 2):
            write(tmp_path, name_of(generation, "t", try_number), f"try {try_number}\n")
        assert await read(api, f"{task}/logs") == (2, "try 2\n")
        assert await read(api, f"{task}/logs?try_number=1&tail=2") == (1, "1\n")
        assert await read(api, f"/dags/d/dag_runs/{quote(DATE)}/tasks/t/logs") == (2, "try 2\n")
        assert (await read(api, f"{task}/logs?try_number=3"))[0] == 404
        # It has been rescheduled: some releases then count one try less.
        await conn.execute("UPDATE task_instance SET state = 'up_for_reschedule', try_number = 1")
        assert await read(api, f"{task}/logs") == (2, "try 2\n")
        if generation > 1:
            await conn.execute("UPDATE dag_run SET log_template_id = 7")
            assert await read(api, f"{task}/logs") == (2, "try 2\n")
            write(tmp_path, f"d/t/{RUN_ID}/2.log", "by the template of the run\n")
            assert await read(api, f"{task}/logs") == (2, "by the template of the run\n")
            await conn.execute("UPDATE dag_run SET log_template_id = 9")
            for index in (0, 1):
                await add_instance(conn, generation, state="success", tries=1, map_index=index)
                write(tmp_path, name_of(generation, "m", 1, index), f"element {index}\n")
            mapped = task.replace("tasks/t", "tasks/m")
            assert await read(api, f"{mapped}/logs?map_index=1") == (1, "element 1\n")
            assert await read(api, f"{mapped}/logs?map_index=0") == (1, "element 0\n")
    await conn.close()


HOSTILE = {
    "../secret": 403,
    "/etc/passwd": 403,
    "a//b": 403,
    "{dag_id.__class__.__mro__}": 404,
    "{dag_id:>9999999}": 404,
    "{{ ti.__class__.__mro__ }}": 404,
    "{{ cycler.__init__.__globals__ }}": 404,
    "{{ nothing }}": 404,
    "{{ 'x' * 9999 }}": 404,
    "{{ ": 404,
    "{nothing}": 404,
    "{": 404,
    "{{ dag_id }}/" + "x" * 300: 404,
    "{% for a in range(99999) %}{% for b in range(99999) %}{{ a }}{% endfor %}{% endfor %}": 503,
    "x" * 5000: 404,
    "link/t.log": 403,
    "folder": 403,
    "pipe": 403,
    "": 403,
}


async def test_templates_of_others(empty_database: str, role: str, tmp_path: Path) -> None:
    """No template and no link leads out of the folder, and one that never ends ends; others are answered meanwhile."""
    dsn = await prepare(empty_database, "3.3.2", role)
    conn = await asyncpg.connect(empty_database)
    (tmp_path / "logs" / "folder").mkdir(parents=True)
    write(tmp_path, "secret", "secret")
    (tmp_path / "logs" / "link").symlink_to(tmp_path)
    write(tmp_path, "t.log", "secret")
    os.mkfifo(tmp_path / "logs" / "pipe")
    async with live_server(dsn, base_log_folder=str(tmp_path / "logs")) as url, aiohttp.ClientSession() as session:
        api = Api(url, session)
        assert (await api.trigger(run_id=RUN_ID))[0] == 200
        await conn.execute("DELETE FROM task_instance")
        await add_instance(conn, 3, state="failed", tries=1)
        task = f"/dags/d/dag_runs/run_id={quote(RUN_ID, safe='')}/tasks/t"
        await conn.execute("DELETE FROM log_template WHERE id <> (SELECT log_template_id FROM dag_run)")
        for template, expected in HOSTILE.items():
            await conn.execute("UPDATE log_template SET filename = $1", template)
            status, error = await read(api, f"{task}/logs")
            assert status == expected, (template, error)
            assert "secret" not in error.replace("../secret", "")
        # A gigabyte takes longer than a template may, or not, as the machine has it.
        await conn.execute("UPDATE log_template SET filename = '{dag_id:>999999999}'")
        assert (await read(api, f"{task}/logs"))[0] in {404, 503}
    await conn.close()
