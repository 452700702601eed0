"""What endpoints need, where a handler has to know it too: as Airflow 2's REST API for the same thing."""

from aiohttp import web

from server.api.resources import PERMISSIONS
from server.auth.permissions import Needs, Permission, Resource, reads
from server.wire.dag_patterns import Readable

DAG_READ = reads(Resource.DAGS)
RUN_READ = reads(Resource.DAGS, Resource.RUNS)
TASK_READ = reads(Resource.DAGS, Resource.TASKS)
# Airflow has one resource for tasks and for their instances; for an instance it asks for that of the run too.
INSTANCE_READ = reads(Resource.DAGS, Resource.RUNS, Resource.TASKS)
# Whose DAGs are not all of a file may read that it cannot be loaded, and not why.
IMPORT_ERROR_READ = reads(Resource.DAGS, Resource.IMPORT_ERRORS)
POOL_READ = reads(Resource.POOLS)
POOL_CREATE = Permission("can_create", Resource.POOLS)
POOL_EDIT = Permission("can_edit", Resource.POOLS)


def readable(request: web.Request, needs: Needs) -> Readable | None:
    """Return the DAGs for which the caller has these permissions; None: for all."""
    return request[PERMISSIONS].readable(needs)


def shows_totals(request: web.Request) -> bool:
    """Whether the caller may read how many slots a pool has, and how many tasks of all DAGs are running."""
    permissions = request[PERMISSIONS]
    return permissions.missing(POOL_READ) is None and not permissions.is_limited(INSTANCE_READ)
