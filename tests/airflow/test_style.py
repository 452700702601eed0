"""Every answer is written in one style, the one of Python's json.dumps: callers compare texts and guess Latin-1."""

import json
from collections.abc import Iterator
from urllib.parse import quote

import aiohttp
import asyncpg
import pytest

from server.database import statements
from tests.airflow.schemas import FOLDER, RELEASES, generation_of
from tests.airflow.serving import prepare
from tests.live import live_server

# What writers of JSON write differently, an escape that looks like half of a pair, and what ends lines in JavaScript.
ODD = '\u017c\u00f3\u0142w "quoted" \\ \\ud83d </script> \x01\x1f\x7f\x80\t\n\r\b\f \u2028\ufeff\uffff \U0001f600/:'
SHORT = '\u017c"\\\x7f\U0001f600'
RUN = "2021-01-01T00:01:00"
HERE = quote(ODD, safe="")


PATHS = f"""
/test /openapi.json /dags /dags?limit=1 /latest_runs /pools /pools/{HERE} /pools/nope /nope /{HERE}
/dags/d/dag_runs /dags/d/dag_runs?limit=3 /dags/d/dag_runs?order_by=-execution_date /dags/d/dag_runs?limit=x
/dags/d/dag_runs/{RUN} /dags/d/dag_runs/{RUN}/tasks/t /dags/d/dag_runs/{RUN}/tasks/t/logs /dags/d/tasks /dags/d/tasks/t
/dags/d/paused /dags/d/paused/true /dags/d/paused/{HERE} /dags/{HERE}/dag_runs /dags/{HERE}/paused /dags/{HERE}/code
/dags/d/dag_runs/{HERE} /dags/{HERE}/dag_runs/{RUN} /dags/d/dag_runs/{RUN}/tasks/{HERE} /dags/d/tasks/{HERE}
""".split()
BODIES: tuple[tuple[str, object], ...] = (
    ("/session", None),
    ("/test", None),
    ("/dags/d/dag_runs", {}),
    ("/dags/d/dag_runs", {"run_id": ODD, "execution_date": "2031-01-01"}),
    ("/dags/d/dag_runs", {"run_id": ODD, "execution_date": "2031-01-02"}),
    ("/dags/d/dag_runs", {"run_id": "r", "execution_date": "2021-01-01T00:01"}),
    ("/dags/d/dag_runs", {"execution_date": ODD}),
    ("/dags/d/dag_runs", {"conf": ODD}),
    ("/dags/d/dag_runs", "run_id"),
    (f"/dags/{HERE}/dag_runs", {}),
    ("/pools", {"name": SHORT, "slots": 1, "description": ODD}),
    ("/pools", {"name": SHORT, ODD: 1}),
)


def requests() -> Iterator[tuple[str, str, object]]:
    """Every endpoint, in success and failure; what deletes comes last."""
    yield from (("GET", path, None) for path in PATHS)
    yield from (("POST", path, body) for path, body in BODIES)
    yield from (("PATCH", "/dags/d", {name: False}) for name in ("is_paused", ODD))
    for run in (RUN, f"run_id={HERE}"):
        yield from (
            ("POST", f"/dags/d/dag_runs/{run}/clear", body) for body in ({"dry_run": True}, {"task_ids": [ODD]})
        )
        yield from (("PATCH", f"/dags/d/dag_runs/{run}", {"state": state}) for state in (ODD, "success"))
        yield ("PATCH", f"/dags/d/dag_runs/{run}/tasks/{HERE}", {"state": "failed"})
    last = ("/session", f"/pools/{HERE}", "/pools/default_pool", f"/pools/{quote(SHORT)}", f"/dags/{HERE}", "/dags/d")
    yield from (("DELETE", path, None) for path in last)


async def make_odd(dsn: str) -> None:
    """Put odd texts into all columns that answers show, and more runs than are answered at once."""
    conn = await asyncpg.connect(dsn)
    columns = {row[0] for row in await conn.fetch(statements.load("catalogue.sql")["columns"])}
    runs = (FOLDER.parent / "seed" / "runs.sql").read_text("utf-8")
    runs = runs.replace("'run_' || n", f"n || $odd${ODD}$odd$", 1).replace("'success'", f"$odd${SHORT}$odd$")
    await conn.execute(statements.fit(runs, columns))
    await conn.execute("INSERT INTO dag_tag (name, dag_id) VALUES ($1, 'd')", ODD)
    schedule = next(name for name in ("timetable_summary", "schedule_interval") if f"dag.{name}" in columns)
    await conn.execute(f"UPDATE dag SET owners = $1::text, {schedule} = $1::text", ODD)
    instance = ", ".join(f"{name} = $1::text" for name in ("hostname", "operator", "pool", "queue", "unixname"))
    await conn.execute(f"UPDATE task_instance SET {instance}", SHORT)
    for pool in (ODD[:50], SHORT + "2"):
        more = ", include_deferred", ", false"
        more = more if "slot_pool.include_deferred" in columns else ("", "")
        await conn.execute(
            f"INSERT INTO slot_pool (pool, slots, description{more[0]}) VALUES ($1, 3, $2{more[1]})", pool, ODD
        )
    await conn.close()


@pytest.mark.parametrize("release", [*(RELEASES[0], *RELEASES[-1:]), "2.10.5"])
async def test_all_bodies_are_as_python_writes_them(empty_database: str, release: str, role: str) -> None:
    """Compact, keys sorted, ASCII with lower-case escapes, one newline at the end: errors and streams too."""
    dsn = await prepare(empty_database, release, role)
    await make_odd(empty_database)
    statuses = set[int]()
    async with live_server(dsn) as url, aiohttp.ClientSession() as session:
        targets = [(method, f"/api/experimental{path}", body) for method, path, body in requests()]
        for method, path, body in [("GET", "/health", None), *targets]:
            async with session.request(method, f"{url}{path}", json=body) as answer:
                assert answer.content_type == "application/json", path
                check_style(await answer.read(), f"{method} {path}")
                statuses.add(answer.status)
    assert statuses >= {200, 400, 404, 405}
    assert generation_of(release) in {1, 2, 3}


def check_style(body: bytes, where: str) -> None:
    """Fail unless the body is what json.dumps would make of it, and a newline."""
    expected = json.dumps(json.loads(body), sort_keys=True, separators=(",", ":")).encode() + b"\n"
    first = next((n for n, (one, other) in enumerate(zip(body, expected, strict=False)) if one != other), -1)
    assert body == expected, (where, body[max(0, first - 60) : first + 60])
