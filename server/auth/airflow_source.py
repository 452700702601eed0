"""The source `airflow`: what the roles of an Airflow's users say, in its own tables."""

from collections.abc import Callable, Iterable, Sequence

from server.auth.contract import Identity
from server.auth.permissions import ACTIONS, NOTHING, RESOURCES, Grant, Permission, Permissions, Resource
from server.auth.rbac_views import RBAC_WORDS, rbac_grants
from server.caching.recent import Recent
from server.database.metadata import Metadata
from server.database.roles import Granted, Held, Roles, Words
from server.wire.dag_patterns import DagPattern

_WORDS = Words(ACTIONS, sorted(RESOURCES))
_PER_DAG = frozenset({Resource.DAGS, Resource.RUNS})


class AirflowRoles:
    """The roles of an Airflow's users, each read at most once in some seconds."""

    def __init__(self, metadata: Metadata, seconds: float) -> None:
        """Read them in that database, and keep them for so many `seconds`."""
        self._metadata = metadata
        self._users = {
            "users": Recent(lambda name: self._of_user(name, or_email=True), seconds),
            "principals": Recent(lambda name: self._of_user(name, or_email=False), seconds),
        }
        self._roles: Recent[Sequence[Grant] | None] = Recent(self._of_role, seconds)

    async def permissions(self, identity: Identity, kind: str) -> Permissions:
        """Return what the roles of the active user of that name give; nothing without such a user.

        A Kerberos principal is a user whose name is that of the principal, as Airflow's own Kerberos backend has it: an
        e-mail address that looks the same is not meant. The name of a token is no user's. Raises Unavailable.
        """
        if identity.user is None or kind not in self._users:
            return NOTHING
        return await self._users[kind].get(identity.user)

    async def role(self, name: str) -> Sequence[Grant] | None:
        """Return what the role of that name gives; None if there is no such role. Raises Unavailable."""
        return await self._roles.get(name)

    async def _of_user(self, name: str, *, or_email: bool) -> Permissions:
        roles = self._metadata.roles
        words, read = _language(roles)
        held = await roles.of_user(name, words, or_email=or_email)
        return Permissions(read(held), held.roles)

    async def _of_role(self, name: str) -> Sequence[Grant] | None:
        roles = self._metadata.roles
        words, read = _language(roles)
        held = await roles.of_role(name, words)
        return None if held is None else read(held)


def _language(roles: Roles) -> tuple[Words, Callable[[Held], Sequence[Grant]]]:
    """Return the words of that Airflow, and what turns its permissions into ours."""
    return (RBAC_WORDS, rbac_grants) if roles.names_views else (_WORDS, grants)


def grants(held: Held) -> Sequence[Grant]:
    """Return what the tables of Airflow 2 and 3 grant: their words are ours."""
    everywhere = frozenset(Permission(one.action, one.resource) for one in held.granted if one.dag_ids is None)
    return [Grant(everywhere), *_for_some_dags(one for one in held.granted if one.resource in _PER_DAG)]


def _for_some_dags(granted: Iterable[Granted]) -> Iterable[Grant]:
    for one in granted:
        # In Airflow 2 the resource of a DAG with this id is the one of all DAGs.
        if dag_ids := frozenset(one.dag_ids or ()) - {Resource.DAGS}:
            yield Grant(frozenset({Permission(one.action, one.resource)}), (DagPattern(dag_ids),))
