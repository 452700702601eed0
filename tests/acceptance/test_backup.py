"""Backup and restore of the embedded database of `windsock standalone`."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.acceptance.process import WINDSOCK, Standalone

RUNS = "dags/example_bash_operator/dag_runs"


def windsock_db(*arguments: str, folder: Path, code: int = 0, env: Mapping[str, str] | None = None) -> str:
    """Run `windsock db ...` there; what it says."""
    done = subprocess.run(
        [WINDSOCK, "db", *arguments], cwd=folder, env={**os.environ, **(env or {})}, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_the_embedded_database(tmp_path: Path) -> None:
    """Backed up while it serves and while it does not; restored while it does not, here and on another machine."""
    data_dir, file = tmp_path / ".windsock", str(tmp_path / "windsock.backup")
    config = {"AIRFLOW_CONFIG": str(data_dir / "commands.cfg")}
    with Standalone(data_dir) as windsock:
        windsock.paste()
        first = windsock.get(RUNS)
        assert "1 run" in windsock_db("backup", file, folder=tmp_path)
        assert "1 run" in windsock_db("backup", file, folder=tmp_path, env=config)
        for env in ({}, config):
            said = windsock_db("restore", "--force", file, folder=tmp_path, code=1, env=env)
            assert "windsock standalone" in said
            assert "stop it" in said
        windsock.paste()
    assert "2 runs" in windsock_db("backup", "later", folder=tmp_path)
    assert "2 runs" in windsock_db("restore", file, folder=tmp_path, code=1)
    assert "1 run" in windsock_db("restore", "--force", file, folder=tmp_path, env=config)
    other = tmp_path / "other"
    assert "2 runs" in windsock_db("restore", "--data-dir", str(other), "later", folder=tmp_path)
    with Standalone(data_dir) as windsock:
        assert [run["run_id"] for run in windsock.get(RUNS)] == [run["run_id"] for run in first]
        windsock.paste()
    with Standalone(other) as windsock:
        assert len(windsock.get(RUNS)) == 2


def test_no_database(tmp_path: Path) -> None:
    """Nothing is made where none is named; the message says how to name one."""
    for arguments in (("backup", "file"), ("restore", __file__)):
        said = windsock_db(*arguments, folder=tmp_path, code=1)
        assert "--data-dir" in said
        assert "sql_alchemy_conn" in said
    assert not any(tmp_path.iterdir())
