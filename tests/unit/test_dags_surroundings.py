"""What a DAG file says together with its `defaults.yml` files, variables, expressions and typed values."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from server.standalone.dags.parsing import Answer, Request, read_file
from server.standalone.dags.variables import environment_for_files
from tests.unit.test_dags_plan import BASH

DAG = {"one": {"tasks": {"t": {"operator": BASH, "bash_command": "x"}}}}


def read(folder: Path, body: object, name: str = "a/file.yaml", **environ: str) -> Answer:
    """Write the DAG file, as YAML or as it stands, and read it."""
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(body if isinstance(body, str) else yaml.safe_dump(body))
    return read_file(Request(str(file), str(folder), "", environment_for_files(environ)))


def task(answer: Answer) -> dict[str, Any]:
    """Return the serialized first task of a file without problems."""
    assert answer.file is not None, answer.problems
    fields: dict[str, Any] = yaml.safe_load(answer.file.rows[0].data)["dag"]["tasks"][0]
    return fields


def notes(answer: Answer) -> str:
    """Return the notes of the first DAG of a file without problems."""
    assert answer.file is not None, answer.problems
    return "\n".join(answer.file.rows[0].notes)


def test_the_nearest_defaults_win(tmp_path: Path) -> None:
    """Below the DAG and `default`; in `default_args` key by key, in other keys as a whole, with all tags."""
    (tmp_path / "a").mkdir()
    far = {"default_args": {"owner": "far", "queue": "far", "pool": "far"}, "tags": ["far"], "description": "far"}
    near = {"default_args": {"owner": "near", "queue": "near"}, "tags": ["near"]}
    (tmp_path / "defaults.yml").write_text(yaml.safe_dump(far))
    (tmp_path / "a" / "defaults.yaml").write_text(yaml.safe_dump(near))
    answer = read(tmp_path, {"default": {"default_args": {"owner": "block"}, "description": "block"}, **DAG})
    assert {key: task(answer)[key] for key in ("owner", "queue", "pool")} == {
        "owner": "block",
        "queue": "near",
        "pool": "far",
    }
    assert answer.file is not None
    assert (answer.file.rows[0].tags, answer.file.rows[0].description) == (["far", "near"], "far")


def test_defaults_elsewhere_do_not_count(tmp_path: Path) -> None:
    """Neither those above the DAG folder nor those of another folder; of two beside each other, `.yml` counts."""
    folder = tmp_path / "dags"
    (folder / "b").mkdir(parents=True)
    for file, owner in (("defaults.yml", "above"), ("dags/b/defaults.yml", "other"), ("dags/defaults.yaml", "second")):
        (tmp_path / file).write_text(f"default_args: {{owner: {owner}}}")
    assert task(read(folder, DAG))["owner"] == "second"
    (folder / "defaults.yml").write_text("default_args: {owner: first}")
    assert task(read(folder, DAG))["owner"] == "first"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("default_args:\n  retries: many", "{file}:2: `retries`"),
        ("tags: [1]", "{file}:1: `tags`"),
        ("default_args: [1]", "{file}:1: `default_args`"),
        ("x: [", "{file}:2: not valid YAML"),
        ("[]", "{file}:1: it must be a mapping"),
        ("tags: [a]\nmax_active_runs: 0", "{file}:2: `max_active_runs`"),
    ],
)
def test_mistakes_in_defaults_name_that_file(tmp_path: Path, text: str, problem: str) -> None:
    """File and line of the defaults, in the problem of the DAG file; it is read again when that file changes."""
    defaults = tmp_path / "defaults.yml"
    defaults.write_text(text)
    answer = read(tmp_path, DAG)
    assert problem.format(file=defaults) in answer.problems[0].text
    assert answer.problems[0].line is None
    file = str(tmp_path / "a" / "file.yaml")
    again = read_file(Request(file, str(tmp_path), answer.digest, environment_for_files({})))
    assert (again.file, list(again.problems)) == (None, [])
    defaults.write_text("{}")
    assert read_file(Request(file, str(tmp_path), answer.digest, environment_for_files({}))).file is not None


def test_variables_are_put_in_before_yaml_is_read(tmp_path: Path) -> None:
    """So they may be numbers and lists; what is not set stays, as with os.path.expandvars."""
    task_text = f"{{operator: {BASH}, bash_command: '$A ${{A}}b $NO ${{NO:-1}} $1 $$'}}"
    text = f"one:\n  tags: $TAGS\n  default_args: {{retries: ${{N}}}}\n  tasks:\n    t: {task_text}"
    answer = read(tmp_path, text, TAGS="[x, y]", N="3", A="é")
    assert task(answer)["retries"] == 3
    assert task(answer)["bash_command"] == "é éb $NO ${NO:-1} $1 $$"
    assert answer.file is not None
    assert (answer.file.rows[0].tags, answer.file.source) == (["x", "y"], text)


def test_what_may_be_secret_is_not_put_in(tmp_path: Path) -> None:
    """By its name or its value; nor what has several lines. The notes name the variables, and no value."""
    secret = {"API_KEY": "s3cret", "DB_PASSWORD": "s3cret", "URL": "x://u:s3cret@h", "AIRFLOW_VAR_TOKEN": "s3cret"}
    names = " ".join(f"${name}" for name in (*secret, "LINES"))
    variables = [{"variable": "token", "attribute": "queue"}]
    fields = {"operator": BASH, "bash_command": names, "variables_as_arguments": variables}
    answer = read(tmp_path, {"one": {"tasks": {"t": fields}}}, LINES="a\nb", **secret)
    assert task(answer)["bash_command"] == names
    assert "s3cret" not in str(answer)
    for name in ("$API_KEY", "$DB_PASSWORD", "$URL", "the Variable 'token'"):
        assert f"{name} is not" in notes(answer)
    assert "$LINES is not replaced by its value: it has several lines" in notes(answer)


def test_airflow_variables_become_arguments(tmp_path: Path) -> None:
    """They are texts, and win over what the task says; one that has no value changes nothing."""
    pairs = [("my_queue", "queue"), ("Tries", "retries"), ("none", "owner")]
    variables = [{"variable": variable, "attribute": attribute} for variable, attribute in pairs]
    fields = {"operator": BASH, "bash_command": "x", "owner": "o", "queue": "q", "variables_as_arguments": variables}
    answer = read(tmp_path, {"one": {"tasks": {"t": fields}}}, AIRFLOW_VAR_MY_QUEUE="fast", AIRFLOW_VAR_TRIES="4")
    assert [task(answer)[key] for key in ("queue", "retries", "owner")] == ["fast", 4, "o"]
    assert "the Variable 'none' has no value: set AIRFLOW_VAR_NONE" in notes(answer)
    fields["variables_as_arguments"] = ["x"]
    assert "`variable` and `attribute`" in read(tmp_path, {"one": {"tasks": {"t": fields}}}).problems[0].text


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("!join [a, 1, !join [b, true]]", "a1bTrue"),
        ("{__join__: [a, 2020-01-01]}", "a2020-01-01"),
        ("!or [a, !and [b, c]]", "(a | (b & c))"),
        ("!and []", "()"),
    ],
)
def test_expressions(tmp_path: Path, written: str, value: object) -> None:
    """As tags of older releases of dag-factory, and as the keys of today's."""
    text = f"one:\n  tasks:\n    t: {{operator: {BASH}, bash_command: {written}}}"
    assert task(read(tmp_path, text))["bash_command"] == value


def test_expressions_of_numbers_and_mistakes(tmp_path: Path) -> None:
    """Numbers are combined bit by bit; what is no list is refused with its line."""
    body = f"one:\n  default_args: {{retries: !or [1, 2]}}\n  tasks: {{t: {{operator: {BASH}, bash_command: x}}}}"
    assert task(read(tmp_path, body))["retries"] == 3
    (problem,) = read(tmp_path, body.replace("!or [1, 2]", "{__or__: 1}")).problems
    assert problem == (2, "`__or__` must be a list")
    (problem,) = read(tmp_path, body.replace("!or [1, 2]", "!nor [1, 2]")).problems
    assert problem == (2, "the tag !nor is not supported")
    (problem,) = read(tmp_path, body.replace("!or [1, 2]", "!or {a: b}")).problems
    assert problem == (2, "the tag !or is for a list: !or [a, b]")


def test_typed_values(tmp_path: Path) -> None:
    """Dates and durations by pendulum's names too, and lists; an object replaces another one as a whole."""
    fields = {
        "operator": "my.Operator",
        "at": {"__type__": "pendulum.datetime", "year": 2024, "month": 1, "day": 31, "tz": "UTC"},
        "wait": {"__type__": "pendulum.duration", "hours": 1},
        "all": {"__type__": "builtins.list", "items": [{"__type__": "datetime.timedelta", "minutes": 1}]},
    }
    answer = read(tmp_path, {"one": {"tasks": {"t": fields}}})
    assert [task(answer)[key] for key in ("at", "wait", "all")] == ["2024-01-31T00:00:00+00:00", 3600.0, [60.0]]
    assert notes(answer) == ""
    params = [
        {"a": {"__type__": "airflow.models.param.Param", **rest}} for rest in ({"default": 1}, {"type": "string"})
    ]
    answer = read(tmp_path, {"default": {"params": params[0]}, "one": {**DAG["one"], "params": params[1]}})
    assert task(answer)["params"] == {"a": None}


def test_what_is_put_in_is_bounded(tmp_path: Path) -> None:
    """A long value that is used often does not fill the memory."""
    (problem,) = read(tmp_path, "x: " + "$A " * 10_000, A="a" * 10_000).problems
    assert "are longer than" in problem.text
