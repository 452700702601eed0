"""What the parts of the application share, by key; `server.api.resources` has the rest."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web
from multidict import istr

from server.http.proxies import Proxies
from server.http.router import Paths
from windsock.config import Config


@dataclass
class Traffic:
    """The requests of this process: how many are under way, and whether it is about to stop."""

    in_flight: int = 0
    stopping: bool = False
    on_stop: list[Callable[[], None]] = field(default_factory=list)
    """Called once, when the stop begins."""

    def stop(self) -> None:
        """Begin to stop."""
        self.stopping = True
        for call in self.on_stop:
            call()


# The requests of the page have it.
PAGE_HEADER = istr("X-Windsock-Page")

CONFIG = web.AppKey("CONFIG", Config)
TRAFFIC = web.AppKey("TRAFFIC", Traffic)
PATHS = web.AppKey("PATHS", Paths)
PROXIES = web.AppKey("PROXIES", Proxies)

# None means nobody in particular.
USER = web.RequestKey[str | None]("USER")
ANSWER_HEADERS = web.RequestKey("ANSWER_HEADERS", Mapping[str, str])
