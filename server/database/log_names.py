"""Where the logs of an Airflow's task instances are: the names that its template gives them."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec import UNSET

from server.database.database import Database
from server.database.decoder import Decoder
from server.database.log_templates import LogFacts
from server.task_logs.reading import LogName
from server.task_logs.writing import NoLogError
from server.wire.shapes import TaskInstance

if TYPE_CHECKING:
    import asyncpg

# In these states a task waits for its next try. Some releases have counted that try already, and others count one less
# while it waits for a moment or a trigger: so the last log may be that of the try before or after the counted one.
_WAITING = frozenset({None, "scheduled", "queued", "deferred", "up_for_reschedule", "restarting"})


class Names(NamedTuple):
    """Names of a log below `base_log_folder`: those that are likely, in this order, and the one to tell people."""

    likely: Sequence[LogName]
    shown: str


class LogNames:
    """Makes the names of logs below `base_log_folder`."""

    def __init__(self, database: Database, decoder: Decoder, template: str) -> None:
        """Read `database`; `decoder` renders its templates, and `template` where the database has none (1.10)."""
        self._database = database
        self._decoder = decoder
        self._template = template

    async def of(self, instance: TaskInstance, try_number: int | None) -> Names:
        """Return where the log of a try may be, by default of the last one.

        Raises NoLogError if the task has not begun or a template cannot be rendered, and Unavailable.
        """
        row = await self._row(instance)
        tries = _tries(row) if row is not None and try_number is None else [try_number or 0]
        if row is None or not tries:
            message = "there is no log of any try: it has not begun"
            raise NoLogError(message)
        facts = LogFacts(
            dag_id=instance.dag_id,
            task_id=instance.task_id,
            run_id=row["run_id"],
            map_index=row["map_index"],
            date=row["logical_date"],
            data_interval_start=row["data_interval_start"],
            data_interval_end=row["data_interval_end"],
            tries=tries,
            templates=[self._template] if row["templates"] is None else row["templates"],
        )
        rendered = await self._decoder.log_names(instance.dag_id, msgspec.json.encode(facts))
        if not isinstance(rendered, list) or not rendered:
            reason = "there is none" if isinstance(rendered, list) else rendered.reason
            message = f"Airflow's log_filename_template cannot be rendered here: {reason}"
            raise NoLogError(message)
        names = [LogName(number, path) for number, path in rendered]
        counted = (name.path for name in names if name.try_number == (try_number or row["try_number"]))
        return Names(names, next(counted, names[0].path))

    async def _row(self, instance: TaskInstance) -> "asyncpg.Record | None":
        """Return the facts of an instance; None if it has no row."""
        by_date = instance.map_index is UNSET
        run = datetime.fromisoformat(instance.execution_date).isoformat() if by_date else str(instance.run_id)
        rows = await self._database.fetch(
            "find_log_facts", instance.dag_id, instance.task_id, run, -1 if by_date else int(str(instance.map_index))
        )
        return rows[0] if rows else None


def _tries(row: "asyncpg.Record") -> list[int]:
    counted = row["try_number"] or 0
    tries = (counted + 1, counted, counted - 1) if row["state"] in _WAITING else (counted,)
    return [each for each in tries if each > 0]
