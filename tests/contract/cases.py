"""The recorded cases: `cases.jsonl`, one JSON object a line, in the order in which they were made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

CASES = Path(__file__).with_name("cases.jsonl")
ROWS = Path(__file__).with_name("rows.sql")


class Repeated(msgspec.Struct, forbid_unknown_fields=True):
    """A text repeated so many times: a large body in a short line."""

    text: str
    times: int


class Parts(msgspec.Struct, forbid_unknown_fields=True):
    """A long text, put together from its parts."""

    parts: list[str | Repeated]

    def text(self) -> str:
        """The text in full."""
        return "".join(part if isinstance(part, str) else part.text * part.times for part in self.parts)


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """What a client sends. A body of `{"latin1": text}` is bytes; None is no body and no Content-Length."""

    method: str
    path: str | Parts
    headers: dict[str, str]
    body: str | dict[str, Any] | None

    def target(self) -> bytes:
        """The request target, byte for byte."""
        return (self.path if isinstance(self.path, str) else self.path.text()).encode()

    def payload(self) -> bytes | None:
        """The body, byte for byte."""
        if self.body is None:
            return None
        if isinstance(self.body, str):
            return self.body.encode()
        if "latin1" in self.body:
            return str(self.body["latin1"]).encode("latin-1")
        return msgspec.convert(self.body, Parts).text().encode()


class Recorded(msgspec.Struct):
    """What Airflow answered."""

    status: int
    body: str
    content_type: str | None = None


class Expect(msgspec.Struct, forbid_unknown_fields=True):
    """What may be answered: the statuses, and the kind of comparison of the body."""

    status: list[int]
    body: str


class Case(msgspec.Struct, forbid_unknown_fields=True):
    """One exchange.

    With `replay_only` it is a write that later cases build on. `db_effect` is the change in the database. `beyond`
    marks what is answered although Airflow has an error there; `new_second`, a run that is recorded at the second
    itself, which it gets where no other run has it.
    """

    name: str
    request: Request
    airflow: Recorded | None = None
    db_effect: dict[str, Any] | None = None
    expect: Expect | None = None
    replay_only: bool = False
    beyond: bool = False
    new_second: bool = False


def load(path: Path = CASES) -> list[Case]:
    """Read the cases. Raises msgspec.ValidationError."""
    with path.open("rb") as lines:
        return [msgspec.json.decode(line, type=Case) for line in lines]
