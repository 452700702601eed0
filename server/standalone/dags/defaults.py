"""The files `defaults.yml`, beside a DAG file and in the folders above it: where they are, and which value wins.

As with dag-factory: a DAG's own values win, then `default_args` of the block `default` and those of the defaults files,
the nearest first. For all other keys the defaults files win over the block `default`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from server.standalone.dags.errors import DagFileError
from server.standalone.dags.section import File, Section, merge, without_nulls
from server.wire.document import Document, Problem

_OWN_WAY = ("default_args", "tags")


def with_defaults(document: Document, files: Mapping[File, Document]) -> Document:
    """Add the defaults files to the document, each below its path. Raises DagFileError."""
    data, lines = dict(document.data), dict(document.lines)
    for file, other in files.items():
        if not isinstance(other.data, dict):
            raise DagFileError(Problem(None, f"{file}:1: it must be a mapping"))
        data[file] = other.data
        lines |= {(file, *path): line for path, line in other.lines.items()}
    return document._replace(data=data, lines=lines)


def dag_section(document: Document, dag_id: str, files: Sequence[File]) -> Section:
    """Return what a DAG has, its own and by default; `files` begin with the nearest."""
    places = ((dag_id,), *((file,) for file in files), ("default",))
    whole = Section(document, {}, places)
    default = dict(document.data.get("default") or {})
    levels = [document.data[file] for file in reversed(files)]
    if any("default_args" in level for level in levels):
        default["default_args"] = dict(_default_args(whole, [*levels, default]))
    own = _dag_level(whole, levels) | document.data[dag_id]
    return Section(document, without_nulls(merge(default, own)), places)


def default_args_of(dag: Section) -> Section:
    """Return the DAG's `default_args`; of their places, the block `default` comes before the files."""
    section = dag.child("default_args")
    return Section(section.document, section.data, tuple(sorted(section.places, key=_is_of_a_file)))


def _is_of_a_file(place: Sequence[object]) -> bool:
    return isinstance(place[0], File)


def _default_args(whole: Section, levels: Sequence[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    for level in levels:
        given = level.get("default_args") or {}
        if not isinstance(given, dict):
            whole.fail("default_args", "`default_args` must be a mapping")
        yield from given.items()


def _dag_level(whole: Section, levels: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the keys of all levels besides `default_args`, the last one first; tags come together."""
    merged = {key: value for level in levels for key, value in level.items() if key not in _OWN_WAY}
    tags: set[str] = set()
    for level in levels:
        given = level.get("tags") or []
        if not isinstance(given, list) or not all(isinstance(tag, str) for tag in given):
            whole.fail("tags", "`tags` must be a list of texts")
        tags.update(given)
    return merged | ({"tags": sorted(tags)} if any("tags" in level for level in levels) else {})
