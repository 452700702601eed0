"""E-mails about failed tries: a mail server of the test's own gets them, and nothing waits for one that is silent."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_string
from pathlib import Path

import pytest
import structlog

from server.standalone.scheduler import mails
from tests.scheduling import bash, bench


@asynccontextmanager
async def mail_server(refuse: str = "", *, silent: bool = False) -> AsyncIterator[tuple[int, list[str]]]:
    """Serve SMTP; yields the port and the mails that came. `refuse` is the command that it refuses."""
    mails_seen: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if silent:
            await reader.read()
            writer.close()
            return
        writer.write(b"220 test\r\n")
        while line := await reader.readline():
            command = line.decode().split()[0].upper() if line.strip() else ""
            if command == refuse:
                writer.write(b"550 no s3cret\r\n")
            elif command == "DATA":
                writer.write(b"354 go\r\n")
                mails_seen.append((await reader.readuntil(b"\r\n.\r\n")).decode())
                writer.write(b"250 ok\r\n")
            elif command == "QUIT":
                writer.write(b"221 bye\r\n")
                break
            else:
                writer.write(b"250 ok\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], mails_seen


def options(port: int) -> dict[str, object]:
    """Return the options for a server of the test."""
    return {
        "smtp_host": "127.0.0.1",
        "smtp_port": str(port),
        "smtp_starttls": "False",
        "smtp_mail_from": "ws@example.com",
        "smtp_timeout": "1",
    }


async def test_failures_and_retries_are_told(database: str, tmp_path: Path) -> None:
    """To whom the task names, as its options say; not about what succeeds, and not without an address."""
    tasks = {
        "bad": bash("false", retries=1, email="a@example.com; b@example.com"),
        "quiet": bash("false", retries=1, email=["c@example.com"], email_on_retry=False),
        "silent": bash("false", email="d@example.com", email_on_failure=False),
        "nobody": bash("false"),
        "odd": bash("false", email="e@example.com\nBcc: all@example.com"),
        "good": bash("true", email="f@example.com"),
    }
    async with mail_server() as (port, seen), bench(database, tmp_path, **options(port)) as b:
        await b.load({"d": {"tasks": tasks}})
        await b.trigger("d")
        async with b.scheduler():
            await b.until_done()
            async with asyncio.timeout(20):
                while len(seen) < 3:
                    await asyncio.sleep(0.05)
            await asyncio.sleep(0.5)
    found = {}
    for text in seen:
        mail = message_from_string(text)
        found[str(mail["Subject"]).replace("\n", "")] = (mail["To"], mail["From"], str(mail.get_payload()))
    bad = "Windsock: d.bad failed in run_0, "
    assert sorted(found) == sorted(
        [f"{bad}it will be tried again", f"{bad}no try is left", "Windsock: d.quiet failed in run_0, no try is left"]
    )
    to, sender, text = found[f"{bad}no try is left"]
    assert (to, sender) == ("a@example.com, b@example.com", "ws@example.com")
    assert "This was try 2 of 2: no try is left." in text
    assert "windsock task_log d bad run_0" in text


@pytest.mark.parametrize("refuse", ["MAIL", None])
async def test_nothing_waits_for_a_mail_server(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refuse: str | None
) -> None:
    """One that refuses or does not answer holds up neither run nor scheduler; the log has a line in the end."""
    monkeypatch.setattr(mails, "_TRIES", (0.0, 0.1))
    async with (
        mail_server(refuse or "", silent=refuse is None) as (port, seen),
        bench(database, tmp_path, **options(port)) as b,
    ):
        await b.load({"d": {"tasks": {"t": bash("false", email="a@example.com"), "u": bash("true", "t")}}})
        await b.trigger("d")
        with structlog.testing.capture_logs() as logs:
            async with b.scheduler():
                await b.until_done(20)
                assert not [line for line in logs if "e-mail" in line["event"]]
                async with asyncio.timeout(20):
                    while not (lines := [line for line in logs if "could not be sent" in line["event"]]):
                        await asyncio.sleep(0.05)
                begin = time.monotonic()
        assert time.monotonic() - begin < 3
    assert (lines[0]["dag_id"], lines[0]["task_id"]) == ("d", "t")
    assert lines[0]["reason"]
    assert seen == []
