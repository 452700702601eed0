"""Both ways of serving: the fast path, and plain aiohttp where its private parts are not as expected."""

import pytest

WAYS = {"fast": "True", "plain": "False"}


@pytest.fixture(params=[*WAYS.values()], ids=[*WAYS])
def fast_path(request: pytest.FixtureRequest) -> str:
    """Run each test of a module, or of a folder, that imports this fixture both ways."""
    way: str = request.param
    return way
