"""The roles of Airflow 1.10 with its RBAC interface, which name the views of its pages.

It has no REST API that asks for permissions, so an endpoint needs what the page with the same content or the same
button needs. Where two pages have a share in it, both count.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from server.auth.permissions import RUN_CLEAR, Grant, Permission, Resource
from server.database.roles import Held, Words
from server.wire.dag_patterns import DagPattern

_PAGES: Final = "Airflow"
_RUNS: Final = "DagRunModelView"
_POOLS: Final = "PoolModelView"
_DAGS: Final = "all_dags"
_READ, _EDIT = "can_dag_read", "can_dag_edit"

View = tuple[str, str]

_VIEWS: Mapping[Permission, frozenset[View]] = {
    Permission("can_read", Resource.RUNS): frozenset({("can_list", _RUNS)}),
    Permission("can_create", Resource.RUNS): frozenset({("can_trigger", _PAGES)}),
    Permission("can_edit", Resource.RUNS): frozenset({("can_dagrun_failed", _PAGES), ("can_dagrun_success", _PAGES)}),
    RUN_CLEAR: frozenset({("can_clear", _PAGES)}),
    Permission("can_delete", Resource.RUNS): frozenset({("muldelete", _RUNS)}),
    Permission("can_read", Resource.TASKS): frozenset({("can_task", _PAGES)}),
    Permission("can_edit", Resource.TASKS): frozenset(
        {("can_clear", _PAGES), ("can_failed", _PAGES), ("can_success", _PAGES)}
    ),
    Permission("can_read", Resource.LOGS): frozenset({("can_log", _PAGES), ("can_get_logs_with_metadata", _PAGES)}),
    Permission("can_read", Resource.CODE): frozenset({("can_code", _PAGES)}),
    # The page with all DAGs shows them.
    Permission("can_read", Resource.IMPORT_ERRORS): frozenset({("can_index", _PAGES)}),
    Permission("can_read", Resource.POOLS): frozenset({("can_list", _POOLS)}),
    Permission("can_create", Resource.POOLS): frozenset({("can_add", _POOLS)}),
    Permission("can_edit", Resource.POOLS): frozenset({("can_edit", _POOLS)}),
    Permission("can_delete", Resource.POOLS): frozenset({("can_delete", _POOLS)}),
}
_OF_A_DAG: Mapping[Permission, tuple[View, frozenset[str]]] = {
    # Whoever may edit a DAG may read it.
    Permission("can_read", Resource.DAGS): (("can_index", _PAGES), frozenset({_READ, _EDIT})),
    Permission("can_edit", Resource.DAGS): (("can_paused", _PAGES), frozenset({_EDIT})),
    Permission("can_delete", Resource.DAGS): (("can_delete", _PAGES), frozenset({_EDIT})),
}
"""The view that each also needs, and the permissions for the DAG or for all of them of which one is enough."""

_ALL_VIEWS = frozenset[View]().union(*_VIEWS.values(), (view for view, _ in _OF_A_DAG.values()))
RBAC_WORDS = Words(
    sorted({_READ, _EDIT, *(action for action, _ in _ALL_VIEWS)}), sorted({_DAGS, *(name for _, name in _ALL_VIEWS)})
)


def rbac_grants(held: Held) -> Sequence[Grant]:
    """Return what the tables of Airflow 1.10 grant, in the words of Airflow 2."""
    views = {(one.action, one.resource) for one in held.granted if one.resource != _DAGS}
    of_views = {permission for permission, needed in _VIEWS.items() if needed <= views}
    return [Grant(frozenset(of_views)), *_of_dags(held, views)]


def _of_dags(held: Held, views: set[View]) -> Iterator[Grant]:
    for permission, (view, enough) in _OF_A_DAG.items():
        for one in held.granted:
            if one.resource == _DAGS and one.action in enough and view in views:
                dags = () if one.dag_ids is None else (DagPattern(frozenset(one.dag_ids)),)
                yield Grant(frozenset({permission}), dags)
