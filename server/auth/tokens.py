"""Bearer tokens: their text, and where they are stored.

A token is `windsock_`, 256 random bits in base 62, and a checksum, so that a program that looks for secrets in code and
logs can tell one from other words. Only its SHA-256 is stored: random bits need no salt and no slow hash.
"""

import hashlib
import secrets
import string
import zlib
from collections.abc import Collection
from datetime import date
from typing import Protocol

from server.database.tokens import Token

PREFIX = "windsock_"
NAME = "[A-Za-z0-9][A-Za-z0-9_.-]{0,99}"
"""The names of tokens, as a regular expression."""
USER_PREFIX = "token:"
"""What the name of a token has before it where users are named: no user name has a colon."""

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
# 62 ** 43 is more than 2 ** 256, and 62 ** 6 more than 2 ** 32.
_RANDOM, _CHECKSUM = 43, 6
LENGTH = len(PREFIX) + _RANDOM + _CHECKSUM


class TokenStore(Protocol):
    """Where tokens are stored: a table or a file."""

    async def all(self) -> list[Token]:
        """Return all tokens, by name."""

    async def create(self, token: Token) -> None:
        """Add a token; raises BadRequest if its name is taken."""

    async def revoke(self, name: str) -> None:
        """Remove a token; raises BadRequest if there is none of that name."""

    async def note_used(self, digests: Collection[bytes], day: date) -> None:
        """Write that these tokens were used on a day."""


def make() -> str:
    """Return the text of a new token."""
    random = _base62(int.from_bytes(secrets.token_bytes(32)), _RANDOM)
    return f"{PREFIX}{random}{_checksum(random)}"


def is_well_formed(text: str) -> bool:
    """Whether a text looks like a token of ours, down to its checksum."""
    rest = text.removeprefix(PREFIX)
    if len(text) != LENGTH or rest == text or not (rest.isascii() and rest.isalnum()):
        return False
    return rest[_RANDOM:] == _checksum(rest[:_RANDOM])


def digest(text: str) -> bytes:
    """Return what is stored of a token."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


def _checksum(random: str) -> str:
    return _base62(zlib.crc32(random.encode()), _CHECKSUM)


def _base62(number: int, width: int) -> str:
    text = ""
    for _ in range(width):
        number, digit = divmod(number, len(_DIGITS))
        text = _DIGITS[digit] + text
    return text
