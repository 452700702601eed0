"""The rows of Airflow's `log` table that say who changed what, as the API and the pages of that Airflow write them.

Changes that Airflow does not log, and all changes in a standalone database, get rows in a form of our own: `api_` and
the name of the handler, and JSON with method and path. Each row says which permissions the change needed.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec
from aiohttp import web

from server.api.handlers import dag_runs, dags, pools, steering
from server.api.resources import CHANGE, PERMISSIONS, UNCHANGED, USED, SteeredRun
from server.api.routes import NEEDS
from server.database.audit_log import Entry
from server.database.generations import LogStyle
from server.http.keys import USER
from server.wire import PoolRequest, Trigger
from server.wire.dates import stored_date

Handler = Callable[..., object]

# The names of the web pages' views; the experimental API of that time logs nothing.
_VIEWS: Mapping[Handler, str] = {
    dag_runs.trigger: "trigger", dags.set_paused: "paused", dags.patch: "paused", dags.delete: "delete",
    steering.set_run_state: "dagrun_{state}", steering.set_instance_state: "{new_state}", steering.clear: "clear",
}  # fmt: skip
_EVENTS: Mapping[LogStyle, Mapping[Handler, str]] = {
    LogStyle.OWN: {},
    LogStyle.VIEWS: _VIEWS,
    LogStyle.PERMISSIONS: {**_VIEWS, dag_runs.trigger: "dag_run.create"},
    LogStyle.API_V1: {
        dag_runs.trigger: "api.post_dag_run", dags.set_paused: "api.patch_dag", dags.patch: "api.patch_dag",
        dags.delete: "api.delete_dag", pools.set_pool: "api.post_pool", pools.delete_pool: "api.delete_pool",
        steering.set_run_state: "api.update_dag_run_state", steering.clear: "api.post_clear_task_instances",
        steering.set_instance_state: "api.patch_task_instance", steering.delete_run: "api.delete_dag_run",
    },
    LogStyle.API_V2: {
        dag_runs.trigger: "trigger_dag_run", dags.set_paused: "patch_dag", dags.patch: "patch_dag",
        dags.delete: "delete_dag", pools.set_pool: "post_pool", pools.delete_pool: "delete_pool",
        steering.set_run_state: "patch_dag_run", steering.clear: "post_clear_task_instances",
        steering.set_instance_state: "patch_task_instance", steering.delete_run: "delete_dag_run",
    },
}  # fmt: skip
_ANONYMOUS = {
    LogStyle.VIEWS: "anonymous",
    LogStyle.PERMISSIONS: "anonymous",
    LogStyle.API_V1: "anonymous",
    LogStyle.API_V2: "Anonymous",
}
# In bytes of JSON. The row of a run with a larger conf has only its size.
_MAX_CONF = 2**14
_MASK = "***"
# Parts of keys, in lower case: those that Airflow 2.11 or 3.3 masks.
_SENSITIVE = (
    "access_key", "access_token", "api_key", "apikey", "auth_header", "authorization", "bearer", "connection_string",
    "dsn", "keyfile_dict", "passphrase", "passwd", "password", "private_key", "proxies", "proxy", "secret",
    "service_account", "service_key", "token", "webhook_url",
)  # fmt: skip


class _Details(NamedTuple):
    """What a row says besides the event; `fields` have the names that Airflow's own API uses."""

    fields: Mapping[str, object]
    run_id: str | None = None
    date: datetime | None = None


def entry(request: web.Request, style: LogStyle, sensitive: tuple[str, ...]) -> Entry | None:
    """Describe what a request has changed; None if that is nothing, or if this Airflow has no name for the caller.

    `sensitive` has further words; a key that contains one has its value masked.
    """
    user = request.get(USER)
    owner = _ANONYMOUS.get(style) if user is None else user
    if owner is None or request.get(UNCHANGED, False):
        return None
    handler, dag_id = request.match_info.handler, request.match_info.get("dag_id")
    task_id = request.match_info.get("task_id")
    event = _EVENTS[style].get(handler)
    if event is None:
        made = request.get(CHANGE)
        run_id = made.run_id if isinstance(made, Trigger | SteeredRun) else None
        event = f"api_{getattr(handler, '__name__', 'change')}"
        return Entry(event, dag_id, owner, _own_extra(request, run_id), run_id, task_id=task_id)
    details = _details(request, style, (*_SENSITIVE, *sensitive))
    return Entry(
        event=event.format_map(details.fields),
        dag_id=dag_id,
        task_id=task_id,
        owner=owner,
        extra=_extra(details.fields, request, style),
        run_id=details.run_id,
        # The newer APIs put the date of a run into `extra`.
        execution_date=details.date if style is LogStyle.VIEWS else None,
        display_name=None if user is None and style is not LogStyle.API_V2 else owner,
    )


def _details(request: web.Request, style: LogStyle, sensitive: tuple[str, ...]) -> _Details:
    old = style in {LogStyle.VIEWS, LogStyle.PERMISSIONS}
    match request.get(CHANGE):
        case Trigger(run_id=run_id, execution_date=date, conf=conf):
            id_name, date_name = ("run_id", "execution_date") if old else ("dag_run_id", "logical_date")
            fields = {"conf": _shown(conf or {}, sensitive), id_name: run_id, date_name: date.isoformat()}
            return _Details(fields, run_id, date)
        case SteeredRun(asked=asked, run_id=run_id, execution_date=written):
            fields = {name: _shown(value, sensitive) for name, value in asked.items()}
            if old:
                named = {"task_id": request.match_info.get("task_id"), "execution_date": written, "run_id": run_id}
                fields |= {name: value for name, value in named.items() if value is not None}
            return _Details(fields, run_id, stored_date(written))
        case bool(is_paused):
            # The page of 1.10 logs the state before the change.
            return _Details({"is_paused": not is_paused if style is LogStyle.VIEWS else is_paused})
        case PoolRequest(name=name, slots=slots, description=description):
            return _Details({"name": name, "slots": slots, "description": description})
    pool = request.match_info.get("name")
    return _Details({} if pool is None else {"pool_name": pool})


def _own_extra(request: web.Request, run_id: str | None) -> str:
    described = {"method": request.method, "path": request.rel_url.raw_path, "permission": _permission(request)}
    return _json(described if run_id is None else {**described, "run_id": run_id})


def _permission(request: web.Request) -> str:
    """Name the permissions that the change needed, and of those that are alternatives the one that it has used."""
    needs, dag_id = NEEDS[request.match_info.handler], request.match_info.get("dag_id")
    held = (one for one in needs.either if request[PERMISSIONS].allows(one, dag_id))
    used = request.get(USED) or next(held, None)
    return ", ".join(map(str, (*needs.every, *(() if used is None else (used,)))))


def _extra(fields: Mapping[str, object], request: web.Request, style: LogStyle) -> str:
    if style in {LogStyle.VIEWS, LogStyle.PERMISSIONS}:
        named = {"dag_id": request.match_info.get("dag_id"), **fields, "permission": _permission(request)}
        return str([(name, value if isinstance(value, str) else _json(value)) for name, value in named.items()])
    described = {**fields, "permission": _permission(request)}
    return _json({**described, "method": request.method} if style is LogStyle.API_V2 else described)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _shown(conf: object, sensitive: tuple[str, ...]) -> object:
    size = len(msgspec.json.encode(conf))
    return _masked(conf, sensitive) if size <= _MAX_CONF else f"({size} bytes)"


def _masked(value: object, sensitive: tuple[str, ...]) -> object:
    """Mask the values below keys that contain one of the words in `sensitive`."""
    if isinstance(value, list):
        return [_masked(item, sensitive) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _MASK if any(word in key.lower() for word in sensitive) else _masked(item, sensitive)
        for key, item in value.items()
    }
