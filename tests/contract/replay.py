"""Replays the recorded cases against a server: `python -m tests.contract.replay --url http://127.0.0.1:8080`.

The database behind the server must be in the state that the cases start from (`rows.sql`, in a database made by
`schema.sql`). With `--dsn` what each request wrote is checked too: this puts triggers on the database's tables.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import asyncpg
import click

from tests.contract import cases, client, compare, effects

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.contract.cases import Case
    from tests.contract.client import Answer

CODE = re.compile(r"^/api/experimental/dags/([^/]+)/code$")
SLACK = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Result:
    """A case with its answer and what is wrong with it."""

    number: int
    case: Case
    answer: Answer | None
    wrong: list[str]

    def __str__(self) -> str:
        """Say what was asked, answered and wrong, in as many lines."""
        request = self.case.request
        body = (request.payload() or b"")[:150]
        lines = [f"{self.number} {self.case.name}: {request.method} {request.target()[:150].decode()} {body!r}"]
        if self.answer:
            lines.append(f"    answered {self.answer.status} {self.answer.body[:200]!r}")
        return "\n".join(lines + [f"    {reason}" for reason in self.wrong])


def _clock(case: Case, began: datetime, asked: datetime) -> compare.Clock:
    """A request that makes a date of its own must make it now; others may show what the replay made before."""
    since = asked if case.request.method == "POST" else began
    return compare.Clock(since - SLACK, datetime.now(UTC) + SLACK)


async def _source(connection: asyncpg.Connection | None, case: Case) -> str | None:
    found = CODE.match(case.request.target().decode())
    if connection is None or not found:
        return None
    source: str | None = await connection.fetchval(effects.QUERIES["source_of"], unquote(found[1]))
    if source and source.startswith("\\x"):  # Airflow stored the source of a zipped DAG as the text of its bytes
        return bytes.fromhex(source[2:]).decode()
    return source


async def _one(url: str, number: int, case: Case, began: datetime, connection: asyncpg.Connection | None) -> Result:
    asked = datetime.now(UTC)
    source = await _source(connection, case)
    try:
        answer = await client.send(url, case.request)
    except (client.BadAnswerError, OSError) as problem:
        return Result(number, case, None, [repr(problem)])
    clock = _clock(case, began, asked)
    wrong = compare.differences(case, answer, clock, source)
    if connection is not None:
        changes = await effects.take(connection)
        wrong += await effects.differences(connection, case, answer, changes, clock)
    return Result(number, case, answer, wrong)


async def replay(url: str, recorded: list[Case], connection: asyncpg.Connection | None = None) -> list[Result]:
    """Send the cases one after the other. `url` is the server's root, `connection` leads to a watched database."""
    began, results = datetime.now(UTC), []
    for number, case in enumerate(recorded):
        if case.new_second:
            await asyncio.sleep(1.01 - time.time() % 1)
        results.append(await _one(url, number, case, began, connection))
    return results


@asynccontextmanager
async def watched(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """Watch a scratch database."""
    connection = await asyncpg.connect(dsn)
    try:
        await effects.install(connection)
        yield connection
    finally:
        await connection.close()


async def _main(url: str, dsn: str | None, path: Path) -> list[Result]:
    recorded = cases.load(path)
    if dsn is None:
        return await replay(url, recorded)
    async with watched(dsn) as connection:
        return await replay(url, recorded, connection)


@click.command()
@click.option("--url", required=True, help="Root of the server, without /api/experimental.")
@click.option("--dsn", help="The server's database, a scratch one: check there what was written.")
@click.option("--cases", "path", type=click.Path(path_type=Path), default=cases.CASES, help="Cases, one a line.")
def main(url: str, dsn: str | None, path: Path) -> None:
    """Replay the recorded cases against a running server; exit status 1 if an answer is not what is expected."""
    results = asyncio.run(_main(url, dsn, path))
    if not any(result.answer for result in results):
        raise click.ClickException(f"nobody answers at {url}")
    wrong = [result for result in results if result.wrong]
    for result in wrong:
        click.echo(str(result))
    click.echo(f"{len(results)} cases, {len(wrong)} wrong")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
