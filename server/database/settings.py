"""What the parts of the metadata layer share: batching limits and facts about the database."""

import re
from dataclasses import dataclass
from typing import TypeVar

from server.database.batch import Batcher, Run
from server.database.generations import Generation, LogStyle

Key = TypeVar("Key")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Settings:
    """Facts that are found out when the service starts, and again after a migration."""

    generation: Generation
    revision: str | None
    tables: frozenset[str]
    log_style: LogStyle
    graph_url: str
    run_id_pattern: re.Pattern[str]
    reserved_types: tuple[str, ...]
    allows_double_dots: bool
    cron_intervals: bool
    parallelism: int
    max_active_tasks: int
    max_active_runs: int
    """Limits from the configuration; the last two are for DAGs that have none of their own."""
    catchup_by_default: bool
    """Whether schedules make the runs that they have missed, if the DAG does not say."""
    task_instances: str
    """Which runs of Airflow 3 get their task instances at once: those of a bundle's version, all, or none."""
    batch_size: int
    batch_in_flight: int
    batch_queue_limit: int

    @property
    def standalone(self) -> bool:
        """Whether the database is Windsock's own, not an Airflow's."""
        return self.revision is None

    def run_url(self, dag_id: str) -> str:
        """Return the start of `dag_run_url` for a DAG's runs; the statements add the date, or in 3.x the run_id."""
        return f"{self.graph_url}{self.generation.quote_dag_id(dag_id)}{self.generation.graph_page}"

    def batcher(self, name: str, run: "Run[Key, Result]") -> Batcher[Key, Result]:
        """Make a batcher with the configured limits; `name`, here and below, is that of its statement."""
        return Batcher(
            name, run, size=self.batch_size, in_flight=self.batch_in_flight, queue_limit=self.batch_queue_limit
        )

    def queue(self, name: str, run: "Run[Key, Result]") -> Batcher[Key, Result]:
        """Make a batcher for work that cannot share a statement: callers then wait for a turn, not for a connection."""
        return Batcher(name, run, size=1, in_flight=2 * self.batch_in_flight, queue_limit=self.batch_queue_limit)

    def shared(self, name: str, run: "Run[Key, Result]") -> Batcher[Key, Result]:
        """Make a batcher for costly reads that are often the same: one at a time, for all that wait (single-flight)."""
        return Batcher(name, run, size=self.batch_queue_limit, in_flight=1, queue_limit=self.batch_queue_limit)
