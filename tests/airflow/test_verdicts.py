"""Windsock admits whom the real Airflows admit: their verdicts were recorded, and those beside them are asked again."""

import asyncio
import json
import re
from pathlib import Path

import aiohttp
import bcrypt
import pytest

from server.api.routes import ENDPOINTS
from server.auth.permissions import NOTHING_MORE
from server.standalone.postgres import EmbeddedPostgres
from tests.airflow import verdicts
from tests.airflow.ab_tables import add_user, make_roles
from tests.airflow.conftest import CHOSEN, create_database
from tests.airflow.real import HERE, RealAirflow, find_python, install, install_beside
from tests.airflow.releases import RELEASES
from tests.airflow.serving import connected, prepare
from tests.live import live_server

# The schema of a release that has no file of its own.
_SCHEMAS = {"2.11.2": "2.10.5"}
_PASSWORD = "a password"
_HASH = bcrypt.hashpw(_PASSWORD.encode(), bcrypt.gensalt(4)).decode()
_DAGS = ("GET /dags", "GET /dags?details=true", "GET /dag_tags")
_RUNS = ("GET /latest_runs", "GET /unfinished_runs", "POST /dag_runs/states", "GET /events")
# Airflow shows these roles a page without a DAG on it, or refuses a list that here has what they may read in parts.
_OTHERWISE = {
    "1.10.15": {("views_only", request) for request in (*_DAGS, *_RUNS)},
    "2.11.2": {("d_runs", request) for request in _RUNS},
    "3.3.2": {("d_runs", request) for request in _RUNS},
}
_FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"


@pytest.mark.parametrize("backend", ["tests.airflow.named", "password_auth"])
@pytest.mark.parametrize("release", verdicts.RECORDED)
async def test_everybody_may_do_what_airflow_admits(empty_database: str, release: str, backend: str, role: str) -> None:
    """Every role, every request: the same verdict as that Airflow's for the same thing."""
    known = verdicts.recorded(release)
    async with connected(empty_database) as owner:
        await make_roles(owner, known["permissions"])
        for name in known["allowed"]:
            await add_user(owner, name, name, password=_HASH)
        if release.startswith("1."):
            await owner.execute("CREATE TABLE users (username text, email text, password text, superuser bool, id int)")
            await owner.execute("INSERT INTO users SELECT username, email, password FROM ab_user")
    dsn = await prepare(empty_database, _SCHEMAS.get(release, release), role)
    found = set()
    async with live_server(dsn, auth_backend=backend) as url, aiohttp.ClientSession() as http:
        for name in known["allowed"]:
            headers = {"X-Caller": name, "Authorization": aiohttp.encode_basic_auth(name, _PASSWORD)}
            for same in verdicts.everything():
                method, path, body = same.request
                path = f"{url}/api/experimental{path}"
                async with http.request(method, path, json=body, headers=headers) as answer:
                    assert answer.status < 500, await answer.text()
                    if answer.status != 403:
                        found.add((name, same.name))
    real = {(name, request) for name, requests in known["allowed"].items() for request in requests}
    assert found ^ real == _OTHERWISE[release]


def test_every_endpoint_is_asked_for() -> None:
    """One that needs a permission has its counterpart in Airflow."""
    asked = [same.request[:2] for same in verdicts.everything()]
    for endpoint in ENDPOINTS:
        path = re.compile(re.sub(r"\{\w+\}", "[^/]+", endpoint.path))
        found = any(method == endpoint.method and path.fullmatch(where) for method, where in asked)
        assert found or endpoint.needs == NOTHING_MORE, endpoint.path


@pytest.mark.airflow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", [one for one in verdicts.RECORDED if one in CHOSEN])
async def test_the_verdicts_are_still_true(version: str, postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """Roles and users that this Airflow's own commands make; its own API, or the pages of 1.10, are asked."""
    release = RELEASES[version]
    python = find_python(release)
    if python is None:
        pytest.skip(f"Airflow {version} needs Python {' or '.join(release.pythons)}")
    await asyncio.to_thread(install, release, python)
    settings = {"AIRFLOW__WEBSERVER__RBAC": "True", "AIRFLOW__WEBSERVER__SECRET_KEY": "a secret key of the tests",
                "AIRFLOW__API__AUTH_BACKENDS": "airflow.api.auth.backend.session"}  # fmt: skip
    if release.generation == 3:
        packages = await asyncio.to_thread(install_beside, release, "fab")
        settings = {"PYTHONPATH": str(packages), "AIRFLOW__CORE__AUTH_MANAGER": _FAB,
                    "AIRFLOW__API__SECRET_KEY": "a secret key of the tests"}  # fmt: skip
    name = f"verdicts_{version.replace('.', '_')}"
    await create_database(postgres.dsn, name)
    airflow = RealAirflow(release, tmp_path, postgres.dsn_of(name), HERE / "dags", **settings)
    await asyncio.to_thread(airflow.migrate)
    answer = await asyncio.to_thread(airflow.ask_of, "roles_in_airflow.py", verdicts.question(release.generation))
    # To be copied if the difference is meant.
    (tmp_path / f"{version}.json").write_text(text := verdicts.written(answer), "utf-8")
    assert json.loads(text) == verdicts.recorded(version)
