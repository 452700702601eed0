"""Tokens by themselves: their text, and the file that has their digests."""

import asyncio
import contextlib
import json
import os
import re
import stat
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.auth import tokens
from server.auth.private_file import PrivateFileError
from server.auth.token_file import TokenFile
from server.database.tokens import Token
from server.errors import BadRequest

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def token(name: str, digest: bytes | None = None, **more: object) -> Token:
    """Make a token for the file."""
    values = {"role": "User", "dags": None, "created": NOW, **more}
    return Token(name, digest or tokens.digest(name), **values)  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the place of a file of tokens."""
    return tmp_path / "tokens.json"


def test_new_tokens() -> None:
    """They have a prefix, 256 bits and a checksum, no two are the same, and each has one digest."""
    made = [tokens.make() for _ in range(500)]
    assert len({*made, *map(tokens.digest, made)}) == 1000
    assert all(tokens.is_well_formed(text) for text in made)
    assert {len(text) for text in made} == {tokens.LENGTH}
    assert all(text.startswith("windsock_") and text.removeprefix("windsock_").isalnum() for text in made)
    # 256 bits: the first of 43 digits in base 62 is not always the same, and the largest number fits.
    assert len({text[9] for text in made}) > 10
    assert tokens._base62(2**256 - 1, 43) > tokens._base62(2**255, 43)


@given(st.data())
def test_a_changed_token_is_none(data: st.DataObject) -> None:
    """Whatever one changes, cuts or adds, the checksum or the form tells."""
    text = tokens.make()
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters().filter(lambda one: one != text[place]))
    assert not tokens.is_well_formed(text[:place] + other + text[place + 1 :])
    assert not tokens.is_well_formed(text[:place] + text[place + 1 :])
    assert not tokens.is_well_formed(text[:place] + other + text[place:])


@given(st.text())
def test_any_text_has_a_digest(text: str) -> None:
    """Also one that no token can be, such as the bytes of a header that are not UTF-8."""
    assert not tokens.is_well_formed(text)
    assert len(tokens.digest(text.encode("utf-8", "replace").decode("ascii", "surrogateescape"))) == 32


async def test_a_file_comes_and_changes(path: Path) -> None:
    """The first token makes the file, which only its owner may read; it has digests and nothing else of a token."""
    text = tokens.make()
    await TokenFile(path).create(token("ci", tokens.digest(text), dags=["etl_*", "a"], expires=NOW))
    await TokenFile(path).create(token("nightly"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert text[9:] not in path.read_text()
    found = TokenFile(path)
    assert [(each.name, each.dags, each.expires) for each in found.read()] == [
        ("ci", ["etl_*", "a"], NOW), ("nightly", None, None),
    ]  # fmt: skip
    with pytest.raises(BadRequest, match="exists already"):
        await found.create(token("ci"))
    with pytest.raises(BadRequest, match="not found"):
        await found.revoke("nobody")
    await found.revoke("ci")
    assert [each.name for each in found.read()] == ["nightly"]
    assert list(path.parent.iterdir()) == [path]


async def test_the_last_use_stands_beside_it(path: Path) -> None:
    """It changes no token, and a token that is gone, or its successor of the same name, has none."""
    file = TokenFile(path)
    for name in ("ci", "nightly"):
        await file.create(token(name))
    before = path.read_bytes()
    await file.note_used([tokens.digest("ci"), tokens.digest("gone")], date(2026, 1, 2))
    await file.note_used([tokens.digest("nightly")], date(2026, 1, 3))
    assert path.read_bytes() == before
    used = {each.name: each.last_used for each in TokenFile(path).read()}
    assert used == {"ci": date(2026, 1, 2), "nightly": date(2026, 1, 3)}
    await file.revoke("ci")
    await file.create(token("ci", tokens.digest("another")))
    assert [each.last_used for each in TokenFile(path).read()] == [None, date(2026, 1, 3)]
    path.with_name("tokens.json.used").write_text("[")
    assert [each.last_used for each in TokenFile(path).read()] == [None, None]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o602, 0o610])
async def test_others_may_not_use_it(path: Path, mode: int) -> None:
    """Neither the service nor the commands take such a file; the message says what to type."""
    await TokenFile(path).create(token("ci"))
    path.chmod(mode)
    with pytest.raises(PrivateFileError, match=f"mode {mode:04o}.*chmod 600 {path}"):
        TokenFile(path).read()
    with pytest.raises(PrivateFileError, match="others may use it"):
        await TokenFile(path).create(token("nightly"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
async def test_whose_it_is(path: Path) -> None:
    """A file of somebody else's is refused; what root changes stays the file of the service's user."""
    await TokenFile(path).create(token("ci"))
    os.chown(path, 12345, 12345)
    with pytest.raises(PrivateFileError, match="belongs to the user with the id 12345"):
        TokenFile(path).read()
    os.chown(path.parent, 12345, 12345)
    await TokenFile(path).create(token("nightly"))
    assert (path.stat().st_uid, len(TokenFile(path).read())) == (12345, 2)
    path.unlink()
    await TokenFile(path).create(token("first"))
    assert path.stat().st_uid == 12345


GOOD = {"name": "ci", "sha256": "0" * 64, "role": "User", "created": "2026-01-02T03:04:05Z"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        json.dumps({"tokens": [GOOD]}).encode()[:-9],
        b'{"tokens": ' + b"[" * 100_000,
        json.dumps({"tokens": [GOOD, GOOD]}).encode(),
        json.dumps({"tokens": [GOOD, {**GOOD, "name": "other"}]}).encode(),
        *(json.dumps({"tokens": [{**GOOD, **change}]}).encode() for change in (
            {"name": "a:b"}, {"name": ""}, {"sha256": "windsock_of-mine"}, {"sha256": "A" * 64}, {"role": 1},
            {"role": ""}, {"dags": "etl_*"}, {"dags": [None]}, {"expires": "soon"}, {"expire": None},
        )),
        b" " * (1 << 23) + b"{}",
    ],
)  # fmt: skip
def test_what_is_no_file_of_tokens(path: Path, content: bytes) -> None:
    """A half-written or odd file is refused as a whole, in one line that quotes nothing of it."""
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(PrivateFileError) as caught:
        TokenFile(path).read()
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert "of-mine" not in str(caught.value)


async def test_what_is_no_file(path: Path) -> None:
    """A pipe holds up nobody; commands follow no link, and leave nothing behind."""
    with pytest.raises(PrivateFileError, match="there is no such file"):
        TokenFile(path).read()
    with pytest.raises(PrivateFileError, match="there is no such file"):
        await TokenFile(path).revoke("ci")
    os.mkfifo(path, 0o600)
    with pytest.raises(PrivateFileError, match="no regular file"):
        TokenFile(path).read()
    path.unlink()
    path.symlink_to(path.parent / "elsewhere")
    with pytest.raises(PrivateFileError, match="symbolic link"):
        await TokenFile(path).create(token("ci"))
    with pytest.raises(PrivateFileError, match="No such file"):
        await TokenFile(path.parent / "nowhere" / "tokens").create(token("ci"))
    assert list(path.parent.iterdir()) == [path]


async def test_a_change_is_seen(path: Path) -> None:
    """A reader that keeps what it read sees each change, also one right after another."""
    reader = TokenFile(path)
    for number in range(20):
        await TokenFile(path).create(token(f"t{number}"))
        assert len(reader.read()) == number + 1
    # An editor may write in place, as much as before, and within one tick of the file system's clock.
    for number in range(100):
        role = "Viewer" if number % 2 else "Editor"
        path.write_bytes(re.sub(rb"User|Viewer|Editor", role.encode(), path.read_bytes()))
        assert {each.role for each in reader.read()} == {role}


async def test_races(path: Path) -> None:
    """Commands that run at the same time lose nothing of each other, and a reader never sees half a file."""

    async def create(command: int) -> None:
        for number in range(5):
            await TokenFile(path).create(token(f"c{command}-{number}"))
            with contextlib.suppress(BadRequest):
                await TokenFile(path).create(token(f"shared-{number}", os.urandom(32)))

    reader, seen = TokenFile(path), 0
    commands = asyncio.gather(*map(create, range(4)))
    while not commands.done():
        if path.exists():
            found = len(await reader.all())
            assert found >= seen
            seen = found
        await asyncio.sleep(0.001)
    await commands
    assert len(TokenFile(path).read()) == 4 * 5 + 5
    assert list(path.parent.iterdir()) == [path]


async def test_a_file_that_is_replaced_before_it_is_locked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever locks a file that is no longer there begins again, so that nothing is lost."""
    await TokenFile(path).create(token("first"))
    opened, ahead = os.open, ["second"]

    def opening(name: str | Path, flags: int, *more: int, **others: int) -> int:
        descriptor = opened(name, flags, *more, **others)
        if name == path and flags & os.O_NOFOLLOW and ahead:
            asyncio.run(TokenFile(path).create(token(ahead.pop())))
        return descriptor

    monkeypatch.setattr(os, "open", opening)
    await TokenFile(path).create(token("third"))
    assert {each.name for each in TokenFile(path).read()} == {"first", "second", "third"}
