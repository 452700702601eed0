import pytest

SKIPS = """
import pytest

def test_by_itself():
    pytest.skip("not here")

@pytest.mark.skipif(True, reason="nor there")
def test_by_mark():
    pass

@pytest.mark.xfail
def test_expected():
    assert False
"""


@pytest.fixture
def skipping(pytester: pytest.Pytester) -> pytest.Pytester:
    """Make a test suite that skips tests and a module, with the project's plugin."""
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    pytester.makeconftest("from tests.no_skips import *\n")
    pytester.makepyfile(test_some=SKIPS, test_module="import pytest\npytest.importorskip('no_such_module')\n")
    return pytester


def test_without_the_switch_what_is_missing_may_be_skipped(
    skipping: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a developer's machine a skip is a skip."""
    monkeypatch.delenv("WINDSOCK_NO_SKIPS", raising=False)
    skipping.runpytest_inprocess().assert_outcomes(skipped=3, xfailed=1)


def test_with_the_switch_each_skip_is_a_failure(skipping: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that skip themselves, by mark or with their module do not pass, and say why; expected failures stay."""
    monkeypatch.setenv("WINDSOCK_NO_SKIPS", "1")
    result = skipping.runpytest_inprocess("--continue-on-collection-errors")
    result.assert_outcomes(failed=1, errors=2, xfailed=1)
    result.stdout.fnmatch_lines(["*WINDSOCK_NO_SKIPS=1 forbids to skip (*not here*)*"])
