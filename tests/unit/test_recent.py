"""Answers that are good for a while."""

import asyncio

import pytest

from server.recent import Recent


async def test_what_was_begun_is_not_read_again() -> None:
    """Whoever asks while it is read waits for that; whoever begins it when it is known reads nothing."""
    reads: list[str] = []

    async def read(key: str) -> str:
        reads.append(key)
        await asyncio.sleep(0)
        return key.upper()

    recent = Recent(read, seconds=60)
    recent.begin("a")
    recent.begin("a")
    assert await recent.get("a") == "A"
    recent.begin("a")
    await asyncio.sleep(0)
    assert reads == ["a"]


async def test_a_failure_is_everyones_and_is_not_kept() -> None:
    """Of a reading that nobody asked for nobody hears."""
    fails = True

    async def read(key: str) -> str:
        if fails:
            raise OSError(key)
        return key

    recent = Recent(read, seconds=60)
    recent.begin("a")
    with pytest.raises(OSError, match="a"):
        await recent.get("a")
    fails = False
    assert await recent.get("a") == "a"
