"""What a user may do, in Airflow's words: an action on a resource, for all DAGs or for some of them.

The source of the words and of the rules is Airflow 2's REST API: what reads something of a DAG needs `can_read` on the
DAG and on that something; what changes it needs `can_edit` on the DAG, and the action itself on that something.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from server.wire.dag_patterns import DagPattern, Readable, readable


class Permission(NamedTuple):
    """An action on a resource, as the roles of Airflow name them."""

    action: str
    resource: str

    def __str__(self) -> str:
        """As Airflow's own pages and commands write it."""
        return f"{self.action} on {self.resource}"


class Resource:
    """The names of resources, as Airflow 2 has them."""

    DAGS = "DAGs"
    RUNS = "DAG Runs"
    TASKS = "Task Instances"
    LOGS = "Task Logs"
    CODE = "DAG Code"
    POOLS = "Pools"
    IMPORT_ERRORS = "ImportError"


ACTIONS = ("can_create", "can_read", "can_edit", "can_delete")
OF_DAGS = frozenset(
    {Resource.DAGS, Resource.RUNS, Resource.TASKS, Resource.LOGS, Resource.CODE, Resource.IMPORT_ERRORS}
)
"""Resources that belong to DAGs: a grant for some DAGs gives these alone."""
RESOURCES = OF_DAGS | {Resource.POOLS}


class Needs(NamedTuple):
    """The permissions that an endpoint needs: all of `every`, and one of `either` unless that is empty."""

    every: tuple[Permission, ...] = ()
    either: tuple[Permission, ...] = ()


NOTHING_MORE = Needs()
"""It is enough to be authenticated."""


def reads(*resources: str) -> Needs:
    """Need to read all of these."""
    return Needs(tuple(Permission("can_read", resource) for resource in resources))


def edits_dag(*more: Permission) -> Needs:
    """Need to edit the DAG, and `more`."""
    return Needs((Permission("can_edit", Resource.DAGS), *more))


def needs(action: str, resource: str) -> Needs:
    """Need a single permission."""
    return Needs((Permission(action, resource),))


RUN_CLEAR = Permission("can_clear", Resource.RUNS)
"""What the pages of Airflow 1.10 ask of those who clear or mark tasks; no other source of roles has it."""


class Grant(NamedTuple):
    """Permissions for all DAGs and everything else; or, if there are `dags`, for the DAGs that match all of these."""

    permissions: frozenset[Permission]
    dags: tuple[DagPattern, ...] = ()

    def gives(self, permission: Permission, dag_id: str | None) -> bool:
        """Whether it gives this permission for this DAG; None: for any."""
        if permission not in self.permissions:
            return False
        if not self.dags:
            return True
        if permission.resource not in OF_DAGS:
            return False
        return dag_id is None or all(one.matches(dag_id) for one in self.dags)

    def limited_to(self, dags: DagPattern | None) -> "Grant":
        """Return what is left of it if it counts for `dags` alone; None: for all."""
        return self if dags is None else Grant(self.permissions, (*self.dags, dags))


class RoleGrant(NamedTuple):
    """A role that somebody has, for all DAGs or for some."""

    role: str
    dags: DagPattern | None = None

    def __str__(self) -> str:
        """For people."""
        if self.dags is None:
            return self.role
        return f"{self.role} ({', '.join(sorted((*self.dags.ids, *self.dags.patterns)))})"


class Permissions:
    """All that one user may do."""

    __slots__ = ("_everywhere", "grants", "roles")

    def __init__(self, grants: Iterable[Grant], roles: Sequence[str] = ()) -> None:
        """Give `grants`, which come from `roles` (names, for people)."""
        self.roles = tuple(roles)
        self.grants = tuple(grants)
        self._everywhere = frozenset[Permission]().union(*(one.permissions for one in self.grants if not one.dags))

    def __or__(self, other: "Permissions") -> "Permissions":
        """Return what either gives."""
        return Permissions((*self.grants, *other.grants), tuple(dict.fromkeys((*self.roles, *other.roles))))

    def allows(self, permission: Permission, dag_id: str | None = None) -> bool:
        """Whether the user has the permission for this DAG; None: for everything, or at least for one DAG."""
        return permission in self._everywhere or any(one.gives(permission, dag_id) for one in self.grants)

    def missing(self, wanted: Needs, dag_id: str | None = None) -> Permission | None:
        """Return the first permission that the user lacks, None if there is none."""
        for one in wanted.every:
            if one not in self._everywhere and not self.allows(one, dag_id):
                return one
        if wanted.either and not any(self.allows(one, dag_id) for one in wanted.either):
            return wanted.either[0]
        return None

    def is_limited(self, wanted: Needs) -> bool:
        """Whether the user has one of these permissions for some DAGs alone."""
        return not self._everywhere.issuperset(wanted.every)

    def readable(self, wanted: Needs) -> Readable | None:
        """Return the DAGs for which the user has all of these permissions; None: for all."""
        limited = [one for one in wanted.every if one not in self._everywhere]
        if not limited:
            return None
        return readable((grant.dags for grant in self.grants if grant.gives(one, None)) for one in limited)

    def described(self) -> dict[str, object]:
        """Return `roles` and `permissions`, for people: each permission with its DAGs, None for all.

        `dags` are lists of dag_ids and patterns; a DAG must match one of each list.
        """
        found = {
            (str(permission), tuple(tuple(sorted((*one.ids, *one.patterns))) for one in grant.dags))
            for grant in self.grants
            for permission in grant.permissions
            if not grant.dags or permission.resource in OF_DAGS
        }
        # What counts for all DAGs need not be said again for some.
        whole = {permission for permission, dags in found if not dags}
        return {
            "roles": self.roles,
            "permissions": [
                {"permission": permission, "dags": dags or None}
                for permission, dags in sorted(found)
                if not dags or permission not in whole
            ],
        }


def given_by(roles: Iterable[tuple[RoleGrant, Iterable[Grant]]]) -> Permissions:
    """Return what roles give together: each with the grants of its name, limited to the DAGs for which it is held."""
    held = list(roles)
    grants = [grant.limited_to(each.dags) for each, granted in held for grant in granted]
    return Permissions(grants, list(dict.fromkeys(str(each) for each, _ in held)))


def _role(*permissions: tuple[Sequence[str], Iterable[str]]) -> frozenset[Permission]:
    return frozenset(
        Permission(f"can_{action}", resource)
        for actions, resources in permissions
        for action in actions
        for resource in resources
    )


_VIEWER = _role((("read",), RESOURCES))
_USER = _VIEWER | _role(
    (("edit", "delete"), (Resource.DAGS,)),
    (("create", "edit", "delete"), (Resource.RUNS, Resource.TASKS)),
)
_OP = _USER | _role((("create", "edit", "delete"), (Resource.POOLS,)))
_ADMIN = frozenset(Permission(action, resource) for action in ACTIONS for resource in RESOURCES)

ROLES: Mapping[str, frozenset[Permission]] = {
    "Public": frozenset(),
    "Viewer": _VIEWER,
    "User": _USER,
    "Op": _OP,
    "Admin": _ADMIN,
}
"""What the built-in roles of Airflow 2 may do with what this API has."""
EVERYTHING = Permissions([Grant(_ADMIN)], ["Admin"])
NOTHING = Permissions([])
