"""Reads query strings of lists: paging, order and filters, all of them opt-in.

Airflow ignored every parameter except `state`, and used only the first of several. So that every request that Airflow
answered still gets the same list, `offset` and several `state` need `order_by` too.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import NamedTuple
from urllib.parse import urlencode

import msgspec

from server.errors import BadRequest
from server.wire.bodies import check_id
from server.wire.dates import parse_execution_date, restore_plus

MAX_LIMIT = 10_000
_GRID_LIMIT, _MAX_GRID_LIMIT = 25, 100
_MAX_NEXT_RUNS = 1000
_MAX_ID = 2**31 - 1
RUN_ORDERS = ("execution_date",)
IMPORT_ERROR_ORDERS = ("filename",)
INSTANCE_ORDERS = ("task_id",)
_INTEGER = re.compile(r"\d{1,9}", re.ASCII)
_LONG_INTEGER = re.compile(r"\d{1,18}", re.ASCII)
PAGE_PARAMETERS = frozenset({"limit", "offset", "order_by"})
WAIT_PARAMETERS = frozenset({"wait"})
EVENT_PARAMETERS = frozenset({"dag_id", "run_id", "last_event_id"})
DETAILS_PARAMETERS = frozenset({"details"})
GRID_PARAMETERS = frozenset({"limit", "before"})
NEXT_RUNS_PARAMETERS = frozenset({"next_runs", "execution_date_gte", "execution_date_lte"})
LOG_PARAMETERS = frozenset({"try_number", "tail", "map_index"})
RUN_PARAMETERS = PAGE_PARAMETERS | {"state", "run_id", "execution_date_gte", "execution_date_lte"}
_LONGEST_EVENT_ID = 100

Pairs = Iterable[tuple[str, str]]


class Page(msgspec.Struct, frozen=True):
    """Which part of a list, and in which order; `limit` None means all of it."""

    order_by: str
    descending: bool = False
    limit: int | None = None
    offset: int = 0

    @property
    def partial(self) -> bool:
        """Whether the answer has `Link` and the total."""
        return self.limit is not None or self.offset > 0


class DagRunsQuery(msgspec.Struct, frozen=True):
    """Which runs a list has: empty `states` (lower case) and `run_ids` mean any, and None does not filter."""

    page: Page
    states: tuple[str, ...] = ()
    run_ids: tuple[str, ...] = ()
    execution_date_gte: datetime | None = None
    execution_date_lte: datetime | None = None

    @property
    def conditions(self) -> tuple[object, ...]:
        """Return the arguments of the statements' WHERE clause, which can be the key of a cache."""
        return self.states or None, self.run_ids or None, self.execution_date_gte, self.execution_date_lte


def parse_dag_runs_query(pairs: Pairs, default_timezone: tzinfo) -> DagRunsQuery:
    """Read the query of `GET /dags/<dag_id>/dag_runs`; unknown parameters are ignored. Raises BadRequest."""
    given = collect(pairs, RUN_PARAMETERS)
    states = [check_id(state, "state").lower() for state in given.get("state", ())]
    page = read_page(given, RUN_ORDERS)
    if "order_by" not in given:
        _needs_order(("`offset`", "offset" in given), ("More than one `state`", len(states) > 1))
    run_ids = [check_id(restore_plus(run_id), "run_id") for run_id in given.get("run_id", ())]
    if "" in run_ids:
        raise BadRequest("`run_id` must not be empty; leave it out to list all runs")
    return DagRunsQuery(
        page=page,
        states=tuple(dict.fromkeys(filter(None, states))),
        run_ids=tuple(dict.fromkeys(run_ids)),
        execution_date_gte=_date(given, "execution_date_gte", default_timezone),
        execution_date_lte=_date(given, "execution_date_lte", default_timezone),
    )


def parse_import_errors_query(pairs: Pairs) -> Page:
    """Read the query of `GET /import_errors`: ordered by filename, in pages if the caller wants. Raises BadRequest."""
    return read_page(collect(pairs, PAGE_PARAMETERS), IMPORT_ERROR_ORDERS)


def parse_instances_query(pairs: Pairs) -> Page:
    """Read the query of `GET .../dag_runs/<execution_date>/tasks`: ordered by task_id. Raises BadRequest."""
    return read_page(collect(pairs, PAGE_PARAMETERS), INSTANCE_ORDERS)


def parse_map_index(pairs: Pairs) -> int | None:
    """Read `map_index` of `GET .../tasks/<task_id>`: an instance of a mapped task, or -1, the one of any other task."""
    return _map_index(collect(pairs, frozenset({"map_index"})))


def _map_index(given: Mapping[str, Sequence[str]]) -> int | None:
    text = single(given, "map_index")
    if text is None:
        return None
    if text != "-1" and not _INTEGER.fullmatch(text):
        raise BadRequest("`map_index` must be a whole number from -1 to 999999999")
    return int(text)


class GridQuery(NamedTuple):
    """How many runs a grid has at most; `before` is the id of a run: only older ones count, None for all."""

    limit: int
    before: int | None


def parse_grid_query(pairs: Pairs) -> GridQuery:
    """Read the query of `GET /dags/<dag_id>/grid`. Raises BadRequest."""
    given = collect(pairs, GRID_PARAMETERS)
    limit = _integer(given, "limit", 1, _MAX_GRID_LIMIT)
    return GridQuery(limit or _GRID_LIMIT, _integer(given, "before", 0, _MAX_ID))


class NextRunsQuery(NamedTuple):
    """How many runs of a schedule are wanted at most; with dates, only those between them, also runs of the past."""

    number: int
    execution_date_gte: datetime | None = None
    execution_date_lte: datetime | None = None

    @property
    def is_between(self) -> bool:
        """Whether it has a date."""
        return self.execution_date_gte is not None or self.execution_date_lte is not None


def parse_next_runs(pairs: Pairs, default_timezone: tzinfo) -> NextRunsQuery | None:
    """Read `?next_runs=` of `GET /dags/<dag_id>`; None without it. Raises BadRequest."""
    given = collect(pairs, NEXT_RUNS_PARAMETERS)
    number = _integer(given, "next_runs", 1, _MAX_NEXT_RUNS)
    if number is None:
        return None
    dates = (_date(given, name, default_timezone) for name in ("execution_date_gte", "execution_date_lte"))
    return NextRunsQuery(number, *dates)


class LogQuery(NamedTuple):
    """Which try of a task, counted from 1, None for the last one; how many of its last bytes, None for all.

    `map_index` chooses an instance of a mapped task.
    """

    try_number: int | None
    tail: int | None
    map_index: int | None


def parse_wait(pairs: Pairs) -> float:
    """Read `?wait=`, a number of seconds; 0 without it. Raises BadRequest."""
    text = single(collect(pairs, WAIT_PARAMETERS), "wait")
    if text is None:
        return 0
    if re.fullmatch(r"\d{1,9}(?:\.\d{1,9})?", text, re.ASCII):
        return float(text)
    raise BadRequest("`wait` must be a number of seconds such as 30")


class EventsQuery(NamedTuple):
    """Which events a stream has: empty sets mean all. `last_id` is that of the last event that the caller has."""

    dag_ids: frozenset[str]
    run_ids: frozenset[str]
    last_id: str | None


def parse_events_query(pairs: Pairs, last_event_id: str | None) -> EventsQuery:
    """Read the query of `GET /events`. The header `Last-Event-ID` counts before the query. Raises BadRequest."""
    given = collect(pairs, EVENT_PARAMETERS)
    dag_ids = frozenset(check_id(dag_id, "dag_id") for dag_id in given.get("dag_id", ()))
    run_ids = frozenset(check_id(restore_plus(run_id), "run_id") for run_id in given.get("run_id", ()))
    if "" in dag_ids | run_ids:
        raise BadRequest("`dag_id` and `run_id` must not be empty; leave them out to get the events of all")
    # An id that is none of ours is like one that is lost.
    last_id = (last_event_id or single(given, "last_event_id") or "")[:_LONGEST_EVENT_ID]
    return EventsQuery(dag_ids, run_ids, last_id or None)


def parse_details(pairs: Pairs) -> bool:
    """Read `?details=`, `true` or `false`, which it is without it. Raises BadRequest."""
    return flag(collect(pairs, DETAILS_PARAMETERS), "details") or False


def parse_log_query(pairs: Pairs) -> LogQuery:
    """Read the parameters of `GET .../logs`. Raises BadRequest."""
    given = collect(pairs, LOG_PARAMETERS)
    return LogQuery(_integer(given, "try_number", 1, 10**9 - 1), _integer(given, "tail", 0, 10**15), _map_index(given))


def page_links(path: str, pairs: Pairs, page: Page, total: int) -> str:
    """Build the `Link` header of a page (RFC 8288): first, prev, next and last where they exist, as paths."""
    limit = page.limit or max(total, 1)
    last = max(total - 1, 0) // limit * limit
    offsets = {"first": 0, "last": last}
    if page.offset > 0:
        offsets["prev"] = max(page.offset - limit, 0)
    if page.offset + limit < total:
        offsets["next"] = page.offset + limit
    kept = [(name, value) for name, value in pairs if name not in PAGE_PARAMETERS]
    order = ("order_by", f"{'-' if page.descending else ''}{page.order_by}")
    return ", ".join(
        f'<{path}?{urlencode([*kept, order, ("limit", limit), ("offset", offset)])}>; rel="{rel}"'
        for rel, offset in sorted(offsets.items())
    )


def collect(pairs: Pairs, known: frozenset[str]) -> dict[str, list[str]]:
    """Return the values of each of these parameters."""
    given: dict[str, list[str]] = {}
    for name, value in pairs:
        if name in known:
            given.setdefault(name, []).append(value)
    return given


def _needs_order(*uses: tuple[str, bool]) -> None:
    for what, used in uses:
        if used:
            raise BadRequest(
                f"{what} needs a stated order: add order_by=execution_date or order_by=-execution_date "
                "(without it Airflow ignored this, and nobody's list shall change)"
            )


def read_page(
    given: Mapping[str, Sequence[str]], orders: tuple[str, ...], limit: int | None = None, max_limit: int = MAX_LIMIT
) -> Page:
    """Read which part of a list is wanted, at most `max_limit` items, and in which of the `orders`. Raises BadRequest.

    `limit` is the usual one, None for all of the list.
    """
    order_by = single(given, "order_by") or orders[0]
    column = order_by.removeprefix("-")
    if column not in orders:
        choices = ", ".join(f"{order}, -{order}" for order in orders)
        raise BadRequest(f"`order_by` must be one of {choices}")
    return Page(
        order_by=column,
        descending=order_by != column,
        limit=_integer(given, "limit", 1, max_limit) or limit,
        offset=_integer(given, "offset", 0, 10**9 - 1) or 0,
    )


def single(given: Mapping[str, Sequence[str]], name: str) -> str | None:
    """Return the value of a parameter, None if it was not given. Raises BadRequest if it was given several times."""
    values = given.get(name, ())
    if len(values) > 1:
        raise BadRequest(f"`{name}` was given {len(values)} times; give it once")
    return values[0] if values else None


def flag(given: Mapping[str, Sequence[str]], name: str) -> bool | None:
    """Return a parameter that is `true` or `false`, None if it was not given. Raises BadRequest."""
    text = single(given, name)
    if text not in {None, "true", "false"}:
        raise BadRequest(f"`{name}` must be true or false")
    return None if text is None else text == "true"


def _integer(given: Mapping[str, Sequence[str]], name: str, lowest: int, highest: int) -> int | None:
    text = single(given, name)
    if text is None:
        return None
    if not _LONG_INTEGER.fullmatch(text) or not lowest <= int(text) <= highest:
        raise BadRequest(f"`{name}` must be a whole number from {lowest} to {highest}")
    return int(text)


def _date(given: Mapping[str, Sequence[str]], name: str, default_timezone: tzinfo) -> datetime | None:
    text = single(given, name)
    return None if text is None else parse_execution_date(restore_plus(text), default_timezone)
