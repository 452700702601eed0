"""Task groups as Airflow 2 serializes them: 1.10 has none. A DAG without groups has nothing of this."""

from typing import Any

from server.standalone.dags.spec import DagPlan, GroupOptions, GroupPlan

Serialized = dict[str, Any]


def task_group(plan: DagPlan) -> Serialized:
    """Return the group that has no name and contains everything else of the DAG."""
    root = _serialize(GroupPlan(name="", group_id="", parent=None, options=GroupOptions(), dependencies=[]))
    root["_group_id"] = None
    serialized: dict[str | None, Serialized] = {None: root} | {group.name: _serialize(group) for group in plan.groups}
    for group in plan.groups:
        serialized[group.parent]["children"][group.group_id] = ["taskgroup", serialized[group.name]]
    for task in plan.tasks:
        serialized[task.group]["children"][task.task_id] = ["operator", task.task_id]
    return root


def _serialize(group: GroupPlan) -> Serialized:
    options = group.options
    return {
        "_group_id": group.name,
        "prefix_group_id": options.prefix_group_id,
        "tooltip": options.tooltip,
        "ui_color": options.ui_color,
        "ui_fgcolor": options.ui_fgcolor,
        "children": {},
        "upstream_group_ids": sorted(group.upstream_groups),
        "downstream_group_ids": sorted(group.downstream_groups),
        "upstream_task_ids": sorted(group.upstream_tasks),
        "downstream_task_ids": sorted(group.downstream_tasks),
    }
