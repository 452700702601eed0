"""Events as a client reads them: Server-Sent Events (HTML Living Standard, 9.2), and how to go on after a break."""

import json
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import NamedTuple

from windsock.client.patience import Patience
from windsock.client.results import Answer, ApiError, Unreachable

MISSED = json.dumps({"message": "Events may be missing before this one"})


class Message(NamedTuple):
    """A message of a stream: its kind and data; both are empty if it has only an id, the last one so far."""

    kind: str
    data: str
    last_id: str | None


Open = Callable[[str | None], Iterator[Message]]
"""Opens a stream that goes on after an id; raises ApiError or Unreachable, also while it is read."""


def read_messages(lines: Iterable[bytes]) -> Iterator[Message]:
    """Read the lines of a stream."""
    kind, last_id, data = "", None, list[str]()
    for line in lines:
        name, _, value = line.decode("utf-8", "replace").rstrip("\r\n").partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            kind = value
        elif name == "id":
            last_id = value
        elif name == "data":
            data.append(value)
        elif not name and not value and line.strip() == b"":
            yield Message(kind if data else "", "\n".join(data), last_id)
            kind, data = "", []


def follow(open_stream: Open, last_id: str | None) -> Generator[Answer, None, None]:
    """Yield events; where a stream breaks off, go on with another one, after the last event.

    Raises what the first stream raises, what no other try would mend, and Unreachable if there is no server for two
    minutes.
    """
    patience = Patience()
    while True:
        try:
            for message in open_stream(last_id):
                patience.served()
                last_id = message.last_id or last_id
                if message.kind and message.kind != "end":
                    yield {"event": message.kind, "id": message.last_id, **json.loads(message.data)}
        except (ApiError, Unreachable) as error:
            patience.bear(error)
        else:
            patience.pause()
