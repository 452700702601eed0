"""E-mails about tries that failed, through the server of `[smtp]`; nothing waits for them.

Each one is sent by a process of its own (`send_mail`), which is ended if it takes too long, and tried a few times.
"""

import asyncio
import json
import signal
import sys
import tempfile
from subprocess import DEVNULL
from typing import Any

import structlog

from server.process.parent_death import ending_with_us
from server.process.spawn import spawn
from server.standalone.scheduler import send_mail
from server.standalone.scheduler.background import Background
from server.standalone.scheduler.context import Try
from server.standalone.scheduler.states import State
from server.standalone.scheduler.store import Ended
from windsock.config import Config
from windsock.config.secrets import without_secrets

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_AT_ONCE = 2
_MOST_WAITING = 1000
_MOST_RECIPIENTS = 100
# Seconds to wait before each try of a mail.
_TRIES = (0.0, 5.0, 60.0)
# How long a process may take besides the server's timeout, in seconds.
_SPARE = 10.0
_ANSWER = 2_000


class Mailer:
    """Sends mails in the background; without `smtp_host` none."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._background = Background(_MOST_WAITING)

    def tell(self, attempt: Try, end: Ended) -> None:
        """Send what the task's `email_on_failure` and `email_on_retry` ask for."""
        wanted = {State.FAILED: "email_on_failure", State.UP_FOR_RETRY: "email_on_retry"}.get(end.state)
        task = attempt.node.task
        recipients = _recipients(task.get("email"))
        if not self._config.smtp_host or wanted is None or not recipients or not task.get(wanted):
            return
        where = {"dag_id": attempt.key.dag_id, "task_id": attempt.key.task_id, "run_id": attempt.run_id}
        if not self._background.begin(self._send(_mail(attempt, end, recipients), where)):
            _log.warning("an e-mail is not sent: too many wait", **where)

    async def close(self) -> None:
        """Give up what is not sent yet."""
        await self._background.close()

    async def _send(self, mail: dict[str, Any], where: dict[str, str]) -> None:
        reason = ""
        for delay in _TRIES:
            await asyncio.sleep(delay)
            async with self._room:
                reason = await self._try(mail)
            if not reason:
                return
        _log.warning("an e-mail could not be sent", **where, reason=reason)

    async def _try(self, mail: dict[str, Any]) -> str:
        """Return why it could not be sent, "" if it was."""
        config = self._config
        request = mail | {
            "host": config.smtp_host,
            "port": config.smtp_port,
            "starttls": config.smtp_starttls,
            "ssl": config.smtp_ssl,
            "user": config.smtp_user,
            "password": config.smtp_password,
            "sender": config.smtp_mail_from,
            "timeout": config.smtp_timeout,
        }
        try:
            return await _run(json.dumps(request).encode(), config.smtp_timeout + _SPARE)
        except OSError as error:
            return f"the machine could not do it: {error}"


async def _run(request: bytes, seconds: float) -> str:
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as output:
        stdin.write(request)
        stdin.seek(0)
        command = [*ending_with_us(signal.SIGKILL), sys.executable, "-P", send_mail.__file__]
        process = spawn(command, stdin=stdin.fileno(), stdout=DEVNULL, stderr=output.fileno(), env=without_secrets())
        try:
            async with asyncio.timeout(seconds):
                status = await process.wait()
        except TimeoutError:
            return f"it took longer than {seconds:.0f} seconds"
        finally:
            process.send_signal(signal.SIGKILL)
        output.seek(0)
        answer = output.read(_ANSWER).decode(errors="replace").strip().replace("\n", " ")
    return (answer or f"its process ended with status {status}") if status else ""


def _recipients(email: object) -> list[str]:
    """Return the addresses of `email`: a list, or a text with commas or semicolons."""
    texts = email if isinstance(email, list) else [email]
    found = [one.strip() for text in texts if isinstance(text, str) for one in text.replace(";", ",").split(",")]
    return [one for one in found if one and one.isprintable()][:_MOST_RECIPIENTS]


def _mail(attempt: Try, end: Ended, recipients: list[str]) -> dict[str, Any]:
    key = attempt.key
    again = "it will be tried again" if end.state is State.UP_FOR_RETRY else "no try is left"
    date = key.execution_date.isoformat()
    text = (
        f"Task {key.task_id} of the DAG {key.dag_id} failed in the run {attempt.run_id} ({date}).\n"
        f"This was try {attempt.try_number} of {attempt.max_tries + 1}: {again}.\n\n"
        f"Its log says why:\n  windsock task_log {key.dag_id} {key.task_id} {attempt.run_id}\n"
    )
    subject = f"Windsock: {key.dag_id}.{key.task_id} failed in {attempt.run_id}, {again}"
    return {"subject": "".join(c for c in subject if c.isprintable()), "text": text, "recipients": recipients}
