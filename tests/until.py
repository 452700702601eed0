"""Waiting for what will be so soon, in place of a sleep that is long enough on one machine and too short on another."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable


async def until(condition: Callable[[], object | Awaitable[object]], patience: float = 60, every: float = 0.01) -> None:
    """Wait until the condition holds, a function or a coroutine; raises TimeoutError after `patience` seconds."""
    async with asyncio.timeout(patience):
        while True:
            holds = condition()
            if await holds if inspect.isawaitable(holds) else holds:
                return
            await asyncio.sleep(every)
