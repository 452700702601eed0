"""How the client without HTTP runs an operation."""

import asyncio
import dataclasses
import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import asyncpg
from msgspec import Raw, Struct
from msgspec.json import decode

from server.database.metadata import open_metadata
from server.errors import SchemaChanged, StartupError, Unavailable, WindsockError
from server.operations import Operations
from server.overviews import Listing
from server.wire import encode, warning_header
from windsock.client.results import Answer, ApiError, Unreachable
from windsock.config import Config, ConfigError

T = TypeVar("T")
ALL = None
"""The DAGs that may be read: who has the password of the database may read all of it."""


class LocalCalls:
    """Calls of operations, in an event loop of its own."""

    def __init__(self, config: Config, warn: Callable[[str], None] | None = None) -> None:
        """Use the database of `config`; raises ConfigError if there is none. `warn` is called with warnings."""
        config.dsn.connect_arguments()
        self._config = dataclasses.replace(config, pool_min_size=1, pool_max_size=1)
        self._warn = warn
        self._runner: asyncio.Runner | None = None
        self._resources = AsyncExitStack()
        self._operations: Operations | None = None

    def close(self) -> None:
        """Close the database's connections."""
        if self._runner is not None:
            self._runner.run(self._resources.aclose())
            self._runner.close()
        self._runner = self._operations = None

    def call(self, use: Callable[[Operations], Awaitable[T]]) -> T:
        """Return what an operation returns; raises the errors of a client."""
        if self._runner is None:
            self._runner = asyncio.Runner()
        try:
            return self._runner.run(self._within(use))
        except SchemaChanged as error:
            # The next call then looks at the database again.
            self.close()
            raise Unreachable(error.message, repr(error.__cause__)) from error
        except Unavailable as error:
            raise Unreachable(error.message, repr(error.__cause__)) from error
        except WindsockError as error:
            raise ApiError(error.status, error.message, code=error.code.value) from error
        except ConfigError:
            raise
        except StartupError as error:
            raise Unreachable(str(error), repr(error.__cause__)) from error
        except (OSError, TimeoutError, asyncpg.InterfaceError) as error:
            raise Unreachable(f"lost {self._config.dsn.redacted()}: {error}", repr(error)) from error
        except asyncpg.PostgresError as error:
            raise ApiError(500, f"The database refused: {error}", repr(error)) from error

    async def _within(self, use: Callable[[Operations], Awaitable[T]]) -> T:
        if self._operations is None:
            metadata = await self._resources.enter_async_context(open_metadata(self._config))
            self._operations = Operations(metadata, self._config)
        warning_header.begin()
        try:
            return await use(self._operations)
        finally:
            if self._warn is not None and (warning := warning_header.joined()) is not None:
                self._warn(warning)

    def read(self, use: Callable[[Operations], Awaitable[Raw]]) -> Any:  # noqa: ANN401 - what the JSON holds
        """Return what an operation's JSON holds."""
        return decode(self.call(use))

    def object_of(self, use: Callable[[Operations], Awaitable[Struct]]) -> Answer:
        """Return an operation's result as a dict."""
        found: Answer = json.loads(encode(self.call(use)))
        return found


async def all_of(listing: Awaitable[Listing]) -> list[Answer]:
    """Return all rows of a list."""
    pages, _ = await listing
    return [decode(row) async for page in pages for row in page]
