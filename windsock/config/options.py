"""The one table of options: each field of `Config` with its keys, default, meaning and reader.

A new option is one entry here and one row in docs/configuration.md (a test compares them).
"""
# ruff: noqa: RUF009 - option() declares a field, as dataclasses' own field() does

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path

from windsock.config import values
from windsock.config.auth_options import AuthOptions
from windsock.config.dsn import Dsn
from windsock.config.option import Option, option


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Config(AuthOptions):
    """All options, checked. Durations are in seconds, sizes in bytes."""

    # fmt: off
    dsn: Dsn = option(
        Dsn.parse, "", "windsock.sql_alchemy_conn database.sql_alchemy_conn core.sql_alchemy_conn",
        "The database, as a SQLAlchemy URL of PostgreSQL.", sensitive=True,
    )
    dags_folder: Path = option(
        values.path, "$AIRFLOW_HOME/dags", "windsock.dags_folder core.dags_folder",
        "The folder of the YAML files that define DAGs. `windsock standalone` takes `dags` in the current folder by"
        " default.",
    )
    data_dir: Path = option(
        values.path, "$AIRFLOW_HOME/windsock", "windsock.data_dir",
        "The folder of the embedded database; for `windsock standalone` by default `.windsock` in the current folder.",
    )
    dags_are_paused_at_creation: bool = option(
        values.boolean, "False", "core.dags_are_paused_at_creation",
        "Whether a new DAG starts paused (standalone). Airflow's default is True.",
    )
    dag_ignore_file_syntax: str = option(
        values.choice("regexp", "glob"), "regexp", "core.dag_ignore_file_syntax",
        "The syntax of the lines of an `.airflowignore`: `regexp` or `glob` (standalone).",
    )
    default_timezone: str = option(
        values.timezone, "utc", "core.default_timezone",
        "The time zone of dates without one: `utc`, `system` or an IANA name.",
    )
    base_log_folder: Path = option(
        values.path, "$AIRFLOW_HOME/logs", "windsock.base_log_folder logging.base_log_folder core.base_log_folder",
        "The folder of the tasks' logs. `windsock standalone` takes `logs` in `data_dir` by default.",
    )
    log_filename_template: str = option(
        str, "{{ ti.dag_id }}/{{ ti.task_id }}/{{ ts }}/{{ try_number }}.log",
        "windsock.log_filename_template logging.log_filename_template core.log_filename_template",
        "The name of a task's log below `base_log_folder`, beside Airflow 1.10; later ones keep it in their database.",
    )
    remote_logging: bool = option(
        values.boolean, "False", "windsock.remote_logging logging.remote_logging core.remote_logging",
        "Whether Airflow keeps logs elsewhere, too. Windsock does not read them there; it says where they are.",
    )
    remote_base_log_folder: str = option(
        str, "", "windsock.remote_base_log_folder logging.remote_base_log_folder core.remote_base_log_folder",
        "Where Airflow keeps these logs.",
    )
    parallelism: int = option(
        values.whole(0, 100000), "32", "windsock.parallelism core.parallelism",
        "The most tasks that run at the same time; 0 means no limit (standalone).",
    )
    dag_concurrency: int = option(
        values.whole(1, 100000), "16",
        "windsock.dag_concurrency core.max_active_tasks_per_dag core.dag_concurrency",
        "The most tasks of a DAG that run at the same time, unless its file says otherwise (standalone).",
    )
    max_active_runs_per_dag: int = option(
        values.whole(1, 100000), "16", "windsock.max_active_runs_per_dag core.max_active_runs_per_dag",
        "The most runs of a DAG that are under way at the same time, unless its file says otherwise (standalone).",
    )
    catchup_by_default: bool = option(
        values.boolean, "True", "scheduler.catchup_by_default",
        "Whether a schedule makes the runs that it has missed, unless the DAG's file says otherwise (standalone).",
    )
    scheduler_heartbeat_sec: float = option(
        values.seconds(0.1, 60), "5", "windsock.scheduler_heartbeat_sec scheduler.scheduler_heartbeat_sec",
        "How often the scheduler writes a heartbeat and looks at everything; a new run wakes it at once (standalone).",
    )
    scheduler_zombie_task_threshold: float = option(
        values.seconds(0.5, 86400), "10",
        "windsock.scheduler_zombie_task_threshold scheduler.scheduler_zombie_task_threshold",
        "How long a scheduler has no heartbeat before its tasks are tried again or failed (standalone).",
    )
    killed_task_cleanup_time: float = option(
        values.seconds(0, 3600), "5", "windsock.killed_task_cleanup_time core.killed_task_cleanup_time",
        "How long a task has between SIGTERM and SIGKILL (standalone).",
    )
    host: str = option(
        values.host, "127.0.0.1", "windsock.host api.host webserver.web_server_host",
        "The address to listen on. Any address other than a loopback address needs an `auth_backend`.",
    )
    port: int = option(
        values.whole(0, 65535), "8080", "windsock.port api.port webserver.web_server_port",
        "The port to listen on; 0 takes any free one.",
    )
    base_path: str = option(
        values.base_path, "", "windsock.base_path",
        "The prefix of all URLs, if a proxy adds one; by default the path of `base_url`. The root answers too.",
    )
    page: bool = option(
        values.boolean, "False", "windsock.page",
        "Whether the server has a page for people, below `/`; `windsock standalone` has it by default.",
    )
    wait_limit: float = option(
        values.seconds(0, 3600), "50", "windsock.wait_limit",
        "How long at most a request waits for a run (`?wait=`); a proxy in between must allow for more.",
    )
    watch_interval: float = option(
        values.seconds(0.1, 60), "1", "windsock.watch_interval",
        "How often a process looks at the runs that somebody waits for, or whose events somebody follows.",
    )
    event_streams: int = option(
        values.whole(0, 100000), "1000", "windsock.event_streams",
        "The most streams of events (`/events`) of a process; further ones are answered with 503.",
    )
    base_url: str = option(
        values.http_url, "http://localhost:8080", "api.base_url webserver.base_url",
        "The address of Airflow's web interface; run URLs point there.",
    )
    absolute_urls: bool = option(
        values.boolean, "False", "windsock.absolute_urls",
        "Whether run URLs begin with `base_url`; otherwise they are paths.",
    )
    rbac: bool = option(
        values.boolean, "False", "webserver.rbac",
        "Whether this is the RBAC web interface of Airflow 1.10.",
    )
    api_client: str = option(
        values.word, "airflow.api.client.local_client", "cli.api_client",
        "How the command line works: `airflow.api.client.json_client` or `airflow.api.client.local_client`.",
    )
    endpoint_url: str = option(
        values.http_url, "http://localhost:8080", "cli.endpoint_url",
        "The URL of the server that the JSON client calls; it may contain user and password.", sensitive=True,
    )
    cli_username: str = option(
        str, "", "cli.username",
        "The user name that the JSON client sends; the environment variable `WINDSOCK_USERNAME` wins.",
    )
    cli_password: str = option(
        str, "", "cli.password",
        "The password of that user; the environment variable `WINDSOCK_PASSWORD` wins.", sensitive=True,
    )
    cli_token: str = option(
        str, "", "windsock.token",
        "The bearer token that the JSON client sends; the environment variable `WINDSOCK_TOKEN` wins.", sensitive=True,
    )
    client_timeout: float = option(
        values.seconds(0.1, 3600), "60", "windsock.client_timeout",
        "How long the JSON client waits for a connection, and for each part of an answer.",
    )
    admin_host: str = option(
        values.host, "127.0.0.1", "windsock.admin_host",
        "The address of the admin listener, which asks for no credentials.",
    )
    admin_port: int = option(
        values.whole(0, 65535), "0", "windsock.admin_port",
        "The port of the admin listener, for `/live`, `/ready` and `/metrics`; 0: none (`windsock webserver`; see"
        " operations.md).",
    )
    ssl_cert: Path | None = option(
        lambda text: values.path(text) if text else None, "", "windsock.ssl_cert",
        "A certificate with its chain (PEM): the API is then served over TLS only.",
    )
    ssl_key: Path | None = option(
        lambda text: values.path(text) if text else None, "", "windsock.ssl_key",
        "The key of that certificate, if it is not in the same file.",
    )
    cors_origins: tuple[str, ...] = option(
        values.origins, "", "windsock.cors_origins",
        "Origins, such as `https://dashboard.example.com`, whose pages may call the API from a browser.",
    )
    max_body_size: int = option(
        values.whole(1024, 2**30), "1048576", "windsock.max_body_size",
        "The largest request body, in bytes.",
    )
    body_timeout: float = option(
        values.seconds(0.1, 3600), "10", "windsock.body_timeout", "How long a request body may take to arrive.",
    )
    write_timeout: float = option(
        values.seconds(0.1, 3600), "30", "windsock.write_timeout",
        "How long the service waits until a client has read an answer, or a part of a long one, before it ends the"
        " connection.",
    )
    fast_path: bool = option(
        values.boolean, "True", "windsock.fast_path",
        "Whether ordinary requests take a faster path, which uses private parts of aiohttp.",
    )
    keepalive_timeout: float = option(
        values.seconds(0, 3600), "75", "windsock.keepalive_timeout", "How long an idle connection is kept open.",
    )
    shutdown_timeout: float = option(
        values.seconds(0, 3600), "20", "windsock.shutdown_timeout",
        "How long requests may take to finish after SIGTERM.",
    )
    workers: int = option(
        values.whole(1, 256), "1", "windsock.workers",
        "The number of server processes (`windsock webserver`).",
    )
    pool_min_size: int = option(
        values.whole(0, 1000), "1", "windsock.pool_min_size",
        "Database connections kept open by each process.",
    )
    pool_max_size: int = option(
        values.whole(1, 1000), "10", "windsock.pool_max_size",
        "The most database connections of each process.",
    )
    allow_unknown_airflow: bool = option(
        values.boolean, "False", "windsock.allow_unknown_airflow",
        "Whether Windsock serves the database of an Airflow that it was never tested with, at your own risk.",
    )
    allowed_run_id_pattern: re.Pattern[str] = option(
        values.pattern, "^[A-Za-z0-9_.~:+-]+$", "scheduler.allowed_run_id_pattern",
        "A regular expression for the run ids that Airflow 2.x and 3.x allow; any other ends their scheduler. Empty:"
        " only the run ids that Airflow itself makes.",
    )
    allow_double_dot_in_ids: bool = option(
        values.boolean, "False", "core.allow_double_dot_in_ids",
        "Whether Airflow 3.3 allows run ids with two dots in a row.",
    )
    create_cron_data_intervals: bool = option(
        values.boolean, "True", "scheduler.create_cron_data_intervals",
        "The value of this option in that Airflow 2.x: whether runs of presets (`@daily`) span an interval.",
    )
    task_instances: str = option(
        values.choice("versioned", "always", "never"), "versioned", "windsock.task_instances",
        "Which runs of Airflow 3.1 and later get their task instances at once: those of a versioned bundle (which need"
        " them), all, or none. Airflow's scheduler makes the task instances of the other runs.",
    )
    pgbouncer: bool = option(
        values.boolean, "False", "windsock.pgbouncer",
        "Whether the database is reached through PgBouncer in transaction mode: then Windsock uses neither prepared"
        " statements nor settings of a session.",
    )
    acquire_timeout: float = option(
        values.seconds(0.01, 3600), "5", "windsock.acquire_timeout",
        "How long a request waits for a database connection before it is answered with 503.",
    )
    statement_timeout: float = option(
        values.seconds(0.1, 3600), "30", "windsock.statement_timeout", "How long a statement may take.",
    )
    batch_size: int = option(
        values.whole(1, 10000), "128", "windsock.batch_size",
        "The most requests that share a statement; 1 switches batching off.",
    )
    batch_in_flight: int = option(
        values.whole(1, 100), "2", "windsock.batch_in_flight",
        "The most shared statements of a kind that run at the same time in a process.",
    )
    batch_queue_limit: int = option(
        values.whole(1, 1000000), "4096", "windsock.batch_queue_limit",
        "The most requests of a kind that wait in a process; further ones are answered with 503.",
    )
    log_level: str = option(
        values.log_level, "INFO", "windsock.log_level logging.logging_level core.logging_level",
        "The least important messages that are logged: DEBUG, INFO, WARNING, ERROR or CRITICAL.",
    )
    log_format: str = option(
        values.choice("auto", "json", "console"), "auto", "windsock.log_format",
        "`json`, `console`, or `auto`: `console` on a terminal and `json` elsewhere.",
    )
    access_log: bool = option(
        values.boolean, "True", "windsock.access_log", "Whether each request is logged.",
    )
    access_log_probes: bool = option(
        values.boolean, "False", "windsock.access_log_probes",
        "Whether requests for `/health`, and for the admin listener's `/live`, `/ready` and `/metrics`, are logged"
        " too.",
    )
    access_log_sample: float = option(
        values.fraction, "1", "windsock.access_log_sample",
        "The share of requests that is logged, from 0 to 1; answers of 500 and above are always logged.",
    )
    # fmt: on
    sources: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    """Where each field was set, in words; fields with their default are missing."""
    warnings: tuple[str, ...] = ()
    """Warnings to log once logging is set up."""
    permissions: bytes | None = dataclasses.field(default=None, repr=False)
    """The content of `permissions_file` as the service has read it; None before that."""

    @property
    def auth_backend_explicit(self) -> bool:
        """Whether somebody chose the backend, rather than leaving the default."""
        return "auth_backend" in self.sources


__all__ = ["OPTIONS", "Config", "Option"]

OPTIONS: Mapping[str, Option] = {
    field.name: field.metadata["option"] for field in dataclasses.fields(Config) if "option" in field.metadata
}
