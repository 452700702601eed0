import os
from pathlib import Path

import pytest

from server.standalone.dags.errors import DagFileError
from server.standalone.dags.folder import scan_folder
from server.standalone.dags.parsing import Request, read_file
from server.standalone.dags.serialize import DagFile
from server.standalone.dags.variables import Environment

ROOT = Path(__file__).parents[2]


def names(folder: Path) -> set[str]:
    """Return the files found, relative to the folder."""
    return {str(Path(file).relative_to(folder)) for file in scan_folder(folder).files}


def read(file: Path | str) -> DagFile:
    """Read a file in this process. Raises DagFileError."""
    answer = read_file(Request(str(file), str(Path(file).parent), "", Environment()))
    if answer.file is None:
        raise DagFileError(*answer.problems)
    return answer.file


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
    (tmp_path / "itself.yaml").symlink_to("itself.yaml")
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
    rows = [row for file in scan_folder(ROOT / "dags").files for row in read(file).rows]
    assert {"example_bash_operator", "example_python_operator", "example_pipeline"} <= {row.dag_id for row in rows}
    assert [row.notes for row in rows if row.notes] == []


def test_the_broken_fixture_is_refused_at_its_line() -> None:
    """The fixture's only mistake is found where it is."""
    with pytest.raises(DagFileError) as caught:
        read(ROOT / "tests/fixtures/dags/broken.yaml")
    assert [problem.line for problem in caught.value.problems] == [9]


@pytest.mark.parametrize("name", ["folder.yaml", "pipe.yaml", "zero.yaml", "loop.yaml", "gone.yaml", "large.yaml"])
def test_files_that_cannot_be_used(tmp_path: Path, name: str) -> None:
    """A file that vanished, or is none, is a problem like any other; nobody waits for what never comes."""
    (tmp_path / "folder.yaml").mkdir()
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    (tmp_path / "large.yaml").touch()
    os.truncate(tmp_path / "large.yaml", 2**40)
    with pytest.raises(DagFileError):
        read(tmp_path / name)


def test_the_source_is_kept_without_its_mark(tmp_path: Path) -> None:
    """A byte order mark is not part of the text."""
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbf# \xc5\xbc\n")
    assert read(tmp_path / "a.yaml").source == "# ż\n"


def test_deep_folders(tmp_path: Path) -> None:
    """Folders may be nested as deep as paths are long."""
    deepest = tmp_path.joinpath(*["d"] * 400)
    deepest.mkdir(parents=True)
    (deepest / "a.yaml").touch()
    assert len(names(tmp_path)) == 1


def test_names_that_cannot_be_stored_are_left_out(tmp_path: Path) -> None:
    """One that is not UTF-8, or longer than the database keeps, concerns no other."""
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.yaml")).touch()
    deep = tmp_path.joinpath(*["d" * 250] * 5)
    deep.mkdir(parents=True)
    (deep / "b.yaml").touch()
    (tmp_path / "a.yaml").touch()
    scan = scan_folder(tmp_path)
    assert (names(tmp_path), len(scan.unusable), scan.complete) == ({"a.yaml"}, 2, True)


def test_a_file_has_changed_when_its_defaults_have(tmp_path: Path) -> None:
    """Defaults files are no DAG files; those beside and above a file are a part of its signature, others are not."""
    (tmp_path / "a").mkdir()
    files = [tmp_path / "a.yaml", tmp_path / "a" / "b.yaml"]
    for file in files:
        file.touch()
    seen = []
    for defaults in (None, tmp_path / "a" / "defaults.yml", tmp_path / "defaults.yaml"):
        if defaults:
            defaults.write_text("default_args: {}")
        assert names(tmp_path) == {"a.yaml", "a/b.yaml"}
        seen.append([scan_folder(tmp_path).files[str(file)] for file in files])
    assert seen[0][0] == seen[1][0] != seen[2][0]
    assert seen[0][1] != seen[1][1] != seen[2][1]


def test_content_that_is_known_to_be_bad_is_not_tried_again(tmp_path: Path) -> None:
    """What was refused is refused, whatever else of the file changed."""
    file = tmp_path / "a.yaml"
    file.write_text("x: [")
    first = read_file(Request(str(file), str(tmp_path), "", Environment()))
    assert first.problems
    again = read_file(Request(str(file), str(tmp_path), first.digest, Environment()))
    assert (again.file, list(again.problems)) == (None, [])
