"""Query strings of lists: everything beyond `state` is opt-in."""

import contextlib
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import BadRequest
from server.wire import (
    DagRunsQuery,
    NextRunsQuery,
    Page,
    page_links,
    parse_dag_runs_query,
    parse_dags_query,
    parse_next_runs,
)

DEFAULT = DagRunsQuery(Page("execution_date"))


def read(query: str) -> DagRunsQuery:
    """Parse a query string as a web server would."""
    return parse_dag_runs_query(parse_qsl(query, keep_blank_values=True), UTC)


@pytest.mark.parametrize("query", ["", "state=", "STATE=failed", "foo=1&foo=2", "dag_id=x", "Limit=1"])
def test_what_airflow_ignored_changes_nothing(query: str) -> None:
    """Unknown parameters, and an empty state, list all runs by date."""
    assert read(query) == DEFAULT


@pytest.mark.parametrize("state", ["failed", "FAILED", "Failed"])
def test_a_state_in_any_case(state: str) -> None:
    """States are compared in lower case."""
    assert read(f"state={state}").states == ("failed",)


@pytest.mark.parametrize("query", ["state=failed&state=success", "state=&state=failed", "limit=1&offset=1", "offset=0"])
def test_airflows_answers_do_not_change_by_accident(query: str) -> None:
    """Several states and offset, which Airflow did not heed, ask for order_by."""
    with pytest.raises(BadRequest, match="add order_by=execution_date or order_by=-execution_date"):
        read(query)


def test_everything_together() -> None:
    """All parameters, with dates as anywhere else and the plus that a query string eats put back."""
    query = read(
        "state=failed&state=SUCCESS&state=failed&order_by=-execution_date&limit=2&offset=4&run_id=r&run_id=s&run_id=r"
        "&execution_date_gte=2020-01-01&execution_date_lte=2020-02-01T05:00:00+05:30"
    )
    assert query == DagRunsQuery(
        page=Page("execution_date", descending=True, limit=2, offset=4),
        states=("failed", "success"),
        run_ids=("r", "s"),
        execution_date_gte=datetime(2020, 1, 1, tzinfo=UTC),
        execution_date_lte=datetime(2020, 1, 31, 23, 30, tzinfo=UTC),
    )
    assert query.page.partial


def test_a_run_id_with_its_plus_eaten_is_found() -> None:
    """A default run_id holds a + that few people encode."""
    assert read("run_id=manual__2020-01-01T00:00:00+00:00").run_ids == ("manual__2020-01-01T00:00:00+00:00",)
    assert read("run_id=manual__2020-01-01T00:00:00%2B00:00").run_ids == ("manual__2020-01-01T00:00:00+00:00",)
    assert read("run_id=a+b").run_ids == ("a b",)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("limit=0", "`limit` must be a whole number from 1 to 10000"),
        ("limit=10001", "`limit` must be a whole number from 1 to 10000"),
        ("limit=", "`limit` must be a whole number"),
        ("limit=-1", "`limit` must be a whole number"),
        ("limit=1.5", "`limit` must be a whole number"),
        ("limit=%D9%A3", "`limit` must be a whole number"),
        ("limit=" + "9" * 5000, "`limit` must be a whole number"),
        ("limit=1&limit=2", "`limit` was given 2 times"),
        ("offset=-1&order_by=execution_date", "`offset` must be a whole number from 0"),
        ("order_by=state", "`order_by` must be one of execution_date, -execution_date"),
        ("order_by=--execution_date", "`order_by` must be one of"),
        ("run_id=", "`run_id` must not be empty"),
        ("run_id=%00", "NUL"),
        ("state=%00", "NUL"),
        ("execution_date_gte=junk", "Given execution date, junk, could not be identified"),
        ("execution_date_lte=", "could not be identified"),
    ],
)
def test_bad_values_say_what_would_be_right(query: str, words: str) -> None:
    """Each is a 400 that names the parameter."""
    with pytest.raises(BadRequest, match=words):
        read(query)


NAMES = st.sampled_from(
    ["state", "limit", "offset", "order_by", "run_id", "execution_date_gte", "execution_date_lte", "x"]
)
VALUES = st.one_of(st.text(max_size=10), st.sampled_from(["1", "execution_date", "-dag_id", "failed", "2020-01-01"]))


@given(st.lists(st.tuples(NAMES, VALUES), max_size=5))
def test_any_query_is_understood_or_a_400(pairs: list[tuple[str, str]]) -> None:
    """No query makes a parser raise anything but BadRequest."""
    for parse in (lambda: parse_dag_runs_query(pairs, UTC), lambda: parse_dags_query(pairs)):
        with contextlib.suppress(BadRequest):
            parse()


def test_dags_are_paged_without_more_ado() -> None:
    """GET /dags is no endpoint of Airflow's, so offset needs no order_by."""
    assert parse_dags_query([]).page == Page("dag_id")
    assert parse_dags_query([("limit", "5"), ("offset", "10"), ("order_by", "-dag_id")]).page == Page(
        "dag_id", descending=True, limit=5, offset=10
    )
    with pytest.raises(BadRequest, match="one of dag_id, -dag_id"):
        parse_dags_query([("order_by", "id")])


def links(query: str, total: int) -> dict[str, str]:
    """Give the links of a page of `total` runs by their relation."""
    pairs = parse_qsl(query)
    found = page_links("/runs", pairs, parse_dag_runs_query(pairs, UTC).page, total)
    return {part.split('rel="')[1][:-1]: part[1 : part.index(">")] for part in found.split(", ")}


def test_links_lead_through_the_pages() -> None:
    """Following next visits every row once, keeps the filters, and each link is understood."""
    query, seen = "state=failed&limit=2", []
    while True:
        page = read(query).page
        seen += list(range(5))[page.offset : page.offset + (page.limit or 0)]
        following = links(query, 5).get("next")
        if following is None:
            break
        query = urlsplit(following).query
        assert read(query).states == ("failed",)
    assert seen == [0, 1, 2, 3, 4]
    assert links(query, 5)["prev"] == links("state=failed&limit=2&order_by=execution_date&offset=2", 5)[
        "first"
    ].replace("offset=0", "offset=2")


def test_links_of_an_empty_list() -> None:
    """Nothing found: first and last are the same, with nothing before or after."""
    assert set(links("limit=2", 0)) == {"first", "last"}
    assert links("limit=2", 4)["last"].endswith("offset=2")


def test_next_runs() -> None:
    """Without their number there are none; each date may stand alone."""
    date = datetime(2020, 1, 5, tzinfo=UTC)
    for query, read_as in (
        ("", None),
        ("execution_date_gte=2020-01-05&details=true", None),
        ("next_runs=1000", NextRunsQuery(1000)),
        ("next_runs=3&execution_date_lte=2020-01-05T00:00:00 00:00", NextRunsQuery(3, None, date)),
        ("next_runs=3&execution_date_gte=2020-01-05", NextRunsQuery(3, date)),
    ):
        assert parse_next_runs(parse_qsl(query, keep_blank_values=True), UTC) == read_as
    for query, said in (
        ("next_runs=0", "`next_runs` must be a whole number from 1 to 1000"),
        ("next_runs=1001", "from 1 to 1000"),
        ("next_runs=", "from 1 to 1000"),
        ("next_runs=1&next_runs=2", "was given 2 times"),
        ("next_runs=1&execution_date_gte=never", "could not be identified as a date"),
    ):
        with pytest.raises(BadRequest, match=said):
            parse_next_runs(parse_qsl(query, keep_blank_values=True), UTC)
