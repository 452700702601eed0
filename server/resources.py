"""What the parts of the application share, by key."""

from aiohttp import web

from server.config import Config
from server.metadata.metadata import Metadata

CONFIG = web.AppKey("CONFIG", Config)
METADATA = web.AppKey("METADATA", Metadata)
