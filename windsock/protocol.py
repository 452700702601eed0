"""What client and server must spell alike."""

from enum import StrEnum

PREFIX = "/api/experimental"
# In a path this and a run_id may stand for an execution_date.
BY_RUN_ID = "run_id="
# The states in which a run is over.
ENDED = frozenset({"success", "failed"})
WARNING_HEADER = "X-Windsock-Warning"
STATE_HEADER = "X-Windsock-State"


def created_message(dag_id: str, shown_date: str, run_id: str) -> str:
    """Return the message about a new run; scripts read it with regular expressions."""
    return f"Created <DagRun {dag_id} @ {shown_date}: {run_id}, externally triggered: True>"


class Code(StrEnum):
    """What kind of error it is. The set is closed; `docs/callers.md` says when each one is answered."""

    # 400
    INVALID_REQUEST = "invalid_request"
    INVALID_DATE = "invalid_date"
    INVALID_RUN_ID = "invalid_run_id"
    INVALID_CONF = "invalid_conf"
    INVALID_POOL = "invalid_pool"
    RUN_EXISTS = "run_exists"
    DATE_TAKEN = "date_taken"
    DATE_NOT_ALLOWED = "date_not_allowed"
    MANUAL_RUNS_NOT_ALLOWED = "manual_runs_not_allowed"
    POOL_NOT_DELETABLE = "pool_not_deletable"
    SUBDAG_NOT_DELETABLE = "subdag_not_deletable"
    # 401, 403
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    PERMISSION_MISSING = "permission_missing"
    CROSS_SITE = "cross_site"
    UNKNOWN_HOST = "unknown_host"
    LOG_NOT_READABLE = "log_not_readable"
    # 404 (`DAG_NOT_FOUND` also 400, in answers to lists of runs)
    ENDPOINT_NOT_FOUND = "endpoint_not_found"
    DAG_NOT_FOUND = "dag_not_found"
    RUN_NOT_FOUND = "run_not_found"
    TASK_NOT_FOUND = "task_not_found"
    TASK_INSTANCE_NOT_FOUND = "task_instance_not_found"
    POOL_NOT_FOUND = "pool_not_found"
    LOG_NOT_FOUND = "log_not_found"
    SOURCE_NOT_FOUND = "source_not_found"
    # 405, 408
    METHOD_NOT_ALLOWED = "method_not_allowed"
    REQUEST_TIMEOUT = "request_timeout"
    # 409
    DAG_CHANGES = "dag_changes"
    DAG_IS_RUNNING = "dag_is_running"
    RUN_IS_RUNNING = "run_is_running"
    DAG_NOT_READABLE = "dag_not_readable"
    SOURCE_TOO_LARGE = "source_too_large"
    # 413, 415, 416, 417, 429
    BODY_TOO_LARGE = "body_too_large"
    UNSUPPORTED_ENCODING = "unsupported_encoding"
    RANGE_NOT_SATISFIABLE = "range_not_satisfiable"
    EXPECTATION_FAILED = "expectation_failed"
    TOO_MANY_REFUSALS = "too_many_refusals"
    # 500
    INTERNAL_ERROR = "internal_error"
    # 501
    NOT_SUPPORTED = "not_supported"
    # 503
    DATABASE_UNAVAILABLE = "database_unavailable"
    SCHEMA_CHANGED = "schema_changed"
    LOCKED = "locked"
    OVERLOADED = "overloaded"
    UNAVAILABLE = "unavailable"
