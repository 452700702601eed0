"""A process that renders templates, one task's after the other, with a bound on its memory.

It reads pickles from its parent and answers in JSON, each behind its size; it ends when there is nothing more to read.
"""

import json
import pickle
import resource
import struct
import sys
from typing import Any

from server.scheduler.errors import TaskFailed
from server.scheduler.names import names_of
from server.scheduler.templates import Templates, render_fields

SIZE = struct.Struct("!I")
LARGEST = 2**22
_LARGEST_FIELDS = 2**20
_MEMORY = 2**29
_LONGEST_REASON = 1000


def answer(request: bytes) -> bytes:
    """Render what a request asks for; the fields, or why not."""
    templates, facts, folder = pickle.loads(request)  # noqa: S301 - from the very process that started this one
    return _encode(_render(templates, facts, folder))


def _render(templates: Templates, facts: dict[str, Any], folder: str) -> dict[str, Any]:
    try:
        rendered = render_fields(templates, names_of(facts), folder)
    except TaskFailed as failure:
        return {"error": str(failure)[:_LONGEST_REASON]}
    return {"rendered": rendered}


def _encode(result: dict[str, Any]) -> bytes:
    data = json.dumps(result, default=str).encode()
    if len(data) > _LARGEST_FIELDS:
        data = json.dumps({"error": f"its templates make more than {_LARGEST_FIELDS} bytes"}).encode()
    return data


def main() -> None:
    """Serve the process that started this one."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while head := sys.stdin.buffer.read(SIZE.size):
        data = answer(sys.stdin.buffer.read(*SIZE.unpack(head)))
        sys.stdout.buffer.write(SIZE.pack(len(data)) + data)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
