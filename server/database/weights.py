"""Priority weights summed along a DAG, for all of its tasks at once."""

from collections.abc import Mapping
from graphlib import TopologicalSorter


def totals(weights: Mapping[str, int], edges: Mapping[str, list[str]]) -> dict[str, int]:
    """Return the weight of each task plus that of all tasks that can be reached from it along `edges`, each once.

    Sets of tasks are bits of whole numbers, so a DAG of thousands of tasks takes milliseconds. Raises
    graphlib.CycleError, a ValueError.
    """
    bit = {task_id: 1 << n for n, task_id in enumerate(weights)}
    of_weight: dict[int, int] = {}
    for task_id, weight in weights.items():
        of_weight[weight] = of_weight.get(weight, 0) | bit[task_id]
    reached: dict[str, int] = {}
    # The tasks that a task leads to come before it.
    for task_id in TopologicalSorter(edges).static_order():
        tasks = bit[task_id]
        for other in edges[task_id]:
            tasks |= reached[other]
        reached[task_id] = tasks
    return {
        task_id: sum(weight * (tasks & those).bit_count() for weight, those in of_weight.items())
        for task_id, tasks in reached.items()
    }
