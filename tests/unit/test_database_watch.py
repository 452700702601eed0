"""The watch over the schema, on its own."""

import asyncio
import contextlib
from typing import cast

import pytest

from server.database.catalogue import Catalogue
from server.database.connections import Connections
from server.database.generations import AIRFLOW_1
from server.database.watch import SchemaWatch
from server.errors import Unavailable


@pytest.fixture
def watch() -> SchemaWatch:
    """Make a watch that looks again and again."""
    found = Catalogue(AIRFLOW_1, "x", (), refuses_double_dots=False, tables=frozenset(), columns=frozenset())
    return SchemaWatch(cast("Connections", None), found, lambda _: None, allow_unknown=False, every=0.01, soon=0.01)


async def test_the_watch_ends(watch: SchemaWatch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if its connection is lost in the moment in which it is cancelled: then only that error is left."""
    looks = 0
    looking = asyncio.Event()

    async def check() -> None:
        nonlocal looks
        looks += 1
        looking.set()
        if looks == 1:
            try:
                await asyncio.sleep(60)
            finally:
                raise Unavailable("lost")

    monkeypatch.setattr(watch, "check", check)
    keeping = asyncio.create_task(watch.keep())
    await looking.wait()
    keeping.cancel()
    await asyncio.wait([keeping], timeout=5)
    assert keeping.cancelled()
    keeping.cancel()


async def test_the_watch_goes_on(
    watch: SchemaWatch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """After an error that nobody foresaw, too: a schema that is refused would be refused for ever."""
    looks = 0
    again = asyncio.Event()

    async def check() -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise KeyError("trigger")
        again.set()

    monkeypatch.setattr(watch, "check", check)
    keeping = asyncio.create_task(watch.keep())
    try:
        async with asyncio.timeout(5):
            await again.wait()
    finally:
        keeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeping
    assert [record.getMessage() for record in caplog.records if record.exc_info] == [
        "the schema could not be looked at; it will be tried again"
    ]
