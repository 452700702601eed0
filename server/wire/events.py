"""Events as texts: Server-Sent Events (HTML Living Standard, 9.2)."""

from functools import lru_cache

from server.wire.shapes import ascii_json, encode

Fields = tuple[tuple[str, str | int | None], ...]

COMMENT = b":\n\n"
"""What keeps a connection alive, and nobody reads."""


def event_data(fields: Fields) -> bytes:
    """Write the data of an event: JSON on one line."""
    return ascii_json(encode(dict(fields)))


@lru_cache(1024)
def event_text(kind: str, fields: Fields, event_id: str | None = None) -> bytes:
    """Write an event; all who follow events get the same bytes."""
    head = "" if event_id is None else f"id: {event_id}\n"
    return f"{head}event: {kind}\ndata: ".encode() + event_data(fields) + b"\n"


def place_text(event_id: str) -> bytes:
    """Write an id alone: clients remember it, and get no event."""
    return f"id: {event_id}\n\n".encode()
