"""Numbers of things in words, and texts that are safe to print or to log."""


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
