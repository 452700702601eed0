"""The codes of errors: one closed set, which the description, the manual and the clients know."""

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from server import errors
from server.errors import WindsockError
from tests.contract import cases
from tests.description import Description
from windsock.client import old_servers
from windsock.protocol import Code

ROOT = Path(__file__).parents[2]
SOURCES = [path for room in ("server", "auth_backends") for path in (ROOT / room).rglob("*.py")]
CODES = {code.value for code in Code}


def _described() -> dict[str, set[str]]:
    """Return the codes of each response in openapi.json, by its status."""
    document = Description.read().document
    found: dict[str, set[str]] = {}
    for item in document["paths"].values():
        for operation in item.values():
            for status, response in operation["responses"].items():
                if status >= "400":
                    name = response.get("$ref", "").rpartition("/")[2]
                    schema = document["components"]["responses"].get(name, response)["content"]["application/json"]
                    code = schema["schema"]["properties"]["code"]
                    found.setdefault(status, set()).update(code.get("enum") or {code["const"]})
    return found


def _documented() -> Iterator[tuple[str, str]]:
    """Yield the codes in the manual's table, each with its statuses."""
    for line in (ROOT / "docs" / "callers.md").read_text().splitlines():
        if row := re.fullmatch(r"\| `(\w+)` \| ([\d, ]+) \| .+ \|", line):
            yield row[1], row[2]


def test_description_and_manual_have_all_codes() -> None:
    """Each code once, and in the manual with the statuses that the description has for it."""
    assert set(Description.read().document["components"]["schemas"]["ErrorCode"]["enum"]) == CODES
    documented = list(_documented())
    assert sorted(code for code, _ in documented) == sorted(CODES)
    described = _described()
    for code, statuses in documented:
        of_code = {status for status, codes_of_status in described.items() if code in codes_of_status}
        # No operation that is described answers these.
        silent = {"method_not_allowed", "expectation_failed", "not_supported"}
        assert statuses == ", ".join(sorted(of_code)) or code in silent, code


def test_every_code_is_answered_somewhere() -> None:
    """None is left over."""
    text = "".join(path.read_text() for path in SOURCES)
    assert [code for code in Code if f"Code.{code.name}" not in text] == []


def test_every_error_has_a_code() -> None:
    """By its class, or because whoever raises it must name one."""
    for _, error in inspect.getmembers(errors, inspect.isclass):
        if issubclass(error, WindsockError):
            named = inspect.signature(error).parameters.get("code")
            assert "code" in vars(error) or (named and named.default is named.empty) or error is errors.Locked, error
            assert isinstance(error.code, Code)


def test_answers_of_airflow_stand_for_codes() -> None:
    """The recorded errors of a real Airflow 1.10, which has no codes, are told apart all the same."""
    found = {
        code
        for case in cases.load()
        if case.airflow is not None and case.airflow.body.startswith('{"error":')
        if (code := old_servers.code_of(case.airflow.status, json.loads(case.airflow.body)["error"]))
    }
    assert found == {Code.RUN_EXISTS, Code.DAG_NOT_FOUND, Code.INVALID_DATE}


@pytest.mark.parametrize(
    ("status", "text", "code"),
    [
        (400, "Run id Dag id x not found already exists for dag id d\n", Code.RUN_EXISTS),
        (404, "Dag id a\nb not found in DagModel: its file cannot be loaded", Code.DAG_NOT_FOUND),
        (
            404,
            "Task t at date 2020-01-05T00:00:00+00:00: there is no log of try 2 on this machine",
            Code.LOG_NOT_FOUND,
        ),
        (404, "Not found: there is no such endpoint", Code.ENDPOINT_NOT_FOUND),
        (404, "Task Dag id x not found in dag d", None),
        (503, "Run id r already exists for dag id d", None),
    ],
)
def test_the_text_stands_for_a_code(status: int, text: str, code: str | None) -> None:
    """The whole of it is matched, so what it quotes is not taken for the text."""
    assert old_servers.code_of(status, text) == code
