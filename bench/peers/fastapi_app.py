"""FastAPI, uvicorn and asyncpg, the ordinary way: a pool, a query a request, models made of rows."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from urllib.parse import quote_plus

import asyncpg
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

API = "/api/experimental"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Hold the pool while the application runs."""
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=10, max_size=10) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)


class Trigger(BaseModel):
    """The body of a trigger."""

    run_id: str
    execution_date: datetime


def _url(dag_id: str, date: datetime) -> str:
    return f"/admin/airflow/graph?dag_id={quote_plus(dag_id)}&execution_date={quote_plus(str(date))}"


@app.get(f"{API}/test")
async def test() -> dict[str, str]:
    """Answer a constant."""
    return {"status": "OK"}


@app.get(f"{API}/pools/{{name}}")
async def pool(name: str) -> dict[str, Any]:
    """Answer one pool."""
    row = await app.state.pool.fetchrow("SELECT id, pool, slots, description FROM slot_pool WHERE pool = $1", name)
    if row is None:
        raise HTTPException(404)
    return dict(row)


@app.get(f"{API}/pools")
async def pools() -> list[dict[str, Any]]:
    """Answer every pool."""
    rows = await app.state.pool.fetch("SELECT id, pool, slots, description FROM slot_pool ORDER BY id")
    return [dict(row) for row in rows]


@app.get(f"{API}/dags/{{dag_id}}/dag_runs/{{date}}")
async def state(dag_id: str, date: datetime) -> dict[str, str]:
    """Answer a run's state."""
    query = "SELECT state FROM dag_run WHERE dag_id = $1 AND execution_date = $2"
    row = await app.state.pool.fetchrow(query, dag_id, date)
    if row is None:
        raise HTTPException(404)
    return dict(row)


@app.get(f"{API}/dags/{{dag_id}}/dag_runs/{{date}}/tasks/{{task_id}}")
async def task_instance(dag_id: str, date: datetime, task_id: str) -> dict[str, str]:
    """Answer a task instance's columns as texts."""
    query = "SELECT * FROM task_instance WHERE task_id = $1 AND dag_id = $2 AND execution_date = $3"
    row = await app.state.pool.fetchrow(query, task_id, dag_id, date)
    if row is None:
        raise HTTPException(404)
    return {name: str(value) for name, value in row.items()}


@app.get(f"{API}/dags/{{dag_id}}/dag_runs")
async def runs(dag_id: str) -> list[dict[str, Any]]:
    """Answer a DAG's runs."""
    query = (
        "SELECT dag_id, execution_date, id, run_id, start_date, state FROM dag_run"
        " WHERE dag_id = $1 ORDER BY execution_date"
    )
    rows = await app.state.pool.fetch(query, dag_id)
    return [{**row, "dag_run_url": _url(row["dag_id"], row["execution_date"])} for row in rows]


@app.get(f"{API}/latest_runs")
async def latest() -> dict[str, list[dict[str, Any]]]:
    """Answer each DAG's newest run."""
    rows = await app.state.pool.fetch("SELECT * FROM latest_runs()")
    return {"items": [{**row, "dag_run_url": _url(row["dag_id"], row["execution_date"])} for row in rows]}


@app.post(f"{API}/dags/{{dag_id}}/dag_runs")
async def trigger(dag_id: str, body: Trigger) -> dict[str, str]:
    """Insert a run."""
    query = (
        "INSERT INTO dag_run (dag_id, run_id, execution_date, state, external_trigger, start_date)"
        " VALUES ($1, $2, $3, 'running', true, now())"
    )
    await app.state.pool.execute(query, dag_id, body.run_id, body.execution_date)
    date = body.execution_date.isoformat()
    return {"execution_date": date, "run_id": body.run_id, "message": f"Created <DagRun {dag_id} @ {date}>"}
