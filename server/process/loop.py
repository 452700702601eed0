"""The event loop of a process: what runs side by side in it, and how a signal ends it."""

import asyncio
import gc
import logging
import signal
from collections.abc import Callable, Coroutine
from typing import Any

logger = logging.getLogger(__name__)

Watcher = Callable[[], Coroutine[Any, Any, None]]
"""Something that runs for ever."""

# The objects that 256 requests under way make together stay far below this number.
_COLLECT_EVERY = 50_000


async def stop_signal() -> None:
    """Wait for SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()


async def until_stopped(work: Coroutine[Any, Any, None], words: str) -> None:
    """Run `work`; at the first signal log `words` and cancel it. It may take its time; later signals are ignored."""
    working, stopped = asyncio.create_task(work), asyncio.create_task(stop_signal())
    await asyncio.wait({working, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not working.done():
        logger.info(words)
        working.cancel()
    await asyncio.wait({working})
    if not working.cancelled():
        working.result()


async def first_to_end(*watchers: Watcher) -> None:
    """Run coroutines side by side for ever; what one of them raises ends the others."""
    tasks = [asyncio.create_task(watcher()) for watcher in watchers]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for error in results:
        if isinstance(error, Exception):
            raise error


def run(main: Any) -> None:  # noqa: ANN401 - a coroutine of any kind
    """Run a coroutine, on uvloop if it is installed."""
    _calm_collector()
    try:
        from uvloop import new_event_loop  # noqa: PLC0415 - optional
    except ImportError:
        asyncio.run(main)
        return
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main)


def _calm_collector() -> None:
    """Make the cycle collector ignore what start-up made, and run it less often: it took a fifth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_EVERY, 20, 20)
