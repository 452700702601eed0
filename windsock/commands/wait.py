"""`trigger_dag --wait`: waits until the run has ended, and shows its state meanwhile."""

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from windsock.commands.base import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_TIMEOUT, Failure, say
from windsock.commands.failed_tasks import say_what_failed
from windsock.protocol import ENDED
from windsock.text import count, printable

if TYPE_CHECKING:
    from windsock.client import Client

# In seconds: on a terminal people want to see that it goes on.
_LOOK = 2.0
_BAD = frozenset({"failed"})


def wait_for(
    client: "Client",
    dag_id: str,
    run_id: str,
    execution_date: str,
    timeout: float | None,
    seen: Callable[[str | None], None],
) -> None:
    """Return once the run has succeeded; raises Failure if it fails, after `timeout` seconds, and on Ctrl-C.

    If it fails, the failed tasks are named, with the last lines of their logs.

    `seen` is called with each state.
    """
    progress = sys.stderr.isatty()
    start = time.monotonic()

    def look(state: str | None) -> None:
        seen(state)
        if progress:
            waited = time.monotonic() - start
            click.echo(f"\r\x1b[K{printable(f'{run_id}: {state}')} ({waited:.0f} s)", err=True, nl=False)

    if progress:
        client.longest_wait = _LOOK
    try:
        state = client.wait(dag_id, execution_date, timeout, look)
    except KeyboardInterrupt:
        raise Failure(f"no longer waiting; {run_id} goes on", EXIT_INTERRUPTED) from None
    finally:
        if progress:
            click.echo("\r\x1b[K", err=True, nl=False)
    if state not in ENDED:
        raise Failure(f"{run_id} is still {state} after {count(timeout or 0, 'second')}; it goes on", EXIT_TIMEOUT)
    if state in _BAD:
        say_what_failed(client, dag_id, execution_date)
        raise Failure(f"{run_id}: {state}", EXIT_FAILED)
    say(f"{run_id}: {state}")
