"""What differs between the generations of Airflow, and which of them made a database; it never guesses.

There is one `Generation` for each, and nothing else asks which one it is. A new one takes an entry here, a .sql file
with the statements and fragments that are its own, and in the tests its recorded schema.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import KW_ONLY, dataclass, replace
from enum import Enum
from urllib.parse import quote, quote_plus

import msgspec

from server.errors import StartupError
from server.wire.pickles import pickle_conf

_SHARED = (
    "fragments.sql", "common.sql", "delete_dag.sql", "log.sql", "roles.sql", "details.sql", "steering.sql",
    "overviews.sql", "run_ends.sql",
)  # fmt: skip
# Since this release, two dots in a row are taken for a way out of a folder.
_REFUSES_DOUBLE_DOTS = "3.3"


class LogStyle(Enum):
    """Who else writes to the table `log`; its readers look for rows in that style."""

    OWN = "nobody: a standalone database"
    VIEWS = "the pages of Airflow 1.10"
    PERMISSIONS = "Airflow 2.7 and 2.8"
    API_V1 = "the API of Airflow 2.9 and later"
    API_V2 = "the API of Airflow 3"


@dataclass(frozen=True, eq=False)
class Generation:
    """One generation of Airflow. What has a default is special to some generations."""

    name: str
    _: KW_ONLY
    files: Sequence[str]
    """Its statements; a statement in a later file replaces the one of the same name in an earlier file."""
    releases: Mapping[str, str]
    """The revision at which each release's migrations end, and the releases that share it."""
    unknown_release: str
    """What a release that nobody knows counts as; the texts compare as releases do."""
    has: AbstractSet[str]
    lacks: AbstractSet[str] = frozenset()
    """Columns that tell it from earlier and later generations, each as `table.column`."""

    graph_paths: tuple[str, str]
    """The path of `dag_run_url` up to the dag_id: that of the usual pages, and that of the RBAC pages."""
    graph_page: str
    """What comes between the dag_id and the run."""
    quote_dag_id: Callable[[str], str]
    pool_name_limit: int = 256
    log_styles: Sequence[tuple[str, LogStyle]]
    """Each with a column of `log`; that of the first column that exists counts. An empty name always counts."""

    trigger_width: int
    """How many fields of a `new_runs.Row` the statement `trigger` takes."""
    write_conf: Callable[[object], bytes | str | None]
    """Writes the conf of a run, None if there is none, as its column has it."""
    pickles_conf: bool = True
    """Whether that column has a pickle, not JSON."""
    checks_runs: bool = True
    """Whether a run's date, run_id and conf are checked as its own API does: others crash its scheduler."""
    run_types: Mapping[str, str]
    """Types of runs that only Airflow itself makes, by the release that introduced them; a prefix of the run_id."""
    runs_schedules_here: bool = False
    """Whether Windsock itself makes the runs of schedules, so that their run ids are taken."""
    names_logs_by_task: bool = False
    """Whether a task_id that is too long for a folder of logs ends its scheduler, as a run_id or dag_id does."""
    has_re2: bool = False
    """Whether RE2 matches its run ids: a `$` does not match before a newline."""
    misread_run_ids: Sequence[tuple[re.Pattern[str], str]] = ()
    """Run ids that its API accepts although its scheduler takes them for others, each with a warning."""
    tasks_use_api: bool = False
    """Whether tasks get their run in a message, and put its run_id into URLs."""
    has_mapped_tasks: bool = True
    """Whether a task may have several instances in a run, each with its map_index."""
    names_views: bool = False
    """Whether its roles name the views of its pages, not resources."""
    marking_makes_instances: bool = False
    """Whether its own way to mark a run as a success makes task instances that the run does not have yet."""
    resumes_below_marked: bool = True
    """Whether marking a task clears what failed downstream of it."""
    has_bundles: bool = False
    """Whether a run may be pinned to a version of its DAG's bundle, and may have deadlines."""

    def is_known_by(self, columns: AbstractSet[str]) -> bool:
        """Whether a database with these columns is one of this generation."""
        return self.has <= columns and self.lacks.isdisjoint(columns)

    def log_style(self, columns: AbstractSet[str]) -> LogStyle:
        """Return the style of its `log` table."""
        return next(style for column, style in self.log_styles if not column or column in columns)

    def reserved_types(self, revisions: Sequence[str]) -> tuple[str, ...]:
        """Return the types of runs whose prefixes no caller may use; for an unknown release, all of its generation."""
        release = self._release(revisions)
        return tuple(kind for kind, since in self.run_types.items() if since <= release)

    def refuses_double_dots(self, revisions: Sequence[str]) -> bool:
        """Whether run ids with `..` are refused, unless the configuration allows them; an unknown 3.x refuses them."""
        return self._release(revisions) >= _REFUSES_DOUBLE_DOTS

    def _release(self, revisions: Sequence[str]) -> str:
        return next((self.releases[one] for one in revisions if one in self.releases), self.unknown_release)


def _pickle_or_null(conf: object) -> bytes | None:
    # Protocol 5 stalls every run of the DAG on Python 3.7.
    return None if conf is None else pickle_conf(conf, 4)


def _pickle(conf: object) -> bytes:
    return pickle_conf({} if conf is None else conf, 5)


def _json(conf: object) -> str:
    return msgspec.json.encode({} if conf is None else conf).decode()


def _quote(dag_id: str) -> str:
    return quote(dag_id, safe="")


AIRFLOW_1 = Generation(
    "Airflow 1.10",
    files=(*_SHARED, "airflow1.sql"),
    releases={
        "952da73b5eff": "1.10.10",
        "a66efa278eea": "1.10.11",
        "da3f683c3a5a": "1.10.12",
        "03afc6b6f902": "1.10.13 to 1.10.15",
    },
    unknown_release="1.9",
    has=frozenset({"dag_run.execution_date"}),
    lacks=frozenset({"dag_run.run_type", "dag_run.logical_date"}),
    graph_paths=("/admin/airflow/graph?dag_id=", "/graph?dag_id="),
    graph_page="&execution_date=",
    quote_dag_id=quote_plus,
    pool_name_limit=50,
    log_styles=(("", LogStyle.VIEWS),),
    trigger_width=6,
    write_conf=_pickle_or_null,
    checks_runs=False,
    run_types={},
    misread_run_ids=(
        (
            re.compile(r"backfill."),
            "Airflow takes a run with this run_id for one of a backfill: its scheduler never starts it",
        ),
        (
            re.compile(r"scheduled.."),
            (
                "Airflow takes a run with this run_id for one of the DAG's schedule, which goes on after it; all DAGs"
                " of that file stand still once the schedule itself wants this run_id"
            ),
        ),
    ),
    has_mapped_tasks=False,
    marking_makes_instances=True,
    resumes_below_marked=False,
    names_views=True,
)
AIRFLOW_2 = Generation(
    "Airflow 2",
    files=(*_SHARED, "newer.sql", "airflow2.sql"),
    releases={
        "405de8318b3a": "2.7.0 to 2.7.3",
        "10b52ebd31f7": "2.8.0",
        "88344c1d9134": "2.8.1 to 2.8.4",
        "1949afb29106": "2.9.0 and 2.9.1",
        "686269002441": "2.9.2 and 2.9.3",
        "22ed7efa9da2": "2.10.0 to 2.10.2",
        "5f2621c13b39": "2.10.3 to 2.11",
    },
    unknown_release="2.9",
    has=frozenset({"dag_run.data_interval_start", "task_instance.map_index"}),
    lacks=frozenset({"dag_run.logical_date"}),
    graph_paths=("/dags/", "/dags/"),
    graph_page="/graph?execution_date=",
    quote_dag_id=_quote,
    log_styles=(("log.run_id", LogStyle.API_V1), ("", LogStyle.PERMISSIONS)),
    trigger_width=8,
    write_conf=_pickle,
    run_types={"scheduled": "2", "backfill": "2", "dataset_triggered": "2"},
    names_logs_by_task=True,
    marking_makes_instances=True,
    has_re2=True,
)
AIRFLOW_3 = Generation(
    "Airflow 3",
    files=(*_SHARED, "newer.sql", "airflow3.sql"),
    releases={
        "29ce7909c52b": "3.0.0 to 3.0.2",
        "fe199e1abd77": "3.0.3 to 3.0.6",
        "cc92b33c6709": "3.1.0 to 3.1.7",
        "509b94a1042d": "3.1.8",
        "1d6611b6ab7c": "3.2",
        "d2f4e1b3c5a7": "3.3",
    },
    unknown_release="3.9",
    has=frozenset({"dag_run.logical_date"}),
    graph_paths=("/dags/", "/dags/"),
    graph_page="/runs/",
    quote_dag_id=_quote,
    log_styles=(("", LogStyle.API_V2),),
    trigger_width=10,
    write_conf=_json,
    pickles_conf=False,
    run_types={
        "scheduled": "3",
        "backfill": "3",
        "asset_triggered": "3",
        "asset_materialization": "3.2",
        "operator_triggered": "3.3",
    },
    tasks_use_api=True,
    has_bundles=True,
)
STANDALONE = replace(
    AIRFLOW_1,
    name="standalone",
    files=(*AIRFLOW_1.files, "standalone.sql"),
    releases={},
    log_styles=(("", LogStyle.OWN),),
    marking_makes_instances=False,
    resumes_below_marked=True,
    misread_run_ids=(),
    runs_schedules_here=True,
)
"""A database of our own has the tables of Airflow 1.10, and no Airflow."""
AIRFLOWS = (AIRFLOW_1, AIRFLOW_2, AIRFLOW_3)
RELEASES: Mapping[str, str] = {revision: text for one in AIRFLOWS for revision, text in one.releases.items()}
"""The releases of all generations by their revisions."""


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


def generation_of(revisions: Sequence[str], columns: AbstractSet[str], *, allow_unknown: bool) -> Generation:
    """Return the generation for the rows of `alembic_version`.

    Raises UnknownAirflow for a revision that no tested release has. `allow_unknown` overrules that: then the columns of
    the database decide.
    """
    known = [one for one in AIRFLOWS if not one.releases.keys().isdisjoint(revisions)]
    if len(revisions) == 1 and known:
        return known[0]
    if not allow_unknown:
        raise UnknownAirflow(revisions)
    for one in AIRFLOWS:
        if one.is_known_by(columns):
            return one
    raise UnknownAirflow(revisions, "; but its tables are those of no Airflow that Windsock can serve")
