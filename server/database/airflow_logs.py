"""The logs of an Airflow's task instances, by the names that its template gives them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec import UNSET

from server.database.database import Database
from server.database.decoder import Decoder
from server.database.log_templates import LogFacts
from server.database.settings import Settings
from server.task_logs.reading import LogFile, LogName, airflow_log
from server.task_logs.writing import NoLogError
from server.wire.dates import stored_date
from server.wire.run_names import RunName, in_words
from server.wire.shapes import TaskInstance

if TYPE_CHECKING:
    import asyncpg

    from windsock.config import Config

# In these states a task waits for its next try. Some releases have counted that try already, and others count one less
# while it waits for a moment or a trigger: so the last log may be that of the try before or after the counted one.
_WAITING = frozenset({None, "scheduled", "queued", "deferred", "up_for_reschedule", "restarting"})


class Names(NamedTuple):
    """Names of a log below `base_log_folder`: those that are likely, in this order, and the one to tell people."""

    likely: Sequence[LogName]
    shown: str


class AirflowLogs:
    """Finds the logs of an Airflow's task instances below `base_log_folder`."""

    def __init__(self, database: Database, settings: Settings, decoder: Decoder, config: "Config") -> None:
        """Read `database`; `decoder` renders its templates, or that of `config` where it has none (1.10)."""
        self._database = database
        self._has_mapped = settings.generation.has_mapped_tasks
        self._decoder = decoder
        self._template = config.log_filename_template
        self._folder = config.base_log_folder
        remote = f", or below {config.remote_base_log_folder}" if config.remote_base_log_folder else ""
        self._remote = remote if config.remote_logging else ""

    async def open(self, instance: TaskInstance, run: RunName, try_number: int | None) -> LogFile:
        """Open the log of a try, by default of the last one; `run` is what the caller named the run by.

        Raises NoLogError, which says where the log is; Forbidden if what has its name is no log; Unavailable.
        """
        dated = instance.execution_date != str(None)
        date = instance.execution_date.replace(" ", "T")
        where = f"Task {instance.task_id} {f'at date {date}' if dated else f'in the run for {in_words(run)}'}"
        try:
            names = await self._names(instance, try_number)
        except NoLogError as error:
            raise NoLogError(f"{where}: {error}") from error
        try:
            return await airflow_log(self._folder, names.likely, where)
        except NoLogError as error:
            host = f"; the task last ran on {instance.hostname}" if instance.hostname not in {"", "None"} else ""
            raise NoLogError(f"{error}; its name is {names.shown} below base_log_folder{self._remote}{host}") from error

    async def _names(self, instance: TaskInstance, try_number: int | None) -> Names:
        """Return where the log may be; raises NoLogError if the task has not begun or its template is of no use."""
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
        if not self._has_mapped:
            date = stored_date(instance.execution_date)
            if date is None:
                message = "its log has no name, because Airflow cannot read the date of its run"
                raise NoLogError(message)
            run, map_index = date.isoformat(), -1
        elif instance.run_id is UNSET or instance.map_index is UNSET:
            return None
        else:
            run, map_index = instance.run_id, int(instance.map_index)
        rows = await self._database.fetch("find_log_facts", instance.dag_id, instance.task_id, run, map_index)
        return rows[0] if rows else None


def _tries(row: "asyncpg.Record") -> list[int]:
    counted = row["try_number"] or 0
    tries = (counted + 1, counted, counted - 1) if row["state"] in _WAITING else (counted,)
    return [each for each in tries if each > 0]
