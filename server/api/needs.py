"""What endpoints need, where a handler has to know it too: as Airflow 2's REST API for the same thing."""

from collections.abc import Collection

from aiohttp import web

from server.api.resources import OPERATIONS, PERMISSIONS
from server.auth.permissions import RUN_CLEAR, Needs, Permission, Resource, edits_dag, reads
from server.wire.dag_patterns import Readable

DAG_READ = reads(Resource.DAGS)
RUN_READ = reads(Resource.DAGS, Resource.RUNS)
TASK_READ = reads(Resource.DAGS, Resource.TASKS)
# Airflow has one resource for tasks and for their instances; for an instance it asks for that of the run too.
INSTANCE_READ = reads(Resource.DAGS, Resource.RUNS, Resource.TASKS)
# Whose DAGs are not all of a file may read that it cannot be loaded, and not why.
IMPORT_ERROR_READ = reads(Resource.DAGS, Resource.IMPORT_ERRORS)
RUN_EDIT = edits_dag(Permission("can_edit", Resource.RUNS))
# Airflow asks for the permission on runs, too, except on the pages of 1.10.
INSTANCE_EDIT = edits_dag(Permission("can_edit", Resource.TASKS))._replace(
    either=(Permission("can_edit", Resource.RUNS), RUN_CLEAR)
)
RUN_DELETE = edits_dag(Permission("can_delete", Resource.RUNS))
POOL_READ = reads(Resource.POOLS)
POOL_CREATE = Permission("can_create", Resource.POOLS)
POOL_EDIT = Permission("can_edit", Resource.POOLS)


def readable(request: web.Request, needs: Needs) -> Readable | None:
    """Return the DAGs for which the caller has these permissions; None: for all."""
    return request[PERMISSIONS].readable(needs)


async def missing(request: web.Request, needs: Needs) -> Permission | None:
    """Return the first of these permissions that the caller lacks for the DAG in the path; None if there is none.

    A DAG that is forbidden and one that does not exist are alike: the same work is done for both. Only who is limited
    to some DAGs and names one whose id may be that of a sub-DAG costs a look at the database, for its root.
    """
    permissions, dag_id = request[PERMISSIONS], request.match_info.get("dag_id")
    if dag_id is not None and "." in dag_id and permissions.is_limited(needs) and permissions.missing(needs) is None:
        dag_id = await request.app[OPERATIONS].root(dag_id)
    return permissions.missing(needs, dag_id)


async def missing_of(request: web.Request, needs: Needs, dag_ids: Collection[str]) -> dict[str, Permission | None]:
    """Return the same for each of these DAGs, whose ids are checked; all of them cost one look at the database."""
    permissions = request[PERMISSIONS]
    if not permissions.is_limited(needs):
        return dict.fromkeys(dag_ids)
    roots = await request.app[OPERATIONS].roots(dag_ids)
    return {dag_id: permissions.missing(needs, root) for dag_id, root in roots.items()}


def shows_totals(request: web.Request) -> bool:
    """Whether the caller may read how many slots a pool has, and how many tasks of all DAGs are running."""
    permissions = request[PERMISSIONS]
    return permissions.missing(POOL_READ) is None and not permissions.is_limited(INSTANCE_READ)
