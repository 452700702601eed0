"""Users for tests, with hashes that cost little."""

import base64
from collections.abc import Mapping

import asyncpg
import bcrypt

PASSWORD = "secret"
CHEAP = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()


def other_hash(text: str = "other") -> str:
    """Return a cheap hash of another password."""
    return bcrypt.hashpw(text.encode(), bcrypt.gensalt(4)).decode()


async def execute(dsn: str, statement: str, *arguments: object) -> list[asyncpg.Record]:
    """Run one statement on the test's database."""
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetch(statement, *arguments)
    finally:
        await connection.close()


async def add_user(dsn: str, name: str, stored: str | None = CHEAP) -> None:
    """Add a user, or change the stored hash."""
    statement = (
        "INSERT INTO users (username, password) VALUES ($1, $2) ON CONFLICT (username) DO UPDATE SET password = $2"
    )
    await execute(dsn, statement, name, stored)


def basic(user: str, password: str = PASSWORD) -> Mapping[str, str]:
    """Return the header for user and password."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}
