"""The outcome of the last reload, in a file in systemd's RUNTIME_DIRECTORY, so that `systemctl reload` can fail."""

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class Outcome(NamedTuple):
    """When the last reload began (`time.monotonic`, in seconds), and why it was refused, if it was."""

    began: float = 0.0
    refusal: str = ""


def file() -> Path | None:
    """Return the path of the file; None if systemd provides no folder."""
    folder = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    return Path(folder, "reload") if folder else None


def read() -> Outcome:
    """Read the file; if there is none, return the outcome of no reload."""
    if (path := file()) is not None:
        with suppress(OSError, ValueError):
            began, _, refusal = path.read_text("utf-8").partition("\n")
            return Outcome(float(began), refusal)
    return Outcome()


def write(outcome: Outcome) -> None:
    """Write the file, completely or not at all; a full disk does not stop the service."""
    if (path := file()) is not None:
        with suppress(OSError):
            new = path.with_suffix(".new")
            new.write_text(f"{outcome.began!r}\n{outcome.refusal}", "utf-8")
            new.replace(path)
