"""The priorities of all tasks of a DAG at once: sums over what is reached from each, of thousands of tasks too."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from server.metadata.serialized import SerializedDag


def total_weights(dag: SerializedDag, order: Sequence[str]) -> dict[str, int]:
    """`priority_weight_total` of every task, by its id; `order` has those above a task before it.

    Sets of tasks are the bits of a number. To walk the DAG from each task anew takes minutes where there are thousands.
    """
    own = {task_id: int(task.get("priority_weight")) for task_id, task in dag.tasks.items()}
    rules = {task_id: task.get("weight_rule") for task_id, task in dag.tasks.items()}
    bits = {task_id: 1 << place for place, task_id in enumerate(order)}
    # The tasks whose weight has this power of two in it.
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
    """The tasks that can be reached from each along `edges`; those that an edge leads to come first in `order`."""
    reached: dict[str, int] = {}
    for task_id in order:
        reached[task_id] = 0
        for other in edges[task_id]:
            reached[task_id] |= bits[other] | reached[other]
    return reached
