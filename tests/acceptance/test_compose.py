"""deploy/compose.yaml, as far as it can be tried where no container runs: its settings, with the same programs here."""

import json
import os
import re
import subprocess
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.acceptance.process import WINDSOCK, wait_until
from tests.acceptance.service import free_port

FILE = Path(__file__).parents[2] / "deploy" / "compose.yaml"
GIVEN = {"WINDSOCK_DB_PASSWORD": "secret", "WINDSOCK_SECRET_KEY": "0123456789abcdef0123", "WINDSOCK_PORT": ""}
CONTAINERFILE, DOCUMENT = FILE.with_name("Containerfile"), FILE.parents[1] / "docs" / "deployment.md"
# The release of Debian's postgresql-client: pg_dump takes no server that is newer.
CLIENT_OF = {"trixie": 17}
_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?P<rule>:[-?])(?P<rest>[^}]*)\}")


def interpolated(text: str) -> str:
    """Put in what the variables say; all are given, or have a default."""
    return _VARIABLE.sub(lambda found: GIVEN[found["name"]] or found["rest"], text)


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The file as the engine reads it."""
    content: dict[str, Any] = yaml.safe_load(interpolated(FILE.read_text("utf-8")))
    return content


def test_its_variables_are_those_of_the_sample() -> None:
    """Whoever copies deploy/compose.env is asked for nothing else; what has no default must be chosen."""
    named = {found["name"]: found["rule"] for found in _VARIABLE.finditer(FILE.read_text("utf-8"))}
    sample = dict(re.findall(r"^(\w+)=(.*)$", FILE.with_name("compose.env").read_text("utf-8"), re.MULTILINE))
    assert named.keys() == sample.keys() == GIVEN.keys()
    assert {name for name, rule in named.items() if rule == ":?"} == {
        name for name, value in sample.items() if not value
    }


def test_what_it_names_is_there(compose: dict[str, Any]) -> None:
    """Files, services and volumes; nothing is served beyond this machine."""
    services = compose["services"]
    for name, service in services.items():
        if build := service.get("build"):
            context = FILE.parent / build["context"]
            assert (context / build["dockerfile"]).samefile(FILE.with_name("Containerfile")), name
        assert services.keys() >= service.get("depends_on", {}).keys(), name
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert source in compose["volumes"] or (FILE.parent / source).is_dir(), volume
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name
    assert services["api"]["ports"] == ["127.0.0.1:8080:8080"]
    database = services["db"]["environment"]
    dsn = f"postgresql://{database['POSTGRES_USER']}:{database['POSTGRES_PASSWORD']}@db/windsock"
    assert {
        services[name]["environment"]["AIRFLOW__WINDSOCK__SQL_ALCHEMY_CONN"] for name in ("api", "initdb", "scheduler")
    } == {dsn}


def test_its_services_start(compose: dict[str, Any], empty_database: str, tmp_path: Path) -> None:
    """With their commands and settings, but for addresses and folders: `initdb`, then the API and the scheduler."""
    services, port = compose["services"], str(free_port())
    here = {
        "AIRFLOW__WINDSOCK__SQL_ALCHEMY_CONN": empty_database,
        "AIRFLOW__WINDSOCK__DAGS_FOLDER": str(FILE.parents[1] / "dags"),
    }
    env = {**os.environ, "AIRFLOW_HOME": str(tmp_path), **services["api"]["environment"], **here}
    env["AIRFLOW__WINDSOCK__PORT"] = port

    def start(name: str) -> "subprocess.Popen[bytes]":
        assert {**services[name]["environment"], **here}.items() <= env.items()
        return subprocess.Popen([WINDSOCK, *services[name].get("command", ["webserver"])], env=env)

    with start("initdb") as initdb:
        assert initdb.wait(60) == 0
    with start("api") as api, start("scheduler") as scheduler:
        try:
            wait_until(lambda: healthy(port))
        finally:
            for process in (scheduler, api):
                process.terminate()
        assert (api.wait(60), scheduler.wait(60)) == (0, 0)


def test_its_backup_and_restore(compose: dict[str, Any], empty_database: str, tmp_path: Path) -> None:
    """What the document has `docker compose run` do: by stdout and stdin, with the programs of the image's Debian."""
    text = DOCUMENT.read_text("utf-8")
    found = re.findall(r"docker compose .* run --rm -T (\w+) (db \w+.*?) ([<>]) \S+", text)
    assert [(arguments, way) for _, arguments, way in found] == [("db backup -", ">"), ("db restore --force -", "<")]
    (name,) = {service for service, _, _ in found}
    here = {"AIRFLOW__WINDSOCK__SQL_ALCHEMY_CONN": empty_database, "AIRFLOW_HOME": str(tmp_path)}
    env = {**os.environ, **compose["services"][name]["environment"], **here}
    subprocess.run([WINDSOCK, "initdb"], env=env, check=True)
    subprocess.run([WINDSOCK, "pools", "set", "kept", "3", "for ever"], env=env, check=True)
    with (tmp_path / "backup").open("wb") as file:
        subprocess.run([WINDSOCK, *found[0][1].split()], env=env, stdout=file, check=True)
    subprocess.run([WINDSOCK, "pools", "delete", "kept"], env=env, check=True)
    with (tmp_path / "backup").open("rb") as file:
        subprocess.run([WINDSOCK, *found[1][1].split()], env=env, stdin=file, check=True)
    subprocess.run([WINDSOCK, "pools", "get", "kept"], env=env, check=True)
    assert "postgresql-client" in CONTAINERFILE.read_text("utf-8")
    (debian,) = set(re.findall(r"^FROM .*-slim-(\w+)", CONTAINERFILE.read_text("utf-8"), re.MULTILINE))
    assert compose["services"]["db"]["image"].endswith(f":{CLIENT_OF[debian]}")


def healthy(port: str) -> bool:
    """Whether the API answers, and its scheduler lives."""
    try:
        with closing(urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5)) as answer:
            health = json.loads(answer.read())
    except OSError:
        return False
    found: bool = health["scheduler"]["status"] == "healthy" and health["metadatabase"]["status"] == "healthy"
    return found
