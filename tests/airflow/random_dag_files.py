"""Random DAG files for Windsock and for dag-factory: groups, `defaults.yml`, variables, typed values, joined texts."""

import random
from typing import Any, NamedTuple

import yaml

from tests.scheduling import BASH, EMPTY

Mapping = dict[str, Any]
OWNERS = ["ann", "bob", "cay"]
VARIABLES = {"WS_OWNER": "dora", "WS_RETRIES": "7", "WS_TAGS": "[x, y]", "WS_WORD": "a word", "WS_EMPTY": ""}
AIRFLOW_VARIABLES = {"AIRFLOW_VAR_QUEUE": "fast", "AIRFLOW_VAR_OWNER": "eve"}


TEXTS: list[object] = [
    "plain",
    "$WS_WORD",
    "${WS_WORD}s",
    "$WS_NONE",
    "$WS_EMPTY.",
    {"__join__": ["a-", "$WS_OWNER", 1]},
    {"__join__": [{"__join__": ["x", "y"]}, "z"]},
    {"__or__": ["a", "b"]},
    {"__and__": ["a", {"__or__": ["b", "c"]}]},
]


class Case(NamedTuple):
    """Files by their paths below a folder, and variables; `dag.yaml` in some folder is the file that is read."""

    files: dict[str, str]
    environment: dict[str, str]

    @property
    def path(self) -> str:
        """Where the DAG file is."""
        return next(path for path in self.files if path.endswith("dag.yaml"))


def random_case(seed: int) -> Case:
    """Draw a file with its surroundings."""
    draw = random.Random(seed)  # noqa: S311 - a test that can be repeated
    folder = draw.choice(["", "a/", "a/b/"])
    names = ["defaults.yml", "a/defaults.yaml", "a/defaults.yml", "a/b/defaults.yml"]
    files = {name: _dump(_level(draw)) for name in names if draw.random() < 0.4}
    body: Mapping = {f"dag{n}": _dag(draw) for n in range(draw.randint(1, 2))}
    if draw.random() < 0.5:
        body = {"default": _level(draw) | _maybe(draw, 0.2, tasks=_tasks(draw, [])), **body}
    files[f"{folder}dag.yaml"] = _dump(body)
    return Case(files, VARIABLES | AIRFLOW_VARIABLES)


def _dump(body: Mapping) -> str:
    # Variables stand without quotes, so that what they become is read as YAML.
    text: str = yaml.safe_dump(body, sort_keys=False)
    return text.replace("'$WS_TAGS'", "$WS_TAGS")


def _maybe(draw: random.Random, chance: float, **pair: object) -> Mapping:
    return pair if draw.random() < chance else {}


def _level(draw: random.Random) -> Mapping:
    """Draw what `default` and a `defaults.yml` may have."""
    return (
        _maybe(draw, 0.6, default_args=_options(draw))
        | _maybe(draw, 0.3, max_active_runs=draw.randint(1, 9))
        | _maybe(draw, 0.3, params=_params(draw))
        | _maybe(draw, 0.3, tags=draw.choice([["p"], ["q", "p"], "$WS_TAGS"]))
        | _maybe(draw, 0.3, description=_text(draw))
    )


def _params(draw: random.Random) -> Mapping:
    param = {"__type__": "airflow.models.param.Param", "default": 5}
    return {name: draw.choice([1, "two", param]) for name in draw.sample("abc", draw.randint(1, 3))}


def _text(draw: random.Random) -> object:
    return draw.choice(TEXTS)


def _options(draw: random.Random) -> Mapping:
    delay: Mapping = {"__type__": "datetime.timedelta", **draw.choice([{"minutes": 3}, {"__args__": [0, 30]}])}
    return (
        _maybe(draw, 0.5, owner=draw.choice([*OWNERS, "$WS_OWNER"]))
        | _maybe(draw, 0.4, retries=draw.choice([0, 1, 2, "$WS_RETRIES"]))
        | _maybe(draw, 0.3, queue=draw.choice(["q1", "q2"]))
        | _maybe(draw, 0.3, pool=draw.choice(["p1", "p2"]))
        | _maybe(draw, 0.3, retry_delay=delay)
    )


def _dag(draw: random.Random) -> Mapping:
    groups = [f"g{n}" for n in range(draw.choice([0, 1, 3, 5]))]
    return {
        "schedule": "None",
        **_maybe(draw, 0.9, default_args=_options(draw)),
        **_level(draw),
        "task_groups": _groups(draw, groups),
        "tasks": _tasks(draw, groups),
    }


def _groups(draw: random.Random, names: list[str]) -> object:
    groups = {}
    for n, name in enumerate(names):
        before = names[:n]
        groups[name] = (
            {"tooltip": f"about {name}"}
            | (_maybe(draw, 0.5, parent_group_name=draw.choice(before)) if before else {})
            | _maybe(draw, 0.3, default_args=_options(draw))
            | (_maybe(draw, 0.4, dependencies=_some(draw, before)) if before else {})
            | _maybe(draw, 0.2, prefix_group_id=True)
            | _maybe(draw, 0.1, ui_color="red")
        )
    if draw.random() < 0.4:
        order = draw.sample(names, len(names))
        return [{"group_name": name, **groups[name]} for name in order]
    return {name: groups[name] for name in draw.sample(names, len(names))}


def _some(draw: random.Random, names: list[str]) -> list[str]:
    return draw.sample(names, draw.randint(1, min(2, len(names))))


def _tasks(draw: random.Random, groups: list[str]) -> object:
    names = [f"t{n}" for n in range(draw.randint(1, 8))]
    tasks: Mapping = {}
    for n, name in enumerate(names):
        before = names[:n] + [group for group in groups if draw.random() < 0.07]
        command = {"operator": BASH, "bash_command": _text(draw)} if draw.random() < 0.5 else {"operator": EMPTY}
        variable = {"variable": draw.choice(["queue", "OWNER", "none"]), "attribute": draw.choice(["queue", "owner"])}
        tasks[name] = (
            command
            | _options(draw)
            | (_maybe(draw, 0.7, task_group_name=draw.choice(groups)) if groups else {})
            | (_maybe(draw, 0.7, dependencies=_some(draw, before)) if before else {})
            | _maybe(draw, 0.1, variables_as_arguments=[variable])
            | _maybe(draw, 0.2, params=_params(draw))
        )
    order = draw.sample(names, len(names)) if draw.random() < 0.5 else names
    if draw.random() < 0.5:
        return [{"task_id": name, **tasks[name]} for name in order]
    return {name: tasks[name] for name in order}
