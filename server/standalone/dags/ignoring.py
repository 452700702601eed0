"""`.airflowignore`: the files that must not be loaded."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath

from pathspec import GitIgnoreSpec

_COMMENT = re.compile(r"\s*#.*")


def ignored(files: Iterable[str], folder: str, ignores: Mapping[str, str], syntax: str) -> list[str]:
    """Return those of the files that are ignored; `ignores` has the text of each ignore file by its folder.

    `regexp`: as in Airflow 1.10 and 2, a pattern is searched in the path below the DAG folder. `glob`: as in a
    `.gitignore`. Patterns apply to the files below the folder of their ignore file. A line that is not a valid pattern
    has no effect.
    """
    judges = sorted((PurePath(place), _JUDGES[syntax](text, PurePath(folder))) for place, text in ignores.items())
    return [file for file in files if _is_ignored(PurePath(file), judges)]


# Given a path and the folder of the ignore file, says whether the path is ignored; None: it says nothing about it.
_Judge = Callable[[PurePath, PurePath], bool | None]


def _is_ignored(file: PurePath, judges: Sequence[tuple[PurePath, _Judge]]) -> bool:
    said = (judge(file, place) for place, judge in judges if place in file.parents)
    # The nearest ignore file decides.
    return next((word for word in reversed([word for word in said if word is not None])), False)


def _by_expressions(text: str, folder: PurePath) -> _Judge:
    patterns = list(_expressions(text))
    return lambda file, _: any(pattern.search(str(file.relative_to(folder))) for pattern in patterns) or None


def _expressions(text: str) -> Iterator[re.Pattern[str]]:
    for line in text.splitlines():
        if pattern := _COMMENT.sub("", line).strip():
            try:
                yield re.compile(pattern)
            except (re.error, OverflowError, RecursionError):
                continue


def _by_globs(text: str, _folder: PurePath) -> _Judge:
    try:
        spec = GitIgnoreSpec.from_lines(_COMMENT.sub("", line) for line in text.splitlines())
    except (ValueError, re.error):
        return lambda _file, _place: None
    return lambda file, place: spec.check_file(file.relative_to(place)).include


_JUDGES: dict[str, Callable[[str, PurePath], _Judge]] = {"regexp": _by_expressions, "glob": _by_globs}
