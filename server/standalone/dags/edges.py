"""Turns the `dependencies` of tasks and groups into edges between tasks, as Airflow 2 does it.

A group stands for its last tasks where something waits for it, and for its first tasks where it waits itself. As in
Airflow, these are the first and last ones at that moment: the dependencies are taken in the order of the file, those of
tasks before those of groups.
"""

from collections.abc import Collection, Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from server.standalone.dags.groups import Groups
from server.standalone.dags.section import Section
from server.standalone.dags.spec import GroupPlan, TaskPlan
from server.wire.document import shortened, suggestion

# At most this many tasks of a circle are named.
_SHOWN = 10
_MOST_EDGES = 100_000


class Edges:
    """The edges of a DAG; tasks and groups are found by the names that they have in the file."""

    def __init__(self, dag: Section, tasks: Mapping[str, TaskPlan], groups: Groups) -> None:
        self._dag = dag
        self._tasks = tasks
        self._groups = groups.plans
        self._count = 0
        self._members: dict[str, dict[str, TaskPlan]] = {name: {} for name in groups.plans}
        for task in tasks.values():
            for group in groups.around(task.group):
                self._members[group.name][task.task_id] = task

    def draw(self) -> None:
        """Fill in what is upstream and downstream of each task and group. Raises DagFileError, also for a circle."""
        for task in self._tasks.values():
            for name in task.dependencies:
                self._connect("tasks", task.name, name)
        for group in self._groups.values():
            for name in group.dependencies:
                self._connect("task_groups", group.name, name)
        self._refuse_circle()

    def notes(self) -> list[str]:
        """Return a note about each group that something waits for although no task is in it."""
        waited_for = {name for task in self._tasks.values() for name in task.dependencies}
        waited_for |= {name for group in self._groups.values() for name in group.dependencies}
        return [
            f"no task is in the group {shortened(name)!r}: what depends on it waits for nothing, as in Airflow"
            for name, members in self._members.items()
            if not members and name in waited_for
        ]

    def _connect(self, key: str, below: str, above: str) -> None:
        if above not in self._tasks and above not in self._groups:
            self._refuse_name(key, below, above)
        first = self._ends(below, downstream=False)
        if below in self._groups:
            self._note_of_group(self._groups[below], above)
        for task in first:
            last = self._ends(above, downstream=True)
            self._count += len(last)
            if self._count > _MOST_EDGES:
                self._dag.fail(key, f"a DAG has at most {_MOST_EDGES} dependencies between tasks", below)
            for other in last:
                task.upstream.add(other.task_id)
                other.downstream.add(task.task_id)
            if above in self._groups:
                self._groups[above].downstream_tasks.add(task.task_id)

    def _ends(self, name: str, *, downstream: bool) -> list[TaskPlan]:
        """Return the task of this name, or a group's last (`downstream`) or first tasks."""
        if name in self._tasks:
            return [self._tasks[name]]
        members = self._members[name]
        neighbours: Iterable[tuple[TaskPlan, Collection[str]]]
        neighbours = ((task, task.downstream if downstream else task.upstream) for task in members.values())
        return [task for task, ids in neighbours if members.keys().isdisjoint(ids)]

    def _note_of_group(self, group: GroupPlan, above: str) -> None:
        if above in self._groups:
            group.upstream_groups.add(self._groups[above].group_id)
            self._groups[above].downstream_groups.add(group.group_id)
        else:
            group.upstream_tasks.add(self._tasks[above].task_id)

    def _refuse_name(self, key: str, below: str, above: str) -> None:
        what = "task" if key == "tasks" else "group"
        by_id = next((task.name for task in self._tasks.values() if task.task_id == above), None)
        text = f"{what} {below!r} depends on {shortened(above)!r}, which is not a task"
        text += " or a group" if self._groups else ""
        hint = f": write its name without the group, {by_id!r}" if by_id else suggestion(above, self._tasks.keys())
        self._dag.child(key).child(below).fail("dependencies", text + hint)

    def _refuse_circle(self) -> None:
        names = {task.task_id: task.name for task in self._tasks.values()}
        try:
            TopologicalSorter({task.task_id: sorted(task.upstream) for task in self._tasks.values()}).prepare()
        except CycleError as error:
            circle = error.args[1]
            shown = circle if len(circle) <= _SHOWN else [*circle[:_SHOWN], "..."]
            text = f"the tasks wait for each other in a circle: {' -> '.join(shown)}"
            self._dag.child("tasks").fail(names[circle[0]], text)
