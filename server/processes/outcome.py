"""What became of the last reload, in a file of systemd's RUNTIME_DIRECTORY: `systemctl reload` fails by it."""

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class Outcome(NamedTuple):
    """When the last reload began (`time.monotonic`, in seconds), and why it was refused, if it was."""

    began: float = 0.0
    refusal: str = ""


def file() -> Path | None:
    """Where it is; None where systemd gives no folder."""
    folder = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    return Path(folder, "reload") if folder else None


def read() -> Outcome:
    """Read it; that of no reload where there is none."""
    if (path := file()) is not None:
        with suppress(OSError, ValueError):
            began, _, refusal = path.read_text("utf-8").partition("\n")
            return Outcome(float(began), refusal)
    return Outcome()


def write(outcome: Outcome) -> None:
    """Write it, as a whole or not at all; a disk that is full stops no service."""
    if (path := file()) is not None:
        with suppress(OSError):
            new = path.with_suffix(".new")
            new.write_text(f"{outcome.began!r}\n{outcome.refusal}", "utf-8")
            new.replace(path)
