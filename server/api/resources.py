"""What handlers and backends find by key besides `server.http.keys`."""

from aiohttp import web

from server.auth.sessions import Sessions
from server.database.metadata import Metadata
from server.operations import Operations

METADATA = web.AppKey("METADATA", Metadata)
OPERATIONS = web.AppKey("OPERATIONS", Operations)
SESSIONS = web.AppKey("SESSIONS", Sessions)

# What a handler has changed, for the row in the log table.
CHANGE = web.RequestKey("CHANGE", object)
