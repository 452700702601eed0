"""Password hashes: bcrypt (in `users`, Airflow 1.10's and ours) and werkzeug's formats (in `ab_user`).

A stored hash says how much it costs to verify. One that would keep a thread busy for more than a second or two is
refused: otherwise, whoever can write a row could keep all other passwords from being verified.
"""

import hashlib
import hmac
import re
import secrets

import bcrypt

COST = 12
# bcrypt uses the first 72 bytes. Releases before 5.0 silently dropped the rest, and so did Airflow.
LIMIT = 72
_BCRYPT = re.compile(r"(\$2[aby]\$)([0-9]{2})\$[./A-Za-z0-9]{53}")
_WERKZEUG = re.compile(
    r"(pbkdf2:sha(?:1|224|256|384|512)(?::[0-9]{1,20})?|scrypt(?::[0-9]{1,20}){3})\$([^$]{1,128})\$([0-9a-f]{1,256})"
)
_PBKDF2_DEFAULT = 1_000_000
# Each limit is about four times what the libraries choose today.
_BCRYPT_COSTS = range(4, 15)
_PBKDF2_ROUNDS = 4_000_000
# n * r * p determines the time. The memory is 128 * n * r bytes, so it is at most 256 MB.
_SCRYPT_WORK = 2**21


def make(password: str) -> str:
    """Hash a new password with bcrypt, as Airflow 1.10 does; raises ValueError, which says what is wrong with it."""
    encoded = password.encode()
    if not encoded or "\0" in password:
        raise ValueError("the password must not be empty, and must not contain NUL")
    if len(encoded) > LIMIT:
        raise ValueError(f"the password must be at most {LIMIT} bytes long, because bcrypt ignores the rest")
    return bcrypt.hashpw(encoded, bcrypt.gensalt(COST)).decode()


def fault(stored: str) -> str | None:
    """Say why a stored text cannot be verified, without quoting it; None if it is a usable hash."""
    if match := _BCRYPT.fullmatch(stored):
        return None if int(match[2]) in _BCRYPT_COSTS else f"its cost is above {_BCRYPT_COSTS[-1]}, or no cost"
    match = _WERKZEUG.fullmatch(stored)
    if match is None:
        return "it is neither bcrypt nor one of werkzeug's pbkdf2 and scrypt"
    name, *numbers = match[1].split(":")
    if name == "pbkdf2":
        rounds = int(numbers[1]) if len(numbers) > 1 else _PBKDF2_DEFAULT
        return None if 0 < rounds <= _PBKDF2_ROUNDS else f"its rounds are above {_PBKDF2_ROUNDS}, or none"
    n, r, p = map(int, numbers)
    return None if 0 < n * r * p <= _SCRYPT_WORK else f"its n * r * p is above {_SCRYPT_WORK}, or 0"


def method(stored: str) -> str | None:
    """Return how a hash was made (`$2b$12`, `pbkdf2:sha256:260000`, `scrypt:32768:8:1`); None if it has a `fault`."""
    return None if fault(stored) else stored[:6] if stored.startswith("$") else stored.partition("$")[0]


def dummy(made_by: str) -> str:
    """Return a hash that no password has, and that costs as much to verify as one made by that method."""
    if made_by.startswith("$"):
        return bcrypt.gensalt(int(made_by[-2:])).decode() + "." * 31
    length = 64 if made_by.startswith("scrypt") else hashlib.new(made_by.split(":")[1]).digest_size
    return f"{made_by}${secrets.token_hex(8)}${secrets.token_hex(length)}"


def verify(password: str, stored: str) -> bool | None:
    """Whether the password has this hash; None if the stored text has a `fault`. Slow, but bounded."""
    if fault(stored):
        return None
    try:
        if stored.startswith("$"):
            return bcrypt.checkpw(password.encode()[:LIMIT], stored.encode())
        return _werkzeug(password, *stored.split("$"))
    except ValueError:
        # OpenSSL refuses the parameters.
        return None


def _werkzeug(password: str, made_by: str, salt: str, expected: str) -> bool:
    name, *numbers = made_by.split(":")
    if name == "scrypt":
        n, r, p = map(int, numbers)
        memory = 132 * n * r * p
        found = hashlib.scrypt(password.encode(), salt=salt.encode(), n=n, r=r, p=p, maxmem=memory)
    else:
        rounds = int(numbers[1]) if len(numbers) > 1 else _PBKDF2_DEFAULT
        found = hashlib.pbkdf2_hmac(numbers[0], password.encode(), salt.encode(), rounds)
    return hmac.compare_digest(found.hex(), expected)
