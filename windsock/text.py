"""Numbers of things in words, and texts that are safe to print, to log or to send."""

# A proxy has room for 4 KB for all headers together.
_MAX_HEADER = 1000


def count(number: float, noun: str) -> str:
    """Write a number and its noun, in the singular for one."""
    shown = f"{number:g}" if isinstance(number, float) else str(number)
    return f"{shown} {noun}" if number == 1 else f"{shown} {noun}s"


def first_line(error: Exception) -> str:
    """Return the first line of an error, or its type: in the lines below it Postgres quotes rows."""
    return str(error).partition("\n")[0] or type(error).__name__


def printable(text: str) -> str:
    """Escape characters that control a terminal or that cannot be encoded, as in a file name that is not UTF-8."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def header_safe(text: str, limit: int = _MAX_HEADER) -> str:
    """Return `text` on one line of at most `limit` ASCII characters; other characters are escaped as in Python."""
    text = text[:limit] + "..." if len(text) > limit else text
    if not (text.isascii() and text.isprintable()):
        text = "".join(c if c.isascii() and c.isprintable() else ascii(c)[1:-1] for c in text)
    return _cut(text.strip(), limit)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
