"""The process that sends one e-mail, which may wait for a mail server: its parent ends it after a while.

It is run as a file, on its own, and imports nothing of Windsock. Standard input has what to do, as JSON.
"""

import json
import smtplib
import ssl
import sys
from email.message import EmailMessage
from typing import Any


def _message(request: dict[str, Any]) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = request["subject"]
    message["From"] = request["sender"]
    message["To"] = ", ".join(request["recipients"])
    message.set_content(request["text"])
    return message


def _send(request: dict[str, Any]) -> None:
    tls = ssl.create_default_context()
    host, port, timeout = request["host"], request["port"], request["timeout"]
    server = (
        smtplib.SMTP_SSL(host, port, timeout=timeout, context=tls)
        if request["ssl"]
        else smtplib.SMTP(host, port, timeout=timeout)
    )
    with server:
        if request["starttls"] and not request["ssl"]:
            server.starttls(context=tls)
        if request["user"]:
            server.login(request["user"], request["password"])
        server.send_message(_message(request))


if __name__ == "__main__":
    try:
        _send(json.load(sys.stdin))
    except (OSError, ValueError, smtplib.SMTPException) as error:
        # Not what a server answers to a login: it may repeat it.
        refused = isinstance(error, smtplib.SMTPAuthenticationError)
        text = "the mail server refuses the user or the password" if refused else f"{type(error).__name__}: {error}"
        sys.exit(text[:500])
