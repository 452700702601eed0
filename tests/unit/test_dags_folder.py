import os
from pathlib import Path

import pytest

from server.dags.document import DagFileError
from server.dags.folder import read_file, scan_folder

ROOT = Path(__file__).parents[2]


def names(folder: Path) -> set[str]:
    """Return the files found, relative to the folder."""
    return {str(Path(file).relative_to(folder)) for file in scan_folder(folder).files}


def test_finds_yaml_everywhere_below(tmp_path: Path) -> None:
    """Both suffixes, at any depth; nothing hidden, nothing else."""
    for name in ("a.yaml", "b.yml", "sub/deep/c.YAML", "d.py", "e.yaml.bak", ".hidden.yaml", ".git/f.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert names(tmp_path) == {"a.yaml", "b.yml", "sub/deep/c.YAML"}


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    """A mounted config map is a link into a hidden folder; a link to the parent is no new folder."""
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "a.yaml").touch()
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    (tmp_path / "dangling.yaml").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert names(tmp_path) == {"a.yaml"}
    assert scan_folder(tmp_path).complete


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    """A pipe or a folder with a fitting name is no DAG file; a pipe would never be read to its end."""
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "folder.yaml").mkdir()
    assert names(tmp_path) == set()


def test_a_missing_folder_is_no_empty_one(tmp_path: Path) -> None:
    """An unmounted folder must not look as if all files had been removed."""
    assert not scan_folder(tmp_path / "nowhere").complete
    assert scan_folder(tmp_path).complete


def test_a_change_changes_the_signature(tmp_path: Path) -> None:
    """Editing and replacing a file are both noticed."""
    file = tmp_path / "a.yaml"
    file.write_text("a")
    first = scan_folder(tmp_path).files
    file.write_text("ab")
    second = scan_folder(tmp_path).files
    other = tmp_path / "new"
    other.write_text("cd")
    os.utime(other, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    other.rename(file)
    assert len({str(first), str(second), str(scan_folder(tmp_path).files)}) == 3


def test_the_examples_load_without_notes() -> None:
    """Every file that ships in dags/ is in order, and runs nothing by a schedule."""
    rows = [row for file in scan_folder(ROOT / "dags").files for row in read_file(file).rows]
    assert {"example_bash_operator", "example_python_operator", "example_pipeline"} <= {row.dag_id for row in rows}
    assert [row.notes for row in rows if row.notes] == []


def test_the_broken_fixture_is_refused_at_its_line() -> None:
    """The fixture's only mistake is found where it is."""
    with pytest.raises(DagFileError) as caught:
        read_file(str(ROOT / "tests/fixtures/dags/broken.yaml"))
    assert [problem.line for problem in caught.value.problems] == [9]


@pytest.mark.parametrize("name", ["defaults.yml", "gone.yaml"])
def test_files_that_cannot_be_used(tmp_path: Path, name: str) -> None:
    """dag-factory's shared defaults, and a file that vanished, are problems like any other."""
    (tmp_path / "defaults.yml").write_text("default_args: {}")
    with pytest.raises(DagFileError):
        read_file(str(tmp_path / name))


def test_the_source_is_kept_without_its_mark(tmp_path: Path) -> None:
    """A byte order mark is not part of the text."""
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbf# \xc5\xbc\n")
    assert read_file(str(tmp_path / "a.yaml")).source == "# ż\n"
