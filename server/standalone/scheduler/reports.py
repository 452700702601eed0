"""Writes how tries ended; if the database refuses the report of a try, only that try fails."""

from collections.abc import Mapping
from pathlib import Path

import asyncpg
import structlog

from server.standalone.scheduler.local_executor import TryId
from server.standalone.scheduler.store import Ended, Store
from server.task_logs.writing import NoLogError, log_folder, open_log
from windsock.text import first_line

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

# SQLSTATE classes that are about the written values: cardinality, data, integrity, raised by a trigger, limits.
_REFUSALS = frozenset({"21", "22", "23", "27", "P0", "54"})


class Reporter:
    """Reports the tries of one scheduler."""

    def __init__(self, store: Store, job_id: int, base: Path) -> None:
        """`base` is the folder of the logs."""
        self._store = store
        self._job_id = job_id
        self._base = base

    async def report(self, tries: Mapping[TryId, Ended]) -> list[TryId]:
        """Write how these tries ended; return those that are done with. Raises what a lost database raises."""
        try:
            await self._store.end_tries(self._job_id, list(tries.values()))
        except asyncpg.PostgresError as error:
            if not _is_refusal(error):
                raise
            if len(tries) == 1:
                ((identity, ended),) = tries.items()
                return await self._fail(identity, ended, error)
            return [done for each in tries.items() for done in await self.report(dict([each]))]
        return list(tries)

    async def _fail(self, identity: TryId, ended: Ended, error: asyncpg.PostgresError) -> list[TryId]:
        where = {"dag_id": ended.key.dag_id, "task_id": ended.key.task_id}
        if not ended.xcoms and ended.state is ended.failed:
            _log.error("the end of a task cannot be written", **where, reason=first_line(error))
            return []
        _log.error("a task failed: the database refuses its result", **where, reason=first_line(error))
        self._note(ended, error)
        return await self.report({identity: ended._replace(state=ended.failed, xcoms={})})

    def _note(self, ended: Ended, error: asyncpg.PostgresError) -> None:
        key = ended.key
        try:
            with open_log(log_folder(self._base, key.dag_id, key.task_id, key.execution_date), ended.try_number) as log:
                log.say(f"Failed: the database refuses its result: {first_line(error)}")
        except (OSError, NoLogError) as reason:
            _log.warning("the log of a task cannot be written", dag_id=key.dag_id, reason=str(reason))


def _is_refusal(error: asyncpg.PostgresError) -> bool:
    return (error.sqlstate or "")[:2] in _REFUSALS
