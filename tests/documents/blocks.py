"""The fenced blocks of README.md and docs/: what they are, and which of them nobody types.

A comment right above a block says that it is not to be run, and why: `<!-- illustration: it takes an hour -->`.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))
# What a command prints or a server answers; the rest is typed, run or read by a program.
OUTPUT = "text"
_FENCE = re.compile(r"^( *)```(\S*)$")
_COMMENT = re.compile(r"^ *<!-- illustration: (.+) -->$")
_HEADING = re.compile(r"^#{1,3} (.*)$")
_PASSWORD = re.compile(r"(curl .*?-u )(\w+) ")


class Block(NamedTuple):
    """A block; `illustration` is the reason why it is not run, None for those that are."""

    page: str
    line: int
    heading: str
    language: str
    text: str
    illustration: str | None

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return f"{self.page}:{self.line}"

    @property
    def file(self) -> str | None:
        """The file that it is, by the comment in its first line: `# dags/hello.yaml`."""
        found = re.match(r"(?:#|//) (\S+\.\w+|Jenkinsfile)\n", self.text)
        return found[1] if found else None


def blocks(page: str) -> list[Block]:
    """Return the blocks of a page in their order."""
    return list(_read(page, (ROOT / page).read_text("utf-8").splitlines()))


def _read(page: str, lines: list[str]) -> Iterator[Block]:
    heading, numbered = "", iter(enumerate(lines, 1))
    for number, line in numbered:
        if found := _HEADING.match(line):
            heading = found[1]
        if found := _FENCE.match(line):
            margin = len(found[1])
            text = "".join(f"{inner[margin:]}\n" for inner in _until_fence(numbered))
            reason = _COMMENT.match(lines[number - 2]) if number > 1 else None
            yield Block(page, number, heading, found[2], text, reason[1] if reason else None)


def _until_fence(numbered: Iterator[tuple[int, str]]) -> Iterator[str]:
    for _, line in numbered:
        if line.strip() == "```":
            return
        yield line


def with_password(text: str, password: str) -> str:
    """Tell curl the password for which it would ask."""
    return _PASSWORD.sub(lambda found: f"{found[1]}{found[2]}:{password} ", text)
