"""Work on what others wrote, in processes that can be killed.

What is read from rows, files and templates may take for ever or all memory, on purpose or not, and nothing ends a
function of a C library in its own process. So it runs in another one, which has limits, and none of our secrets.

- `pool`: the processes as their parent sees them, and who gets the next one
- `process`: one of them, seen from its parent: how it starts, is asked, and is killed
- `child`: what runs in it
"""

from server.offload.pool import Busy, OffloadError, OutOfMemory, TookTooLong, WorkerDied, WorkerPool, WorkFailed

__all__ = ["Busy", "OffloadError", "OutOfMemory", "TookTooLong", "WorkFailed", "WorkerDied", "WorkerPool"]
