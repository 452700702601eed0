"""Warnings: what a caller should know of a request that was served all the same, in one header of the answer.

Bodies stay as they are documented. Any handler or operation says `warn(text)`; several texts are joined.
"""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from contextvars import ContextVar

HEADER = "X-Windsock-Warning"
# Characters: a proxy has room for 4 KB of all headers together.
_MAX_TEXT = 300
_MAX_LENGTH = 1000
_MAX_NAME = 30
_MAX_NAMES = 4
_SEPARATOR = "; "

# A tuple that is replaced, not a list that grows: the task of a statement that requests share has a copy of somebody's
# context, and what is said there must not reach that caller alone.
_TEXTS: ContextVar[tuple[str, ...]] = ContextVar("WARNINGS", default=())


def begin() -> None:
    """Forget the warnings of the task's request before, if there was one."""
    if _TEXTS.get():
        _TEXTS.set(())


def warn(text: str) -> None:
    """Add a warning to the answer of the request whose task this is; the same text again adds nothing."""
    texts = _TEXTS.get()
    safe = header_safe(text, _MAX_TEXT)
    if safe not in texts:
        _TEXTS.set((*texts, safe))


def warn_of_ignored(kind: str, names: Iterable[str], known: AbstractSet[str]) -> None:
    """Warn of those `names` that are not `known`, the first few of them, and say which are."""
    unknown = [header_safe(name, _MAX_NAME) for name in dict.fromkeys(names) if name not in known]
    if unknown:
        more = f" and {len(unknown) - _MAX_NAMES} more" if len(unknown) > _MAX_NAMES else ""
        right = f"those of this endpoint are {', '.join(sorted(known))}" if known else "this endpoint has none"
        warn(f"{kind} ignored: {', '.join(unknown[:_MAX_NAMES])}{more} ({right})")


def joined() -> str | None:
    """Return the value of the header: all warnings since `begin`; None where there are none."""
    texts = _TEXTS.get()
    return _cut(_SEPARATOR.join(texts), _MAX_LENGTH) if texts else None


def header_safe(text: str, limit: int = _MAX_LENGTH) -> str:
    """Return `text` on one line of at most `limit` ASCII characters; others are escaped as Python shows them."""
    text = text[:limit] + "..." if len(text) > limit else text
    if not (text.isascii() and text.isprintable()):
        text = "".join(c if c.isascii() and c.isprintable() else ascii(c)[1:-1] for c in text)
    return _cut(text.strip(), limit)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
