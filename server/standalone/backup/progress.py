"""Shows progress on a terminal, on one line that is rewritten."""

import sys
import time

_INTERVAL = 0.2
_CLEAR = "\r\x1b[K"
_MEGABYTE = 1_000_000


class Progress:
    """The line of one step. If stderr is not a terminal, it writes nothing."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._shown = 0.0
        self._on = sys.stderr.isatty()

    def __call__(self, done: int, total: int = 0) -> None:
        """Show how many bytes are done; if there is a total, also the percentage."""
        now = time.monotonic()
        if self._on and now >= self._shown + _INTERVAL:
            self._shown = now
            share = f", {100 * done // total} %" if total else ""
            self._write(f"{_CLEAR}{self._label}: {megabytes(done)}{share}")

    def end(self) -> None:
        """Remove the line."""
        if self._on:
            self._write(_CLEAR)

    @staticmethod
    def _write(text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


def megabytes(size: int) -> str:
    """Return a size for people."""
    return f"{size / _MEGABYTE:.1f} MB"
