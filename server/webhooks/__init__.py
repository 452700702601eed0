"""Tells somebody when a run ends: a signed POST to `[windsock] on_run_end_url`, at least once for each end.

Of all processes that serve a database one does this: the one that holds an advisory lock (`lease.py`). `Teller` looks
for ends and sends; `Journal` is what it knows, in bounded memory, and `stores.py` writes that down.
"""

from server.webhooks.teller import Teller

__all__ = ["Teller"]
