"""Schemathesis, an outsider that reads the description and tries everything that it allows, and more."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from server.standalone.dags.loader import DagLoader

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
DAGS = Path(__file__).parents[2] / "dags"
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
)


@pytest.fixture
async def url(database: str, serve: Callable[..., Awaitable[str]]) -> str:
    """Serve the example DAGs, which the description's examples name."""
    async with (
        asyncpg.create_pool(database, min_size=1) as pool,
        DagLoader(pool, DAGS, paused_at_creation=False, settle=0) as loader,
    ):
        await loader.load_once()
    return await serve(wait_limit="0.1")


# Whatever deletes DAGs has a run of its own: without DAGs there is little to find in the rest.
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("choice", ["--exclude-operation-id", "--include-operation-id"])
async def test_nothing_breaks_the_server(url: str, tmp_path: Path, choice: str) -> None:
    """No 5xx, no answer that is not described, nothing accepted that the description forbids."""
    process = await asyncio.create_subprocess_exec(
        *(SCHEMATHESIS, "run", f"{url}/api/experimental/openapi.json", "--url", url),
        *("--checks", ",".join(CHECKS), "--max-examples", "40", "--seed", "1"),
        *("--continue-on-failure", "--warnings", "off", choice, "delete_dag"),
        # A stream has no end.
        *("--exclude-operation-id", "events"),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
