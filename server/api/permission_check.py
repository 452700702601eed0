"""What the caller may do with the endpoint, and what an error may tell them."""

from aiohttp import web

from server.api.resources import AUTHORIZATION, OPERATIONS, PERMISSIONS
from server.api.routes import NEEDS
from server.auth.contract import Identity
from server.auth.permissions import reads
from server.errors import PermissionMissing, WindsockError


async def check_permissions(request: web.Request, identity: Identity) -> str | None:
    """Return the id of the DAG whose permissions count, None without a DAG. Raises PermissionMissing.

    A DAG that is forbidden and one that does not exist are alike: the same work is done for both. Only who is limited
    to some DAGs and names one whose id may be that of a sub-DAG costs a look at the database, for its root.
    """
    app, match = request.app, request.match_info
    request[PERMISSIONS] = permissions = await app[AUTHORIZATION].of(app, identity)
    dag_id, needs = match.get("dag_id"), NEEDS.get(match.handler)
    if needs is None:
        return dag_id
    if dag_id is not None and "." in dag_id and permissions.is_limited(needs) and permissions.missing(needs) is None:
        dag_id = await app[OPERATIONS].root(dag_id)
    if (missing := permissions.missing(needs, dag_id)) is not None:
        raise PermissionMissing(missing)
    return dag_id


def withhold(error: WindsockError, request: web.Request, dag_id: str | None) -> None:
    """Take out of the message what the caller may not read; `dag_id` is that of `check_permissions`."""
    if (restricted := error.restricted) is None:
        return
    permissions, needs = request[PERMISSIONS], reads(*restricted.resources)
    if permissions.missing(needs, dag_id) if restricted.of_the_dag else permissions.is_limited(needs):
        error.without_restricted()
