import asyncio
import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from server.database.schema import SchemaError, initdb
from server.standalone.dags.loader import DagLoader
from server.standalone.dags.serialize import fileloc_hash
from server.standalone.postgres import EmbeddedPostgres
from tests.dag_files import BAD
from windsock.config import Dsn

DAG = "{name}:\n  tags: [{tag}]\n  tasks:\n    t: {{operator: a.B, value: {value}}}\n"


class Home:
    """A DAGs folder, a loader on it, and the database that it fills."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", conn: asyncpg.Connection, folder: Path) -> None:
        self.pool = pool
        self.conn = conn
        self.folder = folder
        self.loaders: list[DagLoader] = []
        self.loader = self.restarted()

    def restarted(self, *, paused: bool = False) -> DagLoader:
        """Return a loader that remembers nothing."""
        loader = DagLoader(self.pool, self.folder, paused_at_creation=paused, settle=0)
        self.loaders.append(loader)
        return loader

    def write(self, file: str, *names: str, value: str = "1", tag: str = "x") -> Path:
        """Write a file that defines these DAGs."""
        path = self.folder / file
        path.write_text("".join(DAG.format(name=name, value=value, tag=tag) for name in names))
        return path

    async def rows(self, sql: str, *args: object) -> list[tuple[Any, ...]]:
        """Fetch rows as tuples."""
        return [tuple(row) for row in await self.conn.fetch(sql, *args)]

    async def active(self) -> dict[str, str]:
        """Return the file of each active DAG."""
        rows = await self.rows("SELECT dag_id, fileloc FROM dag WHERE is_active ORDER BY dag_id")
        return {dag_id: Path(fileloc).name for dag_id, fileloc in rows}

    async def errors(self) -> list[str]:
        """Return the files that have an import error."""
        rows = await self.rows("SELECT filename FROM import_error ORDER BY filename")
        return [Path(filename).name for (filename,) in rows]

    async def versions(self) -> Sequence[tuple[Any, ...]]:
        """Return what changes whenever a row is written."""
        tables = ("dag", "serialized_dag", "dag_code", "dag_tag", "import_error")
        return [row for table in tables for row in await self.rows(f"SELECT ctid, xmin FROM {table} ORDER BY 1")]


@pytest.fixture
async def home(database: str, tmp_path: Path) -> AsyncIterator[Home]:
    """Make an empty folder and a loader for it."""
    folder = tmp_path / "dags"
    folder.mkdir()
    conn = await asyncpg.connect(database)
    try:
        async with asyncpg.create_pool(database, min_size=0) as pool:
            home = Home(pool, conn, folder)
            async with AsyncExitStack() as stack:
                yield home
                for loader in home.loaders:
                    await stack.enter_async_context(loader)
    finally:
        await conn.close()


async def test_a_file_becomes_rows(home: Home) -> None:
    """One file fills dag, serialized_dag, dag_code and dag_tag, consistently."""
    path = home.write("a.yaml", "one")
    report = await home.loader.load_once()
    assert (report.written, report.deactivated, report.errors) == (["one"], [], {})
    ((fileloc, source, data),) = await home.rows(
        "SELECT s.fileloc, source_code, data FROM serialized_dag s JOIN dag_code c USING (fileloc_hash)"
    )
    assert (fileloc, source) == (str(path), path.read_text())
    assert json.loads(data)["dag"]["tasks"][0]["value"] == 1
    assert await home.rows("SELECT dag_id, is_paused, is_subdag, is_active, owners, schedule_interval FROM dag") == [
        ("one", False, False, True, "airflow", "null")
    ]
    assert await home.rows("SELECT name, dag_id FROM dag_tag") == [("x", "one")]


async def test_unchanged_files_cost_no_write(home: Home) -> None:
    """Neither the next look nor a restart writes a row; good files and broken ones alike."""
    home.write("a.yaml", "one", "two")
    (home.folder / "broken.yaml").write_text("x: [")
    await home.loader.load_once()
    before = await home.versions()
    assert (await home.loader.load_once()).errors == {}
    report = await home.restarted().load_once()
    assert (report.written, len(report.errors)) == ([], 1)
    assert await home.versions() == before


async def test_a_change_is_loaded(home: Home) -> None:
    """Values, code and tags follow the file; a comment changes the code alone."""
    home.write("a.yaml", "one")
    await home.loader.load_once()
    path = home.write("a.yaml", "one", value="2", tag="y")
    assert (await home.loader.load_once()).written == ["one"]
    assert await home.rows("SELECT name FROM dag_tag") == [("y",)]
    with path.open("a") as stream:
        stream.write("# comment\n")
    assert (await home.loader.load_once()).written == []
    assert await home.rows("SELECT source_code FROM dag_code") == [(path.read_text(),)]


async def test_a_pause_is_never_touched(home: Home) -> None:
    """How new DAGs start is the configuration's or the file's say; after that it is the user's."""
    home.write("a.yaml", "one")
    (home.folder / "b.yaml").write_text("two: {is_paused_upon_creation: false, tasks: {t: {operator: a.B}}}")
    await home.restarted(paused=True).load_once()
    assert await home.rows("SELECT dag_id, is_paused FROM dag ORDER BY 1") == [("one", True), ("two", False)]
    await home.conn.execute("UPDATE dag SET is_paused = NOT is_paused")
    home.write("a.yaml", "one", value="2")
    await home.restarted(paused=True).load_once()
    assert await home.rows("SELECT dag_id, is_paused FROM dag ORDER BY 1") == [("one", False), ("two", True)]


async def test_a_broken_file_stops_nobody(home: Home) -> None:
    """The others load, the broken one is an import error with its line, and its DAGs stay as they were."""
    home.write("a.yaml", "one")
    home.write("b.yaml", "two")
    await home.loader.load_once()
    before = await home.rows("SELECT data::text FROM serialized_dag WHERE dag_id = 'one'")
    (home.folder / "a.yaml").write_text("one:\n  tasks:\n    t: {operator: nope}\nthree: {}\n")
    home.write("b.yaml", "two", value="2")
    report = await home.loader.load_once()
    assert report.written == ["two"]
    ((stacktrace,),) = await home.rows("SELECT stacktrace FROM import_error")
    assert f"{home.folder}/a.yaml:3: DAG 'one': " in stacktrace
    assert f"{home.folder}/a.yaml:4: DAG 'three': " in stacktrace
    assert await home.active() == {"one": "a.yaml", "two": "b.yaml"}
    assert await home.rows("SELECT data::text FROM serialized_dag WHERE dag_id = 'one'") == before
    home.write("a.yaml", "one")
    await home.loader.load_once()
    assert await home.errors() == []


async def test_a_broken_file_keeps_its_dags_over_a_restart(home: Home) -> None:
    """A loader that starts while a file is broken deactivates nothing."""
    home.write("a.yaml", "one")
    await home.loader.load_once()
    (home.folder / "a.yaml").write_text("one: [")
    report = await home.restarted().load_once()
    assert report.deactivated == []
    assert await home.active() == {"one": "a.yaml"}


async def test_removed_files_and_dags_are_deactivated(home: Home) -> None:
    """What no file defines any more becomes inactive, and active again when it comes back; the rest stays."""
    path = home.write("a.yaml", "one", "two")
    home.write("b.yaml", "three")
    (home.folder / "c.yaml").write_text("x: [")
    await home.loader.load_once()
    home.write("a.yaml", "one")
    assert (await home.loader.load_once()).deactivated == ["two"]
    path.unlink()
    (home.folder / "c.yaml").unlink()
    assert (await home.restarted().load_once()).deactivated == ["one"]
    assert (await home.active(), await home.errors()) == ({"three": "b.yaml"}, [])
    assert len(await home.rows("SELECT FROM serialized_dag")) == 3
    home.write("a.yaml", "one", "two")
    await home.restarted().load_once()
    assert set(await home.active()) == {"one", "two", "three"}


async def test_a_folder_that_went_away_deactivates_nothing(home: Home) -> None:
    """An unmounted folder is not an empty one."""
    home.write("a.yaml", "one")
    await home.loader.load_once()
    home.folder.rename(home.folder.with_name("elsewhere"))
    assert (await home.loader.load_once()).deactivated == []
    assert (await home.restarted().load_once()).deactivated == []
    assert await home.active() == {"one": "a.yaml"}


async def test_a_dag_belongs_to_one_file(home: Home) -> None:
    """The second file that defines a DAG is refused until the first lets go; among new ones the names decide."""
    home.write("b.yaml", "one")
    await home.loader.load_once()
    home.write("a.yaml", "one", "two")
    report = await home.loader.load_once()
    (text,) = report.errors.values()
    assert text == f"{home.folder}/a.yaml:1: DAG 'one' is already defined in {home.folder}/b.yaml"
    assert await home.active() == {"one": "b.yaml"}
    assert (await home.restarted().load_once()).errors == report.errors
    home.write("b.yaml", "three")
    await home.loader.load_once()
    assert await home.active() == {"one": "a.yaml", "two": "a.yaml", "three": "b.yaml"}
    assert await home.errors() == []
    home.write("y.yaml", "four")
    home.write("x.yaml", "four")
    await home.loader.load_once()
    assert (await home.active())["four"] == "x.yaml"
    assert await home.errors() == ["y.yaml"]


async def test_a_broken_file_still_owns_its_dags(home: Home) -> None:
    """While its file is broken, a DAG cannot be taken over by another."""
    home.write("a.yaml", "one")
    await home.loader.load_once()
    (home.folder / "a.yaml").write_text("one: [")
    home.write("b.yaml", "one")
    await home.loader.load_once()
    assert await home.errors() == ["a.yaml", "b.yaml"]
    assert await home.active() == {"one": "a.yaml"}


async def test_a_renamed_file_keeps_its_dags(home: Home) -> None:
    """Moving a file moves its DAGs, which stay active and keep their pause."""
    path = home.write("a.yaml", "one")
    await home.loader.load_once()
    await home.conn.execute("UPDATE dag SET is_paused = true")
    path.rename(home.folder / "b.yaml")
    report = await home.loader.load_once()
    assert (report.deactivated, report.errors) == ([], {})
    assert await home.rows("SELECT is_paused, is_active FROM dag") == [(True, True)]
    assert await home.active() == {"one": "b.yaml"}


async def test_a_deleted_dag_comes_back(home: Home) -> None:
    """As with Airflow, a DAG that is deleted while its file is there is loaded again."""
    loader = DagLoader(home.pool, home.folder, paused_at_creation=False, settle=0, recheck=0)
    home.loaders.append(loader)
    home.write("a.yaml", "one")
    await loader.load_once()
    for table in ("dag_tag", "serialized_dag", "dag"):
        await home.conn.execute(f"DELETE FROM {table}")
    assert (await loader.load_once()).written == ["one"]
    assert (await loader.load_once()).written == []


async def test_what_the_database_refuses_stops_nobody(home: Home) -> None:
    """A value that no check foresaw is that file's error alone."""
    home.write("a.yaml", "one")
    tasks = "".join(f"    t{n}: {{operator: a.B, owner: {'o' * 200}{n}}}\n" for n in range(20))
    (home.folder / "b.yaml").write_text(f"two:\n  tasks:\n{tasks}")
    home.write("c.yaml", "three")
    report = await home.loader.load_once()
    assert set(report.written) == {"one", "three"}
    assert await home.errors() == ["b.yaml"]


async def test_two_loaders_at_once(home: Home) -> None:
    """Loaders that start together write the same rows once."""
    for number in range(10):
        home.write(f"{number}.yaml", f"dag{number}")
        (home.folder / f"broken{number}.yaml").write_text("x: [")
    await asyncio.gather(*(home.restarted().load_once() for _ in range(4)))
    assert len(await home.active()) == 10
    assert len(await home.errors()) == 10


@pytest.mark.parametrize("text", ["one: {tasks: {t: {operator: a.B}}}", "one: ["])
async def test_a_file_waits_for_another_loader(home: Home, text: str) -> None:
    """While one loader writes a file, good or broken, another waits, and then finds nothing left to write."""
    path = home.folder / "a.yaml"
    path.write_text(text)
    async with home.conn.transaction():
        await home.conn.execute("SELECT pg_advisory_xact_lock($1)", fileloc_hash(str(path)))
        loading = [asyncio.create_task(home.restarted().load_once()) for _ in range(2)]
        await asyncio.sleep(0.2)
        assert not any(task.done() for task in loading)
    reports = await asyncio.gather(*loading)
    assert sum(len(report.written) for report in reports) == len(await home.active())
    assert await home.errors() == (["a.yaml"] if "[" in text else [])


async def test_other_databases_are_refused(home: Home) -> None:
    """Without the marker, or beside an Airflow, nothing is written."""
    home.write("a.yaml", "one")
    await home.conn.execute("CREATE TABLE alembic_version ()")
    with pytest.raises(SchemaError, match="Airflow"):
        await home.loader.load_once()
    await home.conn.execute("DROP TABLE alembic_version; DROP TABLE windsock_schema")
    with pytest.raises(SchemaError, match="initdb"):
        await home.loader.load_once()
    assert await home.active() == {}


async def eventually(home: Home, expected: dict[str, str]) -> None:
    """Wait until these DAGs are active."""
    async with asyncio.timeout(10):
        while await home.active() != expected:
            await asyncio.sleep(0.02)


async def test_watching_sees_changes(home: Home) -> None:
    """New, changed and removed files are picked up without a restart."""
    watcher = asyncio.create_task(home.loader.watch(0.05))
    path = home.write("a.yaml", "one")
    await eventually(home, {"one": "a.yaml"})
    home.write("a.yaml", "two")
    await eventually(home, {"two": "a.yaml"})
    path.unlink()
    await eventually(home, {})
    watcher.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watcher


async def test_a_costly_folder_is_looked_at_less_often(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """But as often as otherwise while a file waits to be read."""
    monkeypatch.setattr("server.standalone.dags.loader._SHARE", 1e-12)
    monkeypatch.setattr("server.standalone.dags.loader._LONGEST_PAUSE", 60.0)
    patient = DagLoader(home.pool, home.folder, paused_at_creation=False, settle=0.3)
    home.loaders.append(patient)
    home.write("a.yaml", "one")
    watcher = asyncio.create_task(patient.watch(0.05))
    await eventually(home, {"one": "a.yaml"})
    home.write("b.yaml", "two")
    await asyncio.sleep(1)
    assert await home.active() == {"one": "a.yaml"}
    watcher.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watcher


async def test_watching_survives_the_database(home: Home, database: str) -> None:
    """While the database drops and refuses connections the watcher waits, then it goes on."""
    watcher = asyncio.create_task(home.loader.watch(0.05))
    home.write("a.yaml", "one")
    await eventually(home, {"one": "a.yaml"})
    name = urlsplit(database).path.strip("/")
    elsewhere = await asyncpg.connect(database, database="postgres")
    await elsewhere.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> $2"
    await elsewhere.execute(others, name, home.conn.get_server_pid())
    home.write("b.yaml", "two")
    await asyncio.sleep(0.3)
    assert not watcher.done()
    assert await home.active() == {"one": "a.yaml"}
    await elsewhere.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    await elsewhere.close()
    await eventually(home, {"one": "a.yaml", "two": "b.yaml"})
    watcher.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watcher


async def test_a_file_that_cannot_be_read_is_an_error(home: Home) -> None:
    """It is reported like any other mistake, and what it defined stays."""
    path = home.write("a.yaml", "one")
    await home.loader.load_once()
    path.unlink()
    path.symlink_to("/proc/self/mem")  # opens, but its first byte cannot be read, not even by root
    home.write("b.yaml", "two")
    await home.loader.load_once()
    assert await home.active() == {"one": "a.yaml", "two": "b.yaml"}
    assert await home.errors() == ["a.yaml"]


async def test_a_file_that_is_written_in_pieces(home: Home) -> None:
    """While its writer has it open nothing is loaded of it, however long that takes, though each piece is valid."""
    path = home.write("a.yaml", "one", "two", "three")
    await home.loader.load_once()
    with path.open("w") as stream:
        for name in ("one", "two", "three", "four"):
            stream.write(DAG.format(name=name, value="2", tag="x"))
            stream.flush()
            for _ in range(2):
                report = await home.loader.load_once()
                assert (report.written, report.deactivated, report.waiting) == ([], [], 1)
    assert len((await home.loader.load_once()).written) == 4


async def test_a_file_that_is_replaced_is_loaded_at_once(home: Home) -> None:
    """Whoever renames one over it has written it; one that was written where it is has to wait."""
    home.write("a.yaml", "one")
    await home.loader.load_once()
    patient = DagLoader(home.pool, home.folder, paused_at_creation=False, settle=3600)
    home.loaders.append(patient)
    os.utime(home.folder / "a.yaml", (0, 0))
    assert (await patient.load_once()).waiting == 1
    home.write("a.yaml", "one", value="2")
    assert (await patient.load_once()).waiting == 1
    home.write("new", "one", value="3").rename(home.folder / "a.yaml")
    assert (await home.loader.load_once()).written == ["one"]


async def test_files_that_change_places(home: Home) -> None:
    """Each DAG has another file now; nobody says that none defines it."""
    home.write("a.yaml", "one")
    home.write("b.yaml", "two")
    await home.loader.load_once()
    home.write("a.yaml", "two", value="2")
    home.write("b.yaml", "one", value="2")
    reports = [await home.loader.load_once() for _ in range(2)]
    assert await home.active() == {"one": "b.yaml", "two": "a.yaml"}
    assert [report.deactivated for report in reports] == [[], []]


async def test_a_file_that_went_and_came_back(home: Home) -> None:
    """Its DAGs are not deactivated for the moment in between."""
    path = home.write("a.yaml", "one")
    patient = DagLoader(home.pool, home.folder, paused_at_creation=False, settle=3600)
    home.loaders.append(patient)
    await home.loader.load_once()
    path.unlink()
    assert (await patient.load_once()).deactivated == []
    assert await home.active() == {"one": "a.yaml"}
    assert (await home.loader.load_once()).deactivated == ["one"]


async def test_ignored_files_are_not_loaded(home: Home) -> None:
    """An `.airflowignore` counts as soon as it is there; what it names is as good as removed."""
    home.write("a.yaml", "one")
    home.write("b.yaml", "two")
    (home.folder / ".airflowignore").write_text("a\\.yaml")
    await home.loader.load_once()
    assert await home.active() == {"two": "b.yaml"}
    (home.folder / ".airflowignore").write_text("^b")
    await home.loader.load_once()
    assert await home.active() == {"one": "a.yaml"}


async def test_bad_files_beside_a_good_one(home: Home) -> None:
    """All of them are import errors with a reason, and none of them is tried again."""
    home.write("good.yaml", "one")
    for name, raw in BAD.items():
        if len(raw) < 6000:
            (home.folder / f"{name}.yaml").write_bytes(raw)
    report = await home.loader.load_once()
    assert report.written == ["one"]
    assert {f"{name}.yaml" for name, raw in BAD.items() if len(raw) < 6000} == set(await home.errors())
    assert (await home.loader.load_once()).errors == {}


async def test_a_database_without_unicode(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """What its encoding has no room for is one file's import error, in ASCII; the others load."""
    name = "test_latin"
    admin = await asyncpg.connect(postgres.dsn)
    await admin.execute(f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    try:
        await initdb(Dsn.parse(postgres.dsn_of(name)))
        conn = await asyncpg.connect(postgres.dsn_of(name))
        async with asyncpg.create_pool(postgres.dsn_of(name), min_size=0) as pool:
            home = Home(pool, conn, tmp_path)
            home.write("good.yaml", "good")
            home.write("odd.yaml", "odd", tag="żółw")
            home.write("worse.yaml", "worse", value="[")
            (tmp_path / "worst.yaml").write_text("worst:\n  schedule: żółw\n  tasks: żółw\n")
            async with home.loader as loader:
                await loader.load_once()
                await loader.load_once()
            assert list(await home.active()) == ["good"]
            assert await home.errors() == ["odd.yaml", "worse.yaml", "worst.yaml"]
    finally:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.close()


async def test_a_change_of_defaults_changes_the_dags_below(home: Home) -> None:
    """The untouched DAG file is read again, also if the defaults have a mistake, and when that is gone."""
    home.write("a.yaml", "one")
    defaults = home.folder / "defaults.yml"
    queue = "SELECT data::json -> 'dag' -> 'tasks' -> 0 ->> 'queue' FROM serialized_dag"
    for text, errors, stored in (
        ("default_args: {queue: first}", [], "first"),
        ("default_args: {queue: [second]}", ["a.yaml"], "first"),
        ("default_args: {queue: third}", [], "third"),
    ):
        defaults.write_text(text)
        await home.loader.load_once()
        assert (await home.errors(), await home.rows(queue)) == (errors, [(stored,)])
    defaults.unlink()
    await home.loader.load_once()
    assert await home.rows(queue) == [(None,)]
