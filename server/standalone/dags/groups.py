"""Task groups: how they nest, the ids of their tasks, and the defaults that these inherit."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from server.standalone.dags.callbacks import with_callbacks
from server.standalone.dags.section import Section
from server.standalone.dags.spec import GROUP_KEYS, TASK_OPTIONS, GroupOptions, GroupPlan, TaskOptions
from server.wire.document import shortened, suggestion

_DEEPEST = 20
# Airflow's rules for the name of a group: stricter if it becomes a part of ids.
_LONGEST_NAME = 200
_PREFIX = re.compile(r"[\w-]+")
_WANTED = "a list of groups, each with a `group_name`, or a mapping of names to groups"


@dataclass
class Groups:
    """The groups of a DAG by their names, in the order of the file."""

    plans: dict[str, GroupPlan] = field(default_factory=dict)
    default_args: dict[str | None, Section] = field(default_factory=dict)
    """What the tasks of a group inherit: from the group, those around it, and the DAG. None: from the DAG alone."""

    def around(self, name: str | None) -> Iterator[GroupPlan]:
        """Yield the group and those around it, the innermost first."""
        while name is not None:
            yield self.plans[name]
            name = self.plans[name].parent

    def child_id(self, parent: str | None, name: str) -> str:
        """Return the id of a task or group that is directly within the parent."""
        return self.plans[parent].child_id(name) if parent is not None else name


def plan_groups(dag: Section, default_args: Section, folder: Path) -> Groups:
    """Return the DAG's groups; `folder` is that of the file. Raises DagFileError."""
    bodies = dag.child("task_groups", _WANTED)
    groups = Groups(default_args={None: default_args})
    for name, parent in _outermost_first(bodies):
        body = bodies.child(name)
        options = body.without(GROUP_KEYS).convert(GroupOptions)
        _check_name(body, name, options)
        own = with_callbacks(body.child("default_args"), folder).as_default_args()
        own.only(TASK_OPTIONS).convert(TaskOptions)
        inherited = groups.default_args[parent]
        groups.default_args[name] = own.over(inherited, inherited.data.keys())
        dependencies = body.names("dependencies")
        group_id = groups.child_id(parent, name)
        groups.plans[name] = GroupPlan(
            name=name, group_id=group_id, parent=parent, options=options, dependencies=dependencies
        )
    groups.plans = {name: groups.plans[name] for name in bodies.data}
    return groups


def _check_name(body: Section, name: str, options: GroupOptions) -> None:
    if not 0 < len(name) <= _LONGEST_NAME or (options.prefix_group_id and not _PREFIX.fullmatch(name)):
        text = f"the name of a group has letters, digits, '-' and '_', at most {_LONGEST_NAME}; not {shortened(name)!r}"
        body.fail(None, text)


def _outermost_first(bodies: Section) -> list[tuple[str, str | None]]:
    """Return each group's name and that of the group around it."""
    parents: dict[str, str | None] = {}
    for name in bodies.data:
        body = bodies.child(name)
        parents[name] = parent = body.data.get("parent_group_name")
        if parent is not None and (not isinstance(parent, str) or parent not in bodies.data):
            text = f"group {name!r} is within {shortened(str(parent))!r}, which is not a group"
            body.fail("parent_group_name", text + suggestion(str(parent), bodies.data.keys()))
    try:
        order = list(TopologicalSorter({name: [p] if p else [] for name, p in parents.items()}).static_order())
    except CycleError as error:
        bodies.fail(error.args[1][0], f"the groups are within each other: {' -> '.join(error.args[1][:10])}")
    depths: dict[str | None, int] = {None: 0}
    for name in order:
        depths[name] = depths[parents[name]] + 1
        if depths[name] > _DEEPEST:
            bodies.fail(name, f"task groups are nested deeper than {_DEEPEST} levels")
    return [(name, parents[name]) for name in order]
