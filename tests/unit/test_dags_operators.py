import re

import msgspec
import pytest

from server.standalone.dags.operators import (
    BASH,
    HTTP,
    OPERATORS,
    PYTHON,
    HttpArguments,
    PythonArguments,
    find_operator,
    operator_of_task,
)


@pytest.mark.parametrize("path", sorted(OPERATORS))
def test_every_spelling_leads_to_one_operator(path: str) -> None:
    """A task that was written under any path is found again by its canonical type and module."""
    operator = find_operator(path)
    assert operator_of_task(operator.module, operator.name) is operator
    assert re.fullmatch(r"#[0-9a-f]{3,6}", operator.ui_color)


@pytest.mark.parametrize("operator", {operator.name: operator for operator in OPERATORS.values()}.values())
def test_templated_fields_are_arguments(operator: msgspec.Struct) -> None:
    """Whatever is templated is something that the operator takes."""
    if operator.arguments:  # type: ignore[attr-defined]
        assert set(operator.template_fields) <= set(operator.arguments.__struct_fields__)  # type: ignore[attr-defined]


def test_old_and_new_paths_are_the_same() -> None:
    """1.10's, 2.x's and the providers' paths name the same operators."""
    assert find_operator("airflow.operators.bash_operator.BashOperator") is BASH
    assert find_operator("airflow.providers.standard.operators.bash.BashOperator") is BASH
    assert find_operator("airflow.operators.python.PythonOperator") is PYTHON
    assert find_operator("airflow.providers.http.operators.http.HttpOperator") is HTTP


def test_unknown_operators_are_named_not_imported() -> None:
    """A class that nobody knows gets Airflow's plain colours, and cannot be run."""
    operator = find_operator("no.such.module.Operator")
    assert (operator.module, operator.name) == ("no.such.module", "Operator")
    assert (operator.ui_color, operator.ui_fgcolor, operator.template_fields) == ("#fff", "#000", ())
    assert not operator.runnable


@pytest.mark.parametrize("path", ["", "BashOperator", "a..b", "a.b c", ".a", "a.b()", "os.system;", "1.2"])
def test_paths_that_are_none(path: str) -> None:
    """What is no dotted path is refused."""
    with pytest.raises(ValueError, match="class path"):
        find_operator(path)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"python_callable_file": "f.py"},
        {"python_callable_name": "go"},
        {"python_callable": "m.f", "python_callable_file": "f.py", "python_callable_name": "go"},
    ],
)
def test_python_needs_one_callable(arguments: dict[str, str]) -> None:
    """Neither none nor half of one nor two."""
    with pytest.raises(msgspec.ValidationError, match="python_callable"):
        msgspec.convert(arguments, PythonArguments)


def test_defaults_are_airflows() -> None:
    """What Airflow's constructors fill in is filled in."""
    assert msgspec.convert({"python_callable": "m.f"}, PythonArguments).op_args == []
    assert msgspec.convert({}, HttpArguments).http_conn_id == "http_default"
