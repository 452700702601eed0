"""The rows of `job`, one for each scheduler, and the locks by which others see that a scheduler lives.

`entry_point` begins and ends this scheduler's job, `scheduler` writes its heartbeat, `notifications` holds its lock,
and `reaper` looks for jobs of others whose lock nobody holds.
"""

from collections.abc import Sequence

import asyncpg

from server.database.connections import Connection
from server.database.database import Database

JOB_LOCK = 0x77690001
"""The class of the advisory locks of jobs; the job's id is the lock's second number."""


class Jobs:
    """Statements about jobs. Methods that take a connection run on it: in its transaction, or for its session."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = database.statements

    async def start(self, hostname: str, unixname: str) -> int:
        """Begin a job and return its id."""
        job_id: int = await self._database.fetchval("start_job", hostname, unixname)
        return job_id

    async def heartbeat(self, job_id: int) -> None:
        """Write that the scheduler makes progress."""
        await self._database.fetch("heartbeat", job_id)

    async def end(self, job_id: int, state: str) -> None:
        """End a job."""
        await self._database.fetch("end_job", job_id, state)

    async def end_unread(self, seconds: float) -> None:
        """End sessions of ours that hold locks and whose process has been suspended for so long."""
        await self._database.fetch("end_unread", seconds)

    async def end_when_silent(self, connection: "asyncpg.Connection[asyncpg.Record]", seconds: float) -> None:
        """Let Postgres end this session, and with it its locks, when its process has sent nothing for so long."""
        await connection.execute(self._sql["end_when_silent"], str(round(seconds * 1000)))

    async def ping(self, connection: "asyncpg.Connection[asyncpg.Record]", timeout: float) -> None:  # noqa: ASYNC109 - asyncpg's
        """Show that this session's process runs. Raises TimeoutError."""
        await connection.fetchval(self._sql["ping"], timeout=timeout)

    async def take_lock(self, connection: "asyncpg.Connection[asyncpg.Record]", job_id: int) -> bool:
        """Take the lock of a job for this session; False if another one has it."""
        return bool(await connection.fetchval(self._sql["lock_job"], JOB_LOCK, job_id))

    async def silent(self, own: int, seconds: float) -> list[int]:
        """Return the jobs with tasks, other than `own`, that have had no heartbeat for so long."""
        return [row["job_id"] for row in await self._database.fetch("silent_jobs", own, seconds)]

    async def lock_dead(self, conn: Connection, job_id: int) -> bool:
        """Take the lock of a job for this transaction; False if its scheduler holds it, and so lives."""
        return bool(await conn.fetchval(self._sql["lock_dead_job"], JOB_LOCK, job_id))

    async def orphans(self, conn: Connection, job_id: int) -> list[asyncpg.Record]:
        """Lock and return the tasks of a dead job; the transaction may then wait for their processes to end."""
        await conn.fetch(self._sql["allow_rest"])
        return await conn.fetch(self._sql["orphans"], job_id)

    async def endings(self, conn: Connection, job_id: int) -> list[asyncpg.Record]:
        """Return the tries that were taken away from a dead job while they ran."""
        return await conn.fetch(self._sql["endings"], job_id)

    async def drop_endings(self, conn: Connection, ids: Sequence[int]) -> None:
        """Note that these have no processes any more."""
        await conn.execute(self._sql["drop_endings"], ids)

    async def fail(self, conn: Connection, job_id: int) -> None:
        """Write that a job's scheduler has died."""
        await conn.execute(self._sql["fail_job"], job_id)
