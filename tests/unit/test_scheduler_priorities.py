"""Priorities of all tasks at once are those of each alone, also where there are thousands."""

import random
import time
from graphlib import TopologicalSorter

import pytest

from server.database.serialized import SerializedDag
from server.standalone.scheduler.graph import Graph
from server.standalone.scheduler.priorities import total_weights

RULES = ["downstream", "upstream", "absolute"]


@pytest.mark.parametrize("seed", range(30))
def test_totals_are_those_of_each_task(seed: int) -> None:
    """Random DAGs, weights and rules; what the API says of one task is what the scheduler goes by."""
    draw = random.Random(seed)  # noqa: S311 - a test that can be repeated
    count = draw.randint(1, 12)
    tasks = [
        {
            "task_id": f"t{n}",
            "_downstream_task_ids": [f"t{below}" for below in range(n + 1, count) if draw.random() < 0.3],
            "priority_weight": draw.choice([1, 1, 0, -3, 7, 2**31 - 1, -(2**31)]),
            "weight_rule": draw.choice(RULES),
        }
        for n in range(count)
    ]
    dag = SerializedDag("d", {"_dag_id": "d", "tasks": tasks})
    totals = total_weights(dag, list(TopologicalSorter(dag.upstream).static_order()))
    assert totals == {task_id: task.priority_weight_total for task_id, task in dag.tasks.items()}


def test_a_long_chain_takes_no_long_time() -> None:
    """It took more than half a minute of the scheduler, in which it did nothing else."""
    below = {n: [f"t{n + 1}"] for n in range(7999)}
    tasks = [{"task_id": f"t{n}", "_downstream_task_ids": below.get(n, []), "_task_type": "B"} for n in range(8000)]
    begin = time.process_time()
    graph = Graph(SerializedDag("d", {"_dag_id": "d", "tasks": tasks}))
    assert graph.nodes["t0"].priority_weight == 8000
    assert time.process_time() - begin < 10
