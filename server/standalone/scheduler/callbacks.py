"""Calls the functions that a DAG file names for the begin and the end of a try: `on_failure_callback` and so on.

A callback runs in a Python process of its own, which is ended with the try's other processes. Whatever it does, the
state of its try stays: its failure is only a line of the log.
"""

import asyncio
import json
from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime
from typing import Any

from server.standalone.scheduler.results import ResultError
from server.standalone.scheduler.run_command import Running
from server.standalone.scheduler.run_python import call_back
from server.standalone.scheduler.states import State
from server.standalone.scheduler.store import Ended
from server.standalone.scheduler.task_outcomes import TaskFailed

# How long a callback may take, in seconds: until that of a task ends, the tasks below do not begin.
LONGEST = 60.0
_NO_RESULTS: Mapping[str, bytes] = {}
_AT_END = {
    State.SUCCESS: "on_success_callback",
    State.FAILED: "on_failure_callback",
    State.UP_FOR_RETRY: "on_retry_callback",
    State.SKIPPED: "on_skipped_callback",
}


async def call_at_begin(running: Running) -> None:
    """Call `on_execute_callback`."""
    await _call(running, "on_execute_callback", {"state": State.RUNNING.value})


async def call_at_end(running: Running, end: Ended, reason: str | None) -> None:
    """Call what the file names for this end of a try; `reason` says why it failed.

    A cancellation ends the callback alone, because the try has ended already.
    """
    now = datetime.now(UTC)
    duration = (now - running.attempt.start_date).total_seconds()
    facts = {"state": end.state, "end_date": now.isoformat(), "duration": duration, "exception": reason}
    try:
        await _call(running, _AT_END.get(end.state, ""), facts, end.xcoms)
    except asyncio.CancelledError:
        if (task := asyncio.current_task()) is not None:
            task.uncancel()
        running.log.say("The callback was ended with its scheduler, or because somebody changed the task's state")


async def _call(
    running: Running, event: str, facts: Mapping[str, object], results: Mapping[str, bytes] = _NO_RESULTS
) -> None:
    callback = running.attempt.node.callbacks.get(event)
    if isinstance(callback, dict):
        own = {key: json.loads(value) for key, value in results.items()}
        await bounded(running, event, callback, call_back(running, callback, facts, own))


async def bounded(running: Running, event: str, callback: Mapping[str, Any], call: Coroutine[Any, Any, None]) -> str:
    """Make the call of a callback; return why it failed, "" if it did not. The log says so too."""
    running.log.say(f"Calling {callback.get('name')} ({event})")
    try:
        async with asyncio.timeout(LONGEST):
            await call
    except TimeoutError:
        reason = f"{event} was ended: it took longer than {LONGEST:.0f} seconds"
    except (TaskFailed, ResultError, OSError) as error:
        reason = f"{event} failed: {error}"
    else:
        return ""
    running.log.say(reason)
    return reason
