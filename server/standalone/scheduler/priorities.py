"""The priorities of all tasks of a DAG at once: sums over the tasks that each reaches, even for thousands of tasks."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from server.database.serialized import SerializedDag


def total_weights(dag: SerializedDag, order: Sequence[str]) -> dict[str, int]:
    """Return the `priority_weight_total` of every task by its id; `order` has upstream tasks before each task.

    Sets of tasks are bits of a number. Walking the DAG from each task would take minutes for thousands of tasks.
    """
    own = {task_id: int(task.get("priority_weight")) for task_id, task in dag.tasks.items()}
    rules = {task_id: task.get("weight_rule") for task_id, task in dag.tasks.items()}
    bits = {task_id: 1 << place for place, task_id in enumerate(order)}
    # The tasks whose weight contains this power of two.
    having: dict[int, int] = defaultdict(int)
    for task_id, weight in own.items():
        for power in range(abs(weight).bit_length()):
            if abs(weight) >> power & 1:
                having[(1 << power) if weight > 0 else -(1 << power)] |= bits[task_id]
    above = _reached(order, dag.upstream, bits)
    below = _reached(reversed(order), dag.downstream, bits)
    totals = {}
    for task_id in order:
        if rules[task_id] == "absolute":
            totals[task_id] = own[task_id]
        else:
            among = above[task_id] if rules[task_id] == "upstream" else below[task_id]
            totals[task_id] = own[task_id] + sum(part * (tasks & among).bit_count() for part, tasks in having.items())
    return totals


def _reached(order: Iterable[str], edges: Mapping[str, Sequence[str]], bits: Mapping[str, int]) -> dict[str, int]:
    """Return the tasks that each task reaches along `edges`; in `order` the end of an edge comes before its start."""
    reached: dict[str, int] = {}
    for task_id in order:
        reached[task_id] = 0
        for other in edges[task_id]:
            reached[task_id] |= bits[other] | reached[other]
    return reached
