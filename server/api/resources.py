"""What handlers and backends find by key besides `server.http.keys`."""

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from aiohttp import web

from server.auth.authorization import Authorization
from server.auth.contract import Identity
from server.auth.permissions import Permission, Permissions
from server.auth.sessions import Sessions
from server.database.metadata import Metadata
from server.operations import Operations


class SteeredRun(NamedTuple):
    """A run that was steered, as `CHANGE` has it; `asked` has the names that Airflow's own API uses."""

    asked: Mapping[str, object]
    run_id: str
    execution_date: str | None


AUTHORIZATION = web.AppKey("AUTHORIZATION", Authorization)
METADATA = web.AppKey("METADATA", Metadata)
OPERATIONS = web.AppKey("OPERATIONS", Operations)
SESSIONS = web.AppKey("SESSIONS", Sessions)

# Who the caller is; `server.http.keys` has the name alone.
IDENTITY = web.RequestKey("IDENTITY", Identity)
# All that the caller may do.
PERMISSIONS = web.RequestKey("PERMISSIONS", Permissions)
# What a handler has changed, for the row in the log table.
CHANGE = web.RequestKey("CHANGE", object)
# Set where a request that usually changes something has changed nothing: it gets no row.
UNCHANGED = web.RequestKey("UNCHANGED", bool)
# The permission that a change has used, where one of several is enough.
USED = web.RequestKey("USED", Permission)
# What the answer to a change still waits for once the change is in the log table: returns headers of the answer.
AFTER_LOG = web.RequestKey[Callable[[], Awaitable[Mapping[str, str]]]]("AFTER_LOG")
