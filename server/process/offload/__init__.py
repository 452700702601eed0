"""Runs work on untrusted data in processes that can be killed.

To read a row, file or template of others may take for ever or take all memory, on purpose or not, and nothing can stop
a function of a C library within its own process. So it runs in another process, with limits and without our secrets.

- `pool`: the processes, and which work gets the next one
- `process`: one process as its parent sees it: it is started, asked and killed
- `work_loop`: what runs in the process
"""

from server.process.offload.pool import Busy, OffloadError, OutOfMemory, TookTooLong, WorkerDied, WorkerPool, WorkFailed

__all__ = ["Busy", "OffloadError", "OutOfMemory", "TookTooLong", "WorkFailed", "WorkerDied", "WorkerPool"]
