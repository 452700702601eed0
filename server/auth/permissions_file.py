"""Makes data of the permissions file: which roles there are, and who has them.

Its sections are `roles` (a name and its permissions), and `users`, `principals`, `realms`, `tokens` (a name and its
roles). All faults of a file are reported together, each with its line. What is not understood is refused, so that
nobody has more than the file says.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from server.auth.permissions import ACTIONS, RESOURCES, ROLES, Grant, Permission, Resource, RoleGrant
from server.wire.dag_patterns import DagPattern, check_dag_pattern, dag_pattern
from server.wire.document import Document, DocumentError, Path, Problem, read_document, shortened, suggestion
from windsock.text import count

HOLDERS = ("users", "principals", "realms", "tokens")
SECTIONS = ("roles", *HOLDERS)
MAX_DAGS = 1000
MAX_PROBLEMS = 100
_GRANT_KEYS = ("role", "dags")
_LONGEST_ROLE, _LONGEST_NAME = 64, 512
_LISTED = 20
# Airflow's own spelling for some of the DAGs, and for their runs.
_OF_A_DAG = {"DAG": Resource.DAGS, "DAG Run": Resource.RUNS}
# As Kerberos writes it: the realm follows the last @ that is not escaped by a backslash.
_PRINCIPAL = re.compile(r"(?:[^@\\]|\\.)+@[^@]+")
_REALM = re.compile(r"[^@]+")


@dataclass(frozen=True, slots=True)
class PermissionsFile:
    """What a permissions file says: the roles that it defines, and by section and name the roles that somebody has."""

    roles: Mapping[str, tuple[Grant, ...]] = field(default_factory=dict)
    holders: Mapping[str, Mapping[str, tuple[RoleGrant, ...]]] = field(default_factory=dict)

    def role(self, name: str) -> tuple[Grant, ...] | None:
        """Return what a role gives, one of the file or a built-in one; None if there is no such role."""
        return (Grant(ROLES[name]),) if name in ROLES else self.roles.get(name)

    def given(self, section: str, name: str) -> tuple[RoleGrant, ...]:
        """Return the roles of a holder, () if the file does not name it."""
        return self.holders.get(section, {}).get(name, ())

    def summary(self) -> str:
        """Say in a few words what is in it."""
        numbers = {"role": len(self.roles)} | {name[:-1]: len(self.holders.get(name, ())) for name in HOLDERS}
        return ", ".join(count(number, name) for name, number in numbers.items())


def parse_permissions(raw: bytes) -> PermissionsFile:
    """Read the content of a permissions file; raises DocumentError with all that is wrong in it."""
    try:
        reader = _Reader(read_document(raw))
    except DocumentError as error:
        if error.rest is None:
            raise
        reader = _Reader(error.rest, error.problems)
    found = PermissionsFile()
    with suppress(_TooMany):
        found = reader.read()
    if reader.problems:
        raise DocumentError(*sorted(reader.problems, key=lambda problem: problem.line or 0))
    return found


class _Refused(Exception):
    """A value is wrong; `path` leads to it."""

    def __init__(self, path: Path, text: str) -> None:
        super().__init__(text)
        self.path = path
        self.text = text


class _TooMany(Exception):
    """The report is long enough."""


class _Reader:
    """Reads the sections, and keeps what is wrong in them."""

    def __init__(self, document: Document, problems: Sequence[Problem] = ()) -> None:
        self.problems = list(problems)
        self._document = document
        # What stands in these lines could not be read, so there is nothing else to say about it.
        self._incomplete = frozenset(problem.line for problem in problems)
        self._roles: dict[str, tuple[Grant, ...]] = {}
        # In the order in which messages list them; there may be thousands.
        self._names = dict.fromkeys(ROLES)

    def read(self) -> PermissionsFile:
        data = self._document.data
        with self._noting():
            if not isinstance(data, dict):
                raise _Refused((), f"expected a mapping with the keys {', '.join(SECTIONS)}")
            for name in data:
                with self._noting():
                    if name not in SECTIONS:
                        raise _Refused((name,), f"unknown key `{shortened(name)}`{suggestion(name, SECTIONS)}")
            for name, value in self._section("roles"):
                self._roles[name] = self._permissions(name, value)
                self._names[name] = None
            holders = {
                section: {name: self._held(section, name, value) for name, value in self._section(section)}
                for section in HOLDERS
            }
            return PermissionsFile(self._roles, holders)
        return PermissionsFile()

    @contextmanager
    def _noting(self) -> Iterator[None]:
        """Note a refusal, and go on after the block."""
        try:
            yield
        except _Refused as refused:
            line = self._document.line(refused.path)
            if line not in self._incomplete:
                self.problems.append(Problem(line, refused.text))
            if len(self.problems) >= MAX_PROBLEMS:
                self.problems.append(Problem(line, "too many mistakes: the rest is not read"))
                raise _TooMany from None

    def _section(self, section: str) -> Iterator[tuple[str, Any]]:
        """Yield the names of a section and what stands below them; a section may be empty."""
        found = self._document.data.get(section)
        with self._noting():
            if not isinstance(found, dict | None):
                raise _Refused((section,), f"`{section}`: expected a mapping of names, not {_shown(found)}")
        for name, value in (found if isinstance(found, dict) else {}).items():
            with self._noting():
                _check_name(section, name)
            yield name, value

    def _permissions(self, role: str, value: object) -> tuple[Grant, ...]:
        """Read what a role gives; permissions for the same DAGs share a grant."""
        everywhere: set[Permission] = set()
        some: defaultdict[Permission, list[str]] = defaultdict(list)
        for path, item in _items(("roles", role), value):
            with self._noting():
                permission, dag = _permission(path, item)
                if dag is None:
                    everywhere.add(permission)
                else:
                    some[permission].append(dag)
        grants = defaultdict(set)
        for permission, dags in some.items():
            grants[dag_pattern(dags)].add(permission)
        limited = [Grant(frozenset(permissions), (dags,)) for dags, permissions in grants.items()]
        return (Grant(frozenset(everywhere)), *limited) if everywhere else tuple(limited)

    def _held(self, section: str, name: str, value: object) -> tuple[RoleGrant, ...]:
        """Read the roles that somebody has."""
        found = []
        for path, item in _items((section, name), value):
            with self._noting():
                found.append(self._role_grant(path, item))
        return tuple(dict.fromkeys(found))

    def _role_grant(self, path: Path, item: object) -> RoleGrant:
        if not isinstance(item, dict):
            return RoleGrant(self._role_name(path, item))
        for key in item:
            with self._noting():
                if key not in _GRANT_KEYS:
                    raise _Refused((*path, key), f"unknown key `{shortened(key)}`{suggestion(key, _GRANT_KEYS)}")
        if "role" not in item:
            raise _Refused(path, "`role` is missing: expected {role: NAME, dags: [DAG_ID, ...]}")
        role = self._role_name((*path, "role"), item["role"])
        return RoleGrant(role, self._dags((*path, "dags"), item["dags"]) if "dags" in item else None)

    def _dags(self, path: Path, value: object) -> DagPattern:
        items = list(_items(path, value))
        if not 0 < len(items) <= MAX_DAGS:
            raise _Refused(path, f"`dags`: expected 1 to {MAX_DAGS} dag_ids and patterns")
        found = []
        for place, item in items:
            with self._noting():
                found.append(_dag(place, item))
        return dag_pattern(found)

    def _role_name(self, path: Path, value: object) -> str:
        if not isinstance(value, str):
            raise _Refused(path, f"expected a role ({_listed(self._names)}), not {_shown(value)}")
        if value not in self._names:
            hint = suggestion(value, self._names) or f"; there are {_listed(self._names)}"
            raise _Refused(path, f"unknown role `{shortened(value)}`{hint}")
        return value


def _items(path: Path, value: object) -> Iterator[tuple[Path, object]]:
    """Yield the items of a list, or a single value, each with its path."""
    if isinstance(value, list):
        yield from (((*path, index), item) for index, item in enumerate(value))
    else:
        yield path, value


def _listed(names: Collection[str]) -> str:
    return ", ".join([*map(shortened, islice(names, _LISTED)), *(["..."] if len(names) > _LISTED else [])])


def _check_name(section: str, name: str) -> None:
    path = (section, name)
    limit = _LONGEST_ROLE if section == "roles" else _LONGEST_NAME
    if not name.isprintable() or name != name.strip() or not 0 < len(name) <= limit:
        raise _Refused(path, f"a name in `{section}` has 1 to {limit} printable characters, without blanks around them")
    match section:
        case "roles" if name.casefold() in map(str.casefold, ROLES):
            raise _Refused(path, f"the role `{name}` is built in, and cannot be changed: choose another name")
        case "principals" if not _PRINCIPAL.fullmatch(name):
            raise _Refused(path, f"`{shortened(name)}` is no Kerberos principal: expected NAME@REALM")
        case "realms" if not _REALM.fullmatch(name):
            raise _Refused(path, f"`{shortened(name)}` is no Kerberos realm: expected a name such as EXAMPLE.COM")


def _permission(path: Path, value: object) -> tuple[Permission, str | None]:
    """Read a permission, and the DAG or pattern for which it counts, None for all."""
    if not isinstance(value, str):
        raise _Refused(path, f"expected a permission such as `can_read on DAGs`, not {_shown(value)}")
    action, on, resource = value.partition(" on ")
    if not on:
        raise _Refused(path, f"`{shortened(value)}`: expected ACTION on RESOURCE, such as `can_read on DAGs`")
    if action not in ACTIONS:
        hint = suggestion(action, ACTIONS) or f"; there are {', '.join(ACTIONS)}"
        raise _Refused(path, f"unknown action `{shortened(action)}`{hint}")
    kind, colon, dag = resource.partition(":")
    if colon and kind in _OF_A_DAG:
        return Permission(action, _OF_A_DAG[kind]), _dag(path, dag)
    if resource not in RESOURCES:
        known = sorted(RESOURCES)
        hint = suggestion(resource, known) or f"; there are {', '.join(known)}, DAG:<dag_id> and DAG Run:<dag_id>"
        raise _Refused(path, f"unknown resource `{shortened(resource)}`{hint}")
    return Permission(action, resource), None


def _dag(path: Path, value: object) -> str:
    if not isinstance(value, str):
        raise _Refused(path, f"expected a dag_id, or a pattern such as `etl_*`, not {_shown(value)}")
    try:
        return check_dag_pattern(value)
    except ValueError as error:
        raise _Refused(path, f"`{shortened(value)}`: {error}") from None


def _shown(value: object) -> str:
    """Describe a value that is not what is wanted."""
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    shown = f"`{shortened(str(value))}`"
    return shown if isinstance(value, str) else f"{shown}: on, off, yes, no, dates and numbers are texts only in quotes"
