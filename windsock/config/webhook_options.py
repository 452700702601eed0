"""The part of the table of options that is about the POST when a run ends."""
# ruff: noqa: RUF009 - option() declares a field, as dataclasses' own field() does

import base64
import binascii
import dataclasses
import re
from pathlib import Path
from urllib.parse import urlsplit

from windsock.config import values
from windsock.config.option import option

_PREFIX = "whsec_"
# In bytes, as the specification of Standard Webhooks has it.
_SHORTEST, _LONGEST = 24, 64


def _url(text: str) -> str | None:
    """Read an http or https URL as it is; it may contain user and password."""
    if not text:
        return None
    values.http_url(text)
    if urlsplit(text).fragment or not re.fullmatch(r"[!-~]+", text):
        message = "expected a URL such as https://example.org/runs, percent-encoded and without a #"
        raise ValueError(message)
    return text


def _keys(text: str) -> tuple[bytes, ...]:
    """Read the keys of secrets as Standard Webhooks writes them."""
    return tuple(_key(word) for word in re.split(r"[\s,]+", text) if word)


def _key(word: str) -> bytes:
    try:
        key = base64.b64decode(word.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not word.startswith(_PREFIX) or not _SHORTEST <= len(key) <= _LONGEST:
        message = f"expected {_PREFIX} and, after it, {_SHORTEST} to {_LONGEST} random bytes in base64"
        raise ValueError(message)
    return key


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WebhookOptions:
    """Options whose names begin with `on_run_end`."""

    # fmt: off
    on_run_end_url: str | None = option(
        _url, "", "windsock.on_run_end_url",
        "The URL to which the server sends a POST when a run ends, with the run's details (see operations.md). It may"
        " contain user and password.", sensitive=True,
    )
    on_run_end_secret: tuple[bytes, ...] = option(
        _keys, "", "windsock.on_run_end_secret",
        "The secret that signs these requests: `whsec_` and 24 to 64 random bytes in base64. Several, separated by"
        " blanks, all sign.", sensitive=True,
    )
    on_run_end_state: Path = option(
        values.path, "$AIRFLOW_HOME/windsock-run-ends.json", "windsock.on_run_end_state",
        "Beside an Airflow: the file in which the server notes which ends it has told. A standalone database has a"
        " table for that.",
    )
    # fmt: on
