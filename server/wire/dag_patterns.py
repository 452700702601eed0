"""Some DAGs: a set of dag_ids, and patterns in which `*` stands for any text."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

_LONGEST = 250
# The characters of a dag_id, in Airflow too, and the star.
_PATTERN = re.compile(rf"[\w.*-]{{1,{_LONGEST}}}")


class DagPattern(NamedTuple):
    """The DAGs with these ids, and those whose ids match one of the patterns."""

    ids: frozenset[str] = frozenset()
    patterns: tuple[str, ...] = ()

    def matches(self, dag_id: str) -> bool:
        """Whether the DAG is one of them."""
        return dag_id in self.ids or any(_matches(pattern, dag_id) for pattern in self.patterns)


class Readable(NamedTuple):
    """What a user who may not read all DAGs may read.

    A DAG is one of them if for each permission one of its grants says so; a grant names patterns, which all must match.
    """

    every: tuple[tuple[tuple[DagPattern, ...], ...], ...]

    def matches(self, dag_id: str) -> bool:
        """Whether the DAG is one of them; `dag_id` is that of the root, for a sub-DAG."""
        return all(any(all(one.matches(dag_id) for one in grant) for grant in grants) for grants in self.every)

    @property
    def candidates(self) -> DagPattern:
        """The DAGs among which they all are."""
        return _any_of(grant[0] for grant in self.every[0])


def readable(every: Iterable[Iterable[tuple[DagPattern, ...]]]) -> Readable:
    """Put together what a user may read: for each permission the grants that give it for some DAGs.

    Of thousands of grants for a DAG each it makes one, because whoever looks at a list asks for every DAG of it.
    """
    return Readable(tuple(dict.fromkeys(_merged(list(grants)) for grants in every)))


def _merged(grants: Sequence[tuple[DagPattern, ...]]) -> tuple[tuple[DagPattern, ...], ...]:
    alone = [grant[0] for grant in grants if len(grant) == 1]
    others = dict.fromkeys(grant for grant in grants if len(grant) > 1)
    return (*([(_any_of(alone),)] if alone else []), *others)


def _any_of(patterns: Iterable[DagPattern]) -> DagPattern:
    given = list(patterns)
    if len(given) == 1:
        return given[0]
    ids = frozenset[str]().union(*(one.ids for one in given))
    return DagPattern(ids, tuple(dict.fromkeys(pattern for one in given for pattern in one.patterns)))


def check_dag_pattern(text: str) -> str:
    """Return a dag_id or pattern; raises ValueError if no DAG can have such an id."""
    if not _PATTERN.fullmatch(text):
        message = f"expected a dag_id of at most {_LONGEST} letters, digits, `_`, `-` and `.`; `*` stands for any text"
        raise ValueError(message)
    return text


def dag_pattern(texts: Iterable[str]) -> DagPattern:
    """Read dag_ids and patterns."""
    given = list(texts)
    patterns = tuple(dict.fromkeys(text for text in given if "*" in text))
    return DagPattern(frozenset(text for text in given if "*" not in text), patterns)


def _matches(pattern: str, dag_id: str) -> bool:
    # A regular expression with several `.*` may take quadratic time and more; this takes the first place of each part.
    first, *middle, last = pattern.split("*")
    at, end = len(first), len(dag_id) - len(last)
    if at > end or not dag_id.startswith(first) or not dag_id.endswith(last):
        return False
    for part in middle:
        at = dag_id.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True
