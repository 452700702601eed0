"""What the parts of the application share, by key."""

from dataclasses import dataclass
from datetime import tzinfo

from aiohttp import web

from server.config import Config
from server.metadata.metadata import Metadata


@dataclass
class Traffic:
    """The requests of this process: how many are under way, and whether it is about to stop."""

    in_flight: int = 0
    stopping: bool = False


CONFIG = web.AppKey("CONFIG", Config)
TIMEZONE = web.AppKey("TIMEZONE", tzinfo)
TRAFFIC = web.AppKey("TRAFFIC", Traffic)
METADATA = web.AppKey("METADATA", Metadata)
