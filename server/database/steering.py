"""Steers runs: stops or marks them, repeats their tasks, marks a task, deletes them; as Airflow's own commands do.

What a release's rows do not let Windsock do as that Airflow does it is refused with NotSupported.
"""
# ruff: noqa: ARG002 - nothing is done yet

from collections.abc import Sequence

import msgspec

from server.database.dags import Dags
from server.database.database import Database
from server.database.settings import Settings
from server.errors import NotSupported
from server.wire.run_names import RunName
from server.wire.steering import Clear


class Named(msgspec.Struct, frozen=True):
    """A task instance that was steered, with the state that it had before; `map_index` is -1 unless it is mapped."""

    task_id: str
    map_index: int
    state: str | None


class Steered(msgspec.Struct, frozen=True):
    """A run whose state was set, or one of whose tasks was marked: its state now, and the instances that changed."""

    dag_id: str
    execution_date: str | None
    """In ISO 8601; None for a run without a date (Airflow 3)."""
    run_id: str
    state: str | None
    task_instances: Sequence[Named]


class Cleared(msgspec.Struct, frozen=True):
    """A run whose task instances were cleared, or with `dry_run` would be: its state now, and these instances."""

    dag_id: str
    dry_run: bool
    execution_date: str | None
    run_id: str
    state: str | None
    task_instances: Sequence[Named]


class Deleted(msgspec.Struct, frozen=True):
    """A run that was deleted; `count` is the number of rows, of all tables."""

    dag_id: str
    execution_date: str | None
    run_id: str
    count: int


class Steering:
    """Changes the rows of runs and of what belongs to them, each request in one transaction.

    Every method raises NotFound for the DAG, the run or a task; Conflict if the DAG, or what is stored of it, does not
    allow it; and NotSupported if it cannot be done safely beside this Airflow.
    """

    def __init__(self, database: Database, settings: Settings, dags: Dags) -> None:
        """Steer the runs of `database`, whose DAGs are `dags`."""
        self._database = database
        self._settings = settings
        self._dags = dags

    async def set_run_state(self, dag_id: str, run: RunName, state: str) -> Steered:
        """Stop a run (`failed`), or mark it as a `success`; its tasks that are under way are ended."""
        raise self._not_supported()

    async def clear(self, dag_id: str, run: RunName, asked: Clear) -> Cleared:
        """Repeat task instances of a run, which is under way again then."""
        raise self._not_supported()

    async def set_instance_state(
        self, dag_id: str, run: RunName, task_id: str, map_index: int | None, state: str
    ) -> Steered:
        """Mark a task of a run as `failed` or `success`; for `map_index` None, all its instances."""
        raise self._not_supported()

    async def delete_run(self, dag_id: str, run: RunName) -> Deleted:
        """Delete a run, with everything that belongs to it."""
        raise self._not_supported()

    def _not_supported(self) -> NotSupported:
        name = self._settings.generation.name
        return NotSupported(f"Windsock cannot do this beside {name}; use Airflow's own command")
