"""`trigger_dag --wait`: looks at the run, less and less often, until it has ended."""

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from windsock.commands.base import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_TIMEOUT, Failure, say
from windsock.text import count, printable

if TYPE_CHECKING:
    from windsock.client import Client

# The seconds between two looks: few at first, for runs that take seconds; ten are enough for runs that take hours.
_FIRST, _LONGEST, _GROWTH = 0.2, 10.0, 1.5
_GOOD, _BAD = frozenset({"success"}), frozenset({"failed"})


def wait_for(
    client: "Client",
    dag_id: str,
    run_id: str,
    execution_date: str,
    timeout: float | None,
    seen: Callable[[str | None], None],
) -> None:
    """Return once the run has succeeded; raises Failure if it fails, after `timeout` seconds, and on Ctrl-C.

    `seen` is called with each state.
    """
    progress = sys.stderr.isatty()
    start, interval = time.monotonic(), _FIRST
    try:
        while True:
            seen(state := client.get_dag_run_state(dag_id, execution_date))
            waited = time.monotonic() - start
            if progress:
                click.echo(f"\r\x1b[K{printable(f'{run_id}: {state}')} ({waited:.0f} s)", err=True, nl=False)
            if state in _GOOD | _BAD:
                break
            if timeout is not None and waited >= timeout:
                raise Failure(f"{run_id} is still {state} after {count(timeout, 'second')}; it goes on", EXIT_TIMEOUT)
            left = timeout - waited if timeout is not None else interval
            time.sleep(min(interval, left))
            interval = min(interval * _GROWTH, _LONGEST)
    except KeyboardInterrupt:
        raise Failure(f"no longer waiting; {run_id} goes on", EXIT_INTERRUPTED) from None
    finally:
        if progress:
            click.echo("\r\x1b[K", err=True, nl=False)
    if state in _BAD:
        raise Failure(f"{run_id}: {state}", EXIT_FAILED)
    say(f"{run_id}: {state}")
