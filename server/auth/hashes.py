"""Password hashes: bcrypt (Airflow 1.10's `users`, and ours) and werkzeug's formats (`ab_user`)."""

import hashlib
import hmac
import re
import secrets

import bcrypt

COST = 12
# bcrypt looks at the first 72 bytes; releases before 5.0 dropped the rest in silence, and so did Airflow.
LIMIT = 72
_BCRYPT = re.compile(r"(\$2[aby]\$)(\d\d)\$[./A-Za-z0-9]{53}")
_WERKZEUG = re.compile(r"(pbkdf2:sha(?:1|224|256|384|512)(?::\d{1,8})?|scrypt(?::\d{1,8}){3})\$([^$]+)\$([0-9a-f]+)")
_PBKDF2_DEFAULT = 1_000_000
# 128 * n * r bytes: an entry of the table must not take the machine's memory.
_SCRYPT_MEMORY = 2**28


def make(password: str) -> str:
    """Hash a new password with bcrypt, as Airflow 1.10 does; ValueError says what is wrong with it."""
    encoded = password.encode()
    if not encoded or "\0" in password:
        raise ValueError("the password must not be empty, and without NUL")
    if len(encoded) > LIMIT:
        raise ValueError(f"the password must be at most {LIMIT} bytes long: bcrypt does not look at more")
    return bcrypt.hashpw(encoded, bcrypt.gensalt(COST)).decode()


def method(stored: str) -> str | None:
    """Return how the stored hash was made (`$2b$12`, `pbkdf2:sha256:260000`, `scrypt:32768:8:1`), None if broken."""
    if match := _BCRYPT.fullmatch(stored):
        return match[1] + match[2]
    match = _WERKZEUG.fullmatch(stored)
    return match[1] if match else None


def dummy(made_by: str) -> str:
    """Return a hash that costs what one of that method costs, and that no password has."""
    if made_by.startswith("$"):
        cost = min(max(int(made_by[-2:]), 4), 31)
        return bcrypt.gensalt(cost).decode() + "." * 31
    length = 64 if made_by.startswith("scrypt") else hashlib.new(made_by.split(":")[1]).digest_size
    return f"{made_by}${secrets.token_hex(8)}${secrets.token_hex(length)}"


def verify(password: str, stored: str) -> bool | None:
    """Whether the hash is this password's; None where the stored text is no hash that can be verified. Slow."""
    try:
        if stored.startswith("$"):
            return bcrypt.checkpw(password.encode()[:LIMIT], stored.encode()) if _BCRYPT.fullmatch(stored) else None
        match = _WERKZEUG.fullmatch(stored)
        return _werkzeug(password, match) if match else None
    except ValueError:
        # A cost that bcrypt does not know, parameters that OpenSSL refuses.
        return None


def _werkzeug(password: str, match: re.Match[str]) -> bool:
    name, *numbers = match[1].split(":")
    salt = match[2].encode()
    if name == "scrypt":
        n, r, p = map(int, numbers)
        memory = min(132 * n * r * p, _SCRYPT_MEMORY)
        found = hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=memory)
    else:
        rounds = int(numbers[1]) if len(numbers) > 1 else _PBKDF2_DEFAULT
        found = hashlib.pbkdf2_hmac(numbers[0], password.encode(), salt, rounds)
    return hmac.compare_digest(found.hex(), match[3])
