"""Makes a try of a row of the database: what is known about a task, its run, and when that runs."""

from typing import Any

import asyncpg

from server.standalone.scheduler.context import Try
from server.standalone.scheduler.graph import Graph
from server.standalone.scheduler.run_dates import dates_of_run
from server.standalone.scheduler.store import Key
from server.wire.pickles import UnsafePickleError, is_cheap, is_linear, load_conf


def read_try(graph: Graph, key: Key, row: asyncpg.Record) -> Try | None:
    """Return the try in a row of `Store.own_tries` or `CallbackFacts.last_try`; None if its DAG has no such task."""
    if key.task_id not in graph.nodes:
        return None
    conf, problem = _conf(row["conf"])
    return Try(
        home=row["home"],
        key=key,
        node=graph.nodes[key.task_id],
        graph=graph,
        try_number=row["try_number"],
        max_tries=row["max_tries"],
        start_date=row["start_date"],
        run=row["run"],
        run_id=row["run_id"],
        run_type=row["run_type"],
        conf=conf,
        conf_problem=problem,
        external_trigger=bool(row["external_trigger"]),
        run_start_date=row["run_start_date"],
        dates=dates_of_run(graph, row),
    )


def _conf(data: bytes | None) -> tuple[Any, str]:
    """The conf, or None and why it is not read."""
    if data is None:
        return None, ""
    try:
        if is_cheap(data) or is_linear(data):
            return load_conf(data), ""
    except UnsafePickleError as error:
        return None, str(error)
    return None, "a pickle that may take any time to read"
