"""What the parts of the application share, by key."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo

from aiohttp import web

from server.auth.sessions import Sessions
from server.config import Config
from server.metadata.metadata import Metadata
from server.paths import Paths
from server.proxies import Proxies


@dataclass
class Traffic:
    """The requests of this process: how many are under way, and whether it is about to stop."""

    in_flight: int = 0
    stopping: bool = False


CONFIG = web.AppKey("CONFIG", Config)
TIMEZONE = web.AppKey("TIMEZONE", tzinfo)
TRAFFIC = web.AppKey("TRAFFIC", Traffic)
METADATA = web.AppKey("METADATA", Metadata)
PATHS = web.AppKey("PATHS", Paths)
PROXIES = web.AppKey("PROXIES", Proxies)
SESSIONS = web.AppKey("SESSIONS", Sessions)

# None means nobody in particular.
USER = web.RequestKey[str | None]("USER")
# What a handler has changed, for the row in the log table.
CHANGE = web.RequestKey("CHANGE", object)
ANSWER_HEADERS = web.RequestKey("ANSWER_HEADERS", Mapping[str, str])
