"""Reads the query of the list of DAGs: paging and order as in other lists, and what narrows it down."""

from collections.abc import Mapping, Sequence

import msgspec

from server.errors import BadRequest
from server.wire.bodies import check_id
from server.wire.query import MAX_LIMIT, PAGE_PARAMETERS, Page, Pairs, collect, flag, read_page, single

DAGS_PARAMETERS = PAGE_PARAMETERS | {"details", "search", "tag", "owner", "state", "paused", "active"}
_ORDERS = ("dag_id", "next_dagrun", "last_run")
# The header Link has them several times, and proxies bound the headers of an answer.
_LONGEST_SEARCH, _MOST_VALUES = 500, 50
# With details, each DAG costs a dozen look-ups.
_DETAILS_LIMIT, _MAX_DETAILS_LIMIT = 100, 1000


class DagsQuery(msgspec.Struct, frozen=True):
    """Which DAGs a list has; what is empty or None does not filter. `states` (lower case) are of the newest run."""

    page: Page
    details: bool = False
    search: str | None = None
    tags: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    paused: bool | None = None
    active: bool | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it is a list, or a page, of all DAGs by id, without details."""
        return self == DagsQuery(self.page) and self.page.order_by == _ORDERS[0]

    @property
    def conditions(self) -> tuple[object, ...]:
        """Return arguments of the statements `found_dags`."""
        return self.search, self.tags or None, self.owners or None, self.paused, self.active, self.states or None


def parse_dags_query(pairs: Pairs) -> DagsQuery:
    """Read the query of `GET /dags`; an empty text does not filter. Raises BadRequest."""
    given = collect(pairs, DAGS_PARAMETERS)
    # Most callers ask for nothing else.
    query = DagsQuery(read_page(given, _ORDERS)) if given.keys() <= PAGE_PARAMETERS else _narrowed(given)
    if query.is_plain or query.page.limit is not None:
        return query
    return msgspec.structs.replace(query, page=msgspec.structs.replace(query.page, limit=MAX_LIMIT))


def _narrowed(given: Mapping[str, Sequence[str]]) -> DagsQuery:
    details = flag(given, "details") or False
    limits = (_DETAILS_LIMIT, _MAX_DETAILS_LIMIT) if details else (None, MAX_LIMIT)
    return DagsQuery(
        page=read_page(given, _ORDERS, *limits),
        details=details,
        search=_search(given),
        tags=_texts(given, "tag"),
        owners=_texts(given, "owner"),
        states=tuple(state.lower() for state in _texts(given, "state")),
        paused=flag(given, "paused"),
        active=flag(given, "active"),
    )


def _search(given: Mapping[str, Sequence[str]]) -> str | None:
    text = check_id(single(given, "search") or "", "search")
    if len(text) > _LONGEST_SEARCH:
        raise BadRequest(f"The search has {len(text)} characters; at most {_LONGEST_SEARCH} are looked for")
    return text or None


def _texts(given: Mapping[str, Sequence[str]], name: str) -> tuple[str, ...]:
    if len(given.get(name, ())) > _MOST_VALUES:
        raise BadRequest(f"{name} is given {len(given[name])} times; at most {_MOST_VALUES} are possible")
    return tuple(dict.fromkeys(check_id(text, name) for text in given.get(name, ()) if text))
