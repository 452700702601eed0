"""The file of bearer tokens, `[windsock] tokens_file`: digests as JSON, and beside it the days of their last use."""

import asyncio
from collections.abc import Collection
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import msgspec

from server.auth.private_file import PrivateFile, PrivateFileError, Signature
from server.auth.tokens import NAME
from server.database.tokens import MOST_TOKENS, Token, taken, too_many, unknown
from server.errors import BadRequest

_MOST_BYTES = 1 << 23
_LONGEST = 64
_Name = Annotated[str, msgspec.Meta(pattern=rf"^{NAME}\Z")]
_Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=_LONGEST)]
_Dag = Annotated[str, msgspec.Meta(min_length=1, max_length=250)]


class _Entry(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    name: _Name
    sha256: _Digest
    role: _Text
    created: datetime
    dags: list[_Dag] | None = None
    expires: datetime | None = None


class _Content(msgspec.Struct, forbid_unknown_fields=True):
    tokens: Annotated[list[_Entry], msgspec.Meta(max_length=MOST_TOKENS)]


class TokenFile:
    """The tokens in a file, which commands change and the service reads."""

    def __init__(self, path: Path) -> None:
        """Name the file; this does not look at it."""
        self._file = PrivateFile(path, _MOST_BYTES, "windsock create_token")
        self._used = PrivateFile(path.with_name(f"{path.name}.used"), _MOST_BYTES)
        self._read: tuple[Signature, list[Token]] | None = None

    async def all(self) -> list[Token]:
        """Return all tokens, by name; raises PrivateFileError."""
        return await asyncio.to_thread(self.read)

    def read(self) -> list[Token]:
        """Return all tokens, by name. A file that has not changed is read only once. Raises PrivateFileError."""
        if self._read is not None and self._file.signature() == self._read[0]:
            return self._read[1]
        content, signature = self._file.read()
        days = self._days()
        tokens = [_token(entry, days) for entry in self._entries(content)]
        self._read = None if signature is None else (signature, tokens)
        return tokens

    async def create(self, token: Token) -> None:
        """Add a token; raises BadRequest if its name is taken or if there are too many, and PrivateFileError."""

        def add(content: bytes) -> bytes:
            entries = self._entries(content)
            if any(entry.name == token.name for entry in entries):
                raise BadRequest(taken(token.name))
            if len(entries) >= MOST_TOKENS:
                raise BadRequest(too_many())
            return _encode([*entries, _entry(token)])

        await asyncio.to_thread(self._file.update, add, _encode([]))

    async def revoke(self, name: str) -> None:
        """Remove a token; raises BadRequest if there is none of that name, and PrivateFileError."""

        def remove(content: bytes) -> bytes:
            entries = self._entries(content)
            rest = [entry for entry in entries if entry.name != name]
            if len(rest) == len(entries):
                raise BadRequest(unknown(name))
            return _encode(rest)

        await asyncio.to_thread(self._file.read)
        await asyncio.to_thread(self._file.update, remove, _encode([]))

    async def note_used(self, digests: Collection[bytes], day: date) -> None:
        """Write that these tokens were used on a day; raises PrivateFileError."""
        await asyncio.to_thread(self._note_used, digests, day)

    def _note_used(self, digests: Collection[bytes], day: date) -> None:
        known = {token.digest.hex() for token in self.read()}

        def note(content: bytes) -> bytes:
            days = {**_decode_days(content), **{digest.hex(): day for digest in digests}}
            return msgspec.json.encode({digest: used for digest, used in days.items() if digest in known})

        self._used.update(note, b"{}")

    def _days(self) -> dict[str, date]:
        try:
            return _decode_days(self._used.read()[0])
        except PrivateFileError:
            return {}

    def _entries(self, content: bytes) -> list[_Entry]:
        try:
            entries = msgspec.json.decode(content, type=_Content).tokens
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            reason = str(error) if isinstance(error, msgspec.DecodeError) else type(error).__name__
            raise PrivateFileError(f"{self._file.path}: this is no complete file of tokens: {reason}") from error
        for field in ("name", "sha256"):
            if len({getattr(entry, field) for entry in entries}) < len(entries):
                raise PrivateFileError(f"{self._file.path}: two tokens have the same {field}")
        return sorted(entries, key=lambda entry: entry.name)


def _decode_days(content: bytes) -> dict[str, date]:
    try:
        return msgspec.json.decode(content, type=dict[_Digest, date])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        # Nothing depends on it.
        return {}


def _encode(entries: list[_Entry]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(_Content(entries)), indent=2) + b"\n"


def _entry(token: Token) -> _Entry:
    return _Entry(token.name, token.digest.hex(), token.role, token.created, token.dags, token.expires)


def _token(entry: _Entry, days: dict[str, date]) -> Token:
    return Token(
        entry.name, bytes.fromhex(entry.sha256), entry.role, entry.dags, _aware(entry.created),
        None if entry.expires is None else _aware(entry.expires), days.get(entry.sha256),
    )  # fmt: skip


def _aware(moment: datetime) -> datetime:
    """Read a time without a zone as UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
