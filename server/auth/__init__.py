"""Who may call the API.

- `contract`: what a backend module offers, and the identity that it answers
- `loader`: finds the backend that the configuration names, and refuses what does not fit
- `basic`: reads HTTP Basic credentials
- `hashes`: verifies bcrypt and werkzeug hashes
- `executor`: slow work in threads of its own, with a bounded queue
- `recent`: what was read a moment ago need not be read again
- `verified`: credentials that were verified a moment ago need not be hashed again
- `throttle`: those who guess have to wait
- `sessions`: encrypted cookies instead of credentials
"""

from server.auth.contract import Backend, Identity
from server.auth.loader import ALIASES, load_backend

__all__ = ["ALIASES", "Backend", "Identity", "load_backend"]
