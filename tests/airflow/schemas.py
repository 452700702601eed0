"""Databases as Airflow's releases make them, without an Airflow."""

from pathlib import Path

import asyncpg

FOLDER = Path(__file__).parent / "schemas"
RELEASES = sorted((path.stem for path in FOLDER.glob("*.sql")), key=lambda name: [*map(int, name.split("."))])


def generation_of(release: str) -> int:
    """Generation of a release such as 2.10.5."""
    return int(release.partition(".")[0])


async def make_schema(dsn: str, release: str) -> None:
    """Fill an empty database with the tables of that release."""
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute((FOLDER / f"{release}.sql").read_text("utf-8"))
    finally:
        await conn.close()
