"""The quirks of Airflow's experimental API, and nothing else: lenient parsing, exact formatting.

Pure functions: no HTTP, no database, no clock except the one that callers pass. Input that cannot be understood raises
`server.errors.BadRequest`, whose message says what would be right. Input that is ignored, as in Airflow, leads to a
warning through `server.wire.warning_header`.

- `dates`, `prose`: the texts that Airflow accepted as an execution date
- `bodies`: JSON bodies of triggers, pools and pauses, and names in paths
- `run_names`, `run_lists`: what a run is named by in a path, and in a list
- `steering`: bodies that mark runs and tasks, or clear them
- `query`, `dag_search`, `ranges`: query strings, and the header `Range`
- `events`: the text of events
- `strict_json`: reads JSON that the database can store
- `warning_header`: collects the warnings of a request
- `pickles`, `confs`: the `conf` and `executor_config` columns
- `shapes`: the JSON of answers
"""

from server.wire.bodies import (
    PoolRequest,
    Trigger,
    check_id,
    parse_dag_patch,
    parse_pause,
    parse_pool,
    parse_pool_name,
    parse_trigger,
    read_pool,
    read_trigger,
)
from server.wire.dag_search import DagsQuery, parse_dags_query
from server.wire.dates import parse_execution_date
from server.wire.query import (
    DagRunsQuery,
    EventsQuery,
    GridQuery,
    NextRunsQuery,
    Page,
    page_links,
    parse_dag_runs_query,
    parse_details,
    parse_events_query,
    parse_grid_query,
    parse_import_errors_query,
    parse_instances_query,
    parse_log_query,
    parse_map_index,
    parse_next_runs,
    parse_wait,
)
from server.wire.run_lists import Found, NamedRun, named_states, parse_named_runs
from server.wire.run_names import RunId, RunName, parse_run
from server.wire.shapes import (
    DagDetails,
    Grid,
    GridRun,
    InstanceDetails,
    ListedDag,
    PlannedRun,
    RunDetails,
    TaskInstance,
    Versions,
    ascii_json,
    delete_answer,
    encode,
    trigger_answer,
)
from server.wire.steering import Clear, check_mark, clear_fields, parse_clear, parse_mark, read_clear

__all__ = [
    "Clear",
    "DagDetails",
    "DagRunsQuery",
    "DagsQuery",
    "EventsQuery",
    "Found",
    "Grid",
    "GridQuery",
    "GridRun",
    "InstanceDetails",
    "ListedDag",
    "NamedRun",
    "NextRunsQuery",
    "Page",
    "PlannedRun",
    "PoolRequest",
    "RunDetails",
    "RunId",
    "RunName",
    "TaskInstance",
    "Trigger",
    "Versions",
    "ascii_json",
    "check_id",
    "check_mark",
    "clear_fields",
    "delete_answer",
    "encode",
    "named_states",
    "page_links",
    "parse_clear",
    "parse_dag_patch",
    "parse_dag_runs_query",
    "parse_dags_query",
    "parse_details",
    "parse_events_query",
    "parse_execution_date",
    "parse_grid_query",
    "parse_import_errors_query",
    "parse_instances_query",
    "parse_log_query",
    "parse_map_index",
    "parse_mark",
    "parse_named_runs",
    "parse_next_runs",
    "parse_pause",
    "parse_pool",
    "parse_pool_name",
    "parse_run",
    "parse_trigger",
    "parse_wait",
    "read_clear",
    "read_pool",
    "read_trigger",
    "trigger_answer",
]
