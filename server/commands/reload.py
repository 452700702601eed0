"""`windsock reload`: systemd runs it for `systemctl reload`, which then fails if the reload is refused."""

import os
import signal
import time

import click

from windsock.commands.base import EXIT_FAILED, EXIT_TIMEOUT, Failure
from windsock.text import count

_POLL = 0.1


@click.command("reload")
@click.argument("pid", type=click.IntRange(min=2))
@click.option("--timeout", type=click.FloatRange(min=0), default=80.0, show_default=True, metavar="SECONDS",
              help="How long to wait for the new workers.")  # fmt: skip
def reload(pid: int, timeout: float) -> None:
    """Reload the webserver.

    It reloads the webserver with the process id PID, and waits until that is done. The exit status is 1 if the reload
    is refused; the old configuration then stays. This is for systemd, which sets RUNTIME_DIRECTORY for the command and
    the service. Elsewhere send SIGHUP and read the log.
    """
    from server.serving import outcome  # noqa: PLC0415 - help needs none of it

    if outcome.file() is None:
        raise Failure(
            "RUNTIME_DIRECTORY is not set: outside of systemd, send SIGHUP; the log says whether the reload succeeded"
        )
    sent = time.monotonic()
    try:
        os.kill(pid, signal.SIGHUP)
        # A reload that began earlier may not have read the configuration as it is now.
        while (now := outcome.read()).began < sent:
            os.kill(pid, 0)
            if time.monotonic() > sent + timeout:
                raise Failure(
                    f"the webserver has not reloaded after {count(timeout, 'second')}; it goes on", EXIT_TIMEOUT
                )
            time.sleep(_POLL)
    except OSError as error:
        raise Failure(f"there is no webserver with the process id {pid}: {error.strerror}") from error
    if now.refusal:
        raise Failure(f"reload refused, the old configuration stays: {now.refusal}", EXIT_FAILED)
    click.echo("reloaded")
