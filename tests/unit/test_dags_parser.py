"""DAG files in worker processes, real ones: what one file may take, and that the others do not wait for it."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
import structlog

from server.standalone.dags.errors import DagFileError
from server.standalone.dags.folder import scan_folder
from server.standalone.dags.parser import Parsed, Parser
from server.standalone.dags.serialize import DagFile
from tests.dag_files import BAD

GOOD = "one: {tasks: {t: {operator: a.B}}}"


@pytest.fixture
async def parser(tmp_path: Path) -> AsyncIterator[Parser]:
    """Make one for an empty folder."""
    made = Parser(tmp_path, "regexp")
    yield made
    await made.close()


async def read(parser: Parser, folder: Path, patience: float | None = None) -> Mapping[str, Parsed]:
    """Read all files of the folder; by name."""
    parsed = await parser.read(scan_folder(folder).files, {}, patience)
    return {Path(file).name: one for file, one in parsed.items()}


async def test_bad_files_concern_no_other(parser: Parser, tmp_path: Path) -> None:
    """Each of them is refused with a reason, also the one that needs more memory than there is; the good one loads."""
    for name, raw in BAD.items():
        (tmp_path / f"{name}.yaml").write_bytes(raw)
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    results = {name: one.result for name, one in (await read(parser, tmp_path)).items()}
    assert isinstance(results.pop("good.yaml"), DagFile)
    assert results.keys() == {f"{name}.yaml" for name in BAD}
    assert [name for name, result in results.items() if not isinstance(result, DagFileError)] == []


async def test_time_is_bounded(tmp_path: Path) -> None:
    """A file that takes too long is refused for now: it may have been the machine that was busy."""
    parser = Parser(tmp_path, "regexp", seconds=0.05)
    (tmp_path / "slow.yaml").write_bytes(BAD["circle"])
    (one,) = (await read(parser, tmp_path)).values()
    await parser.close()
    assert isinstance(one.result, DagFileError)
    assert "took longer" in str(one.result)
    assert not one.lasting


async def test_nobody_waits_for_a_file_that_takes_long(parser: Parser, tmp_path: Path) -> None:
    """It is not among the results, and is there another time; read once, however often it is asked for."""
    (tmp_path / "slow.yaml").write_bytes(BAD["circle"])
    assert await read(parser, tmp_path, patience=0) == {}
    (first,) = (await read(parser, tmp_path)).values()
    assert (await read(parser, tmp_path))["slow.yaml"] is first


async def test_known_content_is_not_tried_again(parser: Parser, tmp_path: Path) -> None:
    """A bad file that is touched, or copied, costs next to nothing."""
    (tmp_path / "bad.yaml").write_text("x: [")
    files = scan_folder(tmp_path).files
    (file,) = files
    first = (await parser.read(files, {}, None))[file]
    parser.done(file)
    again = (await parser.read(files, {file: first.digest}, None))[file]
    assert (first.result is None, again.result) == (False, None)


async def test_secrets_are_not_filled_into_paths(
    parser: Parser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a file says is shown by the API; a path may have variables in it, but not those that hold a secret."""
    monkeypatch.setenv("CODE", "/srv/code")
    monkeypatch.setenv("AIRFLOW__CORE__SQL_ALCHEMY_CONN", "postgresql://u:hidden@h/d")
    path = "python_callable_name: f, python_callable_file: $CODE/$AIRFLOW__CORE__SQL_ALCHEMY_CONN/f.py"
    operator = "airflow.operators.python.PythonOperator"
    (tmp_path / "a.yaml").write_text(f"one: {{tasks: {{t: {{operator: {operator}, {path}}}}}}}")
    (one,) = (await read(parser, tmp_path)).values()
    assert isinstance(one.result, DagFile)
    assert "/srv/code/$AIRFLOW__CORE__SQL_ALCHEMY_CONN/f.py" in one.result.rows[0].data


async def test_an_ignore_file_that_takes_too_long_fails_alone(tmp_path: Path) -> None:
    """The others count, and it is not waited for again each time that a file is added."""
    parser = Parser(tmp_path, "regexp", seconds=2)
    team = tmp_path / "team"
    team.mkdir()
    for file in (tmp_path / "b.yaml", team / "c.yaml", team / f"{'a' * 60}!.yaml"):
        file.write_text(GOOD)
    (tmp_path / ".airflowignore").write_text("^b")
    (team / ".airflowignore").write_text("(a+)+$")
    with structlog.testing.capture_logs() as logs:
        found = await parser.without_ignored(scan_folder(tmp_path))
        (team / "d.yaml").write_text(GOOD)
        more = await parser.without_ignored(scan_folder(tmp_path))
    await parser.close()
    assert {Path(file).name[0] for file in found.files} == {"a", "c"}
    assert {Path(file).name[0] for file in more.files} == {"a", "c", "d"}
    assert [log["folder"] for log in logs] == [str(team)]


async def test_ignore_files_are_bounded(tmp_path: Path) -> None:
    """An expression that never ends counts for nothing, and stops nothing."""
    parser = Parser(tmp_path, "regexp", seconds=0.5)
    (tmp_path / ("a" * 60 + "!.yaml")).write_text(GOOD)
    (tmp_path / "b.yaml").write_text(GOOD)
    (tmp_path / ".airflowignore").write_text("^(a+)+$")
    assert len((await parser.without_ignored(scan_folder(tmp_path))).files) == 2
    (tmp_path / ".airflowignore").write_text("^b")
    assert len((await parser.without_ignored(scan_folder(tmp_path))).files) == 1
    await parser.close()
