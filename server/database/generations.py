"""Tells which Airflow made a database, by the revision in `alembic_version`; it never guesses."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from server.errors import StartupError

# The revision at which each release's migrations end, and the releases that share it.
RELEASES: Mapping[str, str] = {
    "952da73b5eff": "1.10.10",
    "a66efa278eea": "1.10.11",
    "da3f683c3a5a": "1.10.12",
    "03afc6b6f902": "1.10.13 to 1.10.15",
    "405de8318b3a": "2.7.0 to 2.7.3",
    "10b52ebd31f7": "2.8.0",
    "88344c1d9134": "2.8.1 to 2.8.4",
    "1949afb29106": "2.9.0 and 2.9.1",
    "686269002441": "2.9.2 and 2.9.3",
    "22ed7efa9da2": "2.10.0 to 2.10.2",
    "5f2621c13b39": "2.10.3 to 2.11",
    "29ce7909c52b": "3.0.0 to 3.0.2",
    "fe199e1abd77": "3.0.3 to 3.0.6",
    "cc92b33c6709": "3.1.0 to 3.1.7",
    "509b94a1042d": "3.1.8",
    "1d6611b6ab7c": "3.2",
    "d2f4e1b3c5a7": "3.3",
}
# Types of runs that only Airflow itself makes, by the release that introduced them; a prefix of the run_id names it.
_RUN_TYPES: Mapping[int, Mapping[str, str]] = {
    1: {},
    2: {"scheduled": "2", "backfill": "2", "dataset_triggered": "2"},
    3: {
        "scheduled": "3",
        "backfill": "3",
        "asset_triggered": "3",
        "asset_materialization": "3.2",
        "operator_triggered": "3.3",
    },
}
# Since this release, two dots in a row are taken for a way out of a folder.
_REFUSES_DOUBLE_DOTS = "3.3"
# The statements of each generation; a statement in a later file replaces the one of the same name in an earlier file.
FILES: Mapping[int, Sequence[str]] = {
    1: ("common.sql", "airflow1.sql"),
    2: ("common.sql", "newer.sql", "airflow2.sql"),
    3: ("common.sql", "newer.sql", "airflow3.sql"),
}


class UnknownAirflow(StartupError):
    """No tested release has the database's revision."""

    def __init__(self, revisions: Sequence[str], more: str = "") -> None:
        shown = ", ".join(sorted(revisions)) or "no revision at all"
        known = "; ".join(f"{release} ({revision})" for revision, release in RELEASES.items())
        super().__init__(
            f"this database was made by an Airflow that Windsock was never tested with (alembic_version: {shown})."
            f" Known are {known}. To serve it all the same, at your own risk, set"
            f" [windsock] allow_unknown_airflow = True{more}"
        )
        self.brief = (
            f"The database has the schema of no Airflow that Windsock knows (alembic_version: {shown}): it is being"
            " migrated, or Windsock must be updated; nothing was done, try again shortly"
        )


def generation_of(revisions: Sequence[str], columns: AbstractSet[str], *, allow_unknown: bool) -> int:
    """Return 1, 2 or 3 for the rows of `alembic_version`.

    Raises UnknownAirflow for a revision that no tested release has. `allow_unknown` overrules that: then the columns of
    the database decide.
    """
    known = {int(RELEASES[revision][0]) for revision in revisions if revision in RELEASES}
    if len(revisions) == 1 and known:
        return known.pop()
    if not allow_unknown:
        raise UnknownAirflow(revisions)
    if "dag_run.logical_date" in columns:
        return 3
    if "dag_run.data_interval_start" in columns and "task_instance.map_index" in columns:
        return 2
    if "dag_run.execution_date" in columns and "dag_run.run_type" not in columns:
        return 1
    raise UnknownAirflow(revisions, "; but its tables are those of no Airflow that Windsock can serve")


def reserved_types(generation: int, revisions: Sequence[str]) -> tuple[str, ...]:
    """Return the types of runs whose prefixes no caller may use; for an unknown release, all of its generation."""
    release = _release(generation, revisions)
    return tuple(kind for kind, since in _RUN_TYPES[generation].items() if since <= release)


def refuses_double_dots(generation: int, revisions: Sequence[str]) -> bool:
    """Whether run ids with `..` are refused, unless the configuration allows them; an unknown 3.x refuses them."""
    return _release(generation, revisions) >= _REFUSES_DOUBLE_DOTS


def _release(generation: int, revisions: Sequence[str]) -> str:
    """Return the release, or for an unknown one the last of its generation; the texts compare as releases do."""
    return next((RELEASES[revision] for revision in revisions if revision in RELEASES), f"{generation}.9")
