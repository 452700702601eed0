"""What the parts of the application share, by key."""

from datetime import tzinfo

from aiohttp import web

from server.config import Config
from server.metadata.metadata import Metadata

CONFIG = web.AppKey("CONFIG", Config)
TIMEZONE = web.AppKey("TIMEZONE", tzinfo)
METADATA = web.AppKey("METADATA", Metadata)
