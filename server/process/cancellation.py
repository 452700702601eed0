"""Work that goes on after errors must still end when it is cancelled."""

import asyncio


async def pause(seconds: float) -> None:
    """Sleep, as `asyncio.sleep` does; raise CancelledError at once if the task has been cancelled before.

    Whoever gives back a lost connection while they are cancelled raises its error, and nothing else is left of the
    cancellation. So a loop that goes on after such errors pauses with this.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
    await asyncio.sleep(seconds)
