"""Permissions: what grants give, for which DAGs, and what endpoints need."""

import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.api import routes
from server.auth.permissions import EVERYTHING, NOTHING, ROLES, Grant, Needs, Permission, Permissions, Resource, reads
from server.errors import StartupError
from server.wire.dag_patterns import dag_pattern
from windsock.protocol import PREFIX

_READ_DAG = reads(Resource.DAGS)
_READ_RUN = reads(Resource.DAGS, Resource.RUNS)


@given(st.text("ab*", max_size=8), st.text("ab", max_size=10))
def test_patterns_match_as_globs(pattern: str, dag_id: str) -> None:
    """A star is any text, and nothing else has a meaning."""
    expected = re.fullmatch(fnmatch.translate(pattern), dag_id) is not None
    assert dag_pattern([pattern]).matches(dag_id) == expected


def test_what_others_read_as_patterns() -> None:
    """Only the star has a meaning."""
    assert not dag_pattern(["a?c", "a[b]c", "a.c"]).matches("abc")
    assert dag_pattern(["a?c"]).matches("a?c")


def test_long_patterns_take_no_time() -> None:
    """A regular expression would take ages."""
    assert not dag_pattern(["*a" * 100 + "b"]).matches("a" * 100_000)


def test_a_grant_for_some_dags() -> None:
    """It gives what belongs to these DAGs, and nothing else."""
    some = Permissions([Grant(ROLES["Op"], (dag_pattern(["etl_*"]),))])
    assert some.missing(_READ_RUN, "etl_1") is None
    assert some.missing(_READ_RUN, "other") == Permission("can_read", "DAGs")
    assert some.missing(reads(Resource.POOLS)) == Permission("can_read", "Pools")
    assert some.missing(_READ_DAG) is None
    readable = some.readable(_READ_DAG)
    assert readable is not None
    assert readable.matches("etl_1")
    assert not readable.matches("other")


def test_permissions_of_several_grants() -> None:
    """For a DAG all that an endpoint needs must be given, by whatever grants."""
    runs = Grant(frozenset(reads(Resource.RUNS).every))
    one = Grant(frozenset(_READ_DAG.every), (dag_pattern(["one"]),))
    both = Permissions([runs, one])
    assert both.missing(_READ_RUN, "one") is None
    assert both.missing(_READ_RUN, "two") == Permission("can_read", "DAGs")
    readable = both.readable(_READ_RUN)
    assert readable is not None
    assert (readable.matches("one"), readable.matches("two")) == (True, False)
    assert readable.candidates == dag_pattern(["one"])
    assert Permissions([one]).missing(_READ_RUN, "one") == Permission("can_read", "DAG Runs")


def test_either() -> None:
    """One of the permissions is enough, and the error names the first."""
    needs = Needs(either=(Permission("can_create", "Pools"), Permission("can_edit", "Pools")))
    assert Permissions([Grant(frozenset({Permission("can_edit", "Pools")}))]).missing(needs) is None
    assert NOTHING.missing(needs) == Permission("can_create", "Pools")


def test_roles_that_only_a_few_dags_are_given() -> None:
    """What is limited twice is limited to what both say."""
    grant = Grant(ROLES["User"], (dag_pattern(["a*"]),)).limited_to(dag_pattern(["*z"]))
    assert grant.gives(Permission("can_edit", "DAGs"), "az")
    assert not grant.gives(Permission("can_edit", "DAGs"), "ab")
    assert not grant.gives(Permission("can_edit", "DAGs"), "bz")


@pytest.mark.parametrize("endpoint", routes.ENDPOINTS, ids=lambda endpoint: f"{endpoint.method} {endpoint.path}")
def test_every_endpoint_says_what_it_needs(endpoint: routes.Endpoint) -> None:
    """Who may do everything may call each endpoint; who may do nothing only those that need nothing more."""
    assert endpoint.needs is not None
    assert EVERYTHING.missing(endpoint.needs, "dag") is None
    assert (NOTHING.missing(endpoint.needs, "dag") is None) == (endpoint.needs == Needs())


def test_an_endpoint_that_does_not_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can forget it."""
    silent = routes.ENDPOINTS[0]._replace(needs=None)
    monkeypatch.setattr(routes, "ENDPOINTS", (*routes.ENDPOINTS[1:], silent))
    with pytest.raises(StartupError, match="GET /test must say which permissions it needs"):
        routes.table(PREFIX)
