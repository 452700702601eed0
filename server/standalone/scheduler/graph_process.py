"""What a worker process does with a large DAG before the scheduler reads it; `graphs` asks.

The scheduler needs the DAG itself, with objects that no other process can hand over. So it is read here first: what
takes all time or memory, or cannot be read at all, does so here.
"""

from server.standalone.scheduler.graph import read_graph


def _read(document: bytes) -> bytes:
    read_graph("", document)
    return b""


FUNCTIONS = {"read": _read}
