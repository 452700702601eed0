"""The part of the table of options that is about e-mails."""

import dataclasses

from windsock.config import values
from windsock.config.option import option
from windsock.config.webhook_options import WebhookOptions


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MailOptions(WebhookOptions):
    """Options of the section `[smtp]`."""

    # fmt: off
    smtp_host: str = option(
        str, "", "smtp.smtp_host",
        "The mail server for `email_on_failure` and `email_on_retry` of tasks (standalone). Without one no"
        " mail is sent; Airflow's default is `localhost`.",
    )
    smtp_port: int = option(values.whole(1, 65535), "25", "smtp.smtp_port", "The port of the mail server.")
    smtp_starttls: bool = option(
        values.boolean, "True", "smtp.smtp_starttls",
        "Whether to encrypt the connection to the mail server with STARTTLS. Its certificate is checked.",
    )
    smtp_ssl: bool = option(
        values.boolean, "False", "smtp.smtp_ssl",
        "Whether the connection to the mail server is encrypted from its begin.",
    )
    smtp_user: str = option(str, "", "smtp.smtp_user", "The user at the mail server, if it needs one.")
    smtp_password: str = option(str, "", "smtp.smtp_password", "The password of that user.", sensitive=True)
    smtp_mail_from: str = option(
        str, "airflow@example.com", "smtp.smtp_mail_from", "The address from which mails come.",
    )
    smtp_timeout: float = option(
        values.seconds(1, 600), "30", "smtp.smtp_timeout", "How long to wait for each answer of the mail server.",
    )
    # fmt: on
