"""Warnings about requests that were served all the same, in one header of the answer.

Bodies stay as they are documented. Any handler or operation may call `warn(text)`; several texts are joined.
"""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from contextvars import ContextVar

from windsock.text import header_safe

# In characters.
_MAX_TEXT = 300
_MAX_NAME = 30
_MAX_NAMES = 4
_SEPARATOR = "; "

# A tuple that is replaced, not a list that grows: if requests share a statement, its task has a copy of one
# request's context, and a warning that it adds must not reach only that caller.
_TEXTS: ContextVar[tuple[str, ...]] = ContextVar("WARNINGS", default=())


def begin() -> None:
    """Forget the warnings of the task's previous request, if there was one."""
    if _TEXTS.get():
        _TEXTS.set(())


def warn(text: str) -> None:
    """Add a warning to the answer of this task's request; repeating a text adds nothing."""
    texts = _TEXTS.get()
    safe = header_safe(text, _MAX_TEXT)
    if safe not in texts:
        _TEXTS.set((*texts, safe))


def warn_of_ignored(kind: str, names: Iterable[str], known: AbstractSet[str]) -> None:
    """Warn of those `names` that are not `known`, at most the first few of them, and list the known ones."""
    unknown = [header_safe(name, _MAX_NAME) for name in dict.fromkeys(names) if name not in known]
    if unknown:
        more = f" and {len(unknown) - _MAX_NAMES} more" if len(unknown) > _MAX_NAMES else ""
        right = f"those of this endpoint are {', '.join(sorted(known))}" if known else "this endpoint has none"
        warn(f"{kind} ignored: {', '.join(unknown[:_MAX_NAMES])}{more} ({right})")


def joined() -> str | None:
    """Return the value of the header: all warnings since `begin`; None if there are none."""
    texts = _TEXTS.get()
    return header_safe(_SEPARATOR.join(texts)) if texts else None
