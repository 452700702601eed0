"""Authentication: who may call the API.

- `contract`: what a backend module offers, and the identity that it returns
- `backends`: finds the backend that the configuration names, and refuses one that does not fit
- `chain`: several backends; the scheme word of a request chooses
- `basic`: reads HTTP Basic credentials
- `hashes`: verifies bcrypt and werkzeug hashes
- `fair_queue`: a queue in which nobody can push out the others
- `executor`: does slow work in threads of its own, with a bounded queue
- `verified`: does not hash credentials again that were verified a moment ago
- `throttle`: makes those wait who guess passwords
- `tokens`, `token_file`, `private_file`: bearer tokens, and a file of theirs that others may not read
- `sessions`, `cookies`: encrypted cookies instead of credentials
"""

from server.auth.backends import ALIASES, load_backend
from server.auth.chain import Chain, load_chain
from server.auth.contract import Backend, Identity

__all__ = ["ALIASES", "Backend", "Chain", "Identity", "load_backend", "load_chain"]
