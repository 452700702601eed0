"""Backup and restore of a database that is configured, with the real programs of every Postgres that is installed."""

import asyncio
import os
import pty
import re
import signal
import stat
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from server.database import schema
from server.standalone.backup import checks as looking
from server.standalone.backup import programs
from server.standalone.backup.checks import BackupError
from server.standalone.backup.dump import Tools
from server.standalone.backup.programs import Programs
from server.standalone.postgres import EmbeddedPostgres
from tests.acceptance.cli import WINDSOCK, Done, fill, on_database, rows, windsock
from windsock.config import Dsn

INSTALLED = sorted(programs.installed())
LAST = schema.load_schema().version
FIRST_WITH_LOGIN_TRIGGERS = 17


async def run(dsn: str, *arguments: str, code: int = 0, stdin: str | None = None) -> Done:
    """Run `windsock db ...` on that database; it must end with that status."""
    done = await windsock("db", *arguments, stdin=stdin, **on_database(dsn))
    assert done.code == code, done.err
    return done


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    conn = await asyncpg.connect(dsn)
    try:
        yield conn
    finally:
        await conn.close()


async def execute(dsn: str, statement: str) -> None:
    async with connected(dsn) as conn:
        await conn.execute(statement)


@pytest.fixture
async def file(database: str, tmp_path: Path) -> str:
    """Make a backup of a database with DAGs, runs and pools."""
    await fill(database)
    path = str(tmp_path / "windsock.backup")
    await run(database, "backup", path)
    return path


async def test_what_was_lost_is_back(database: str, file: str) -> None:
    """Every row, in the tables that it was in; and what is new gets ids after those that are there."""
    before = await rows(database)
    await execute(database, "DELETE FROM dag_run; DELETE FROM slot_pool; UPDATE dag SET is_paused = NOT is_paused")
    assert await rows(database) != before
    said = (await run(database, "restore", "--force", file)).err
    assert re.match(rf"restored \d+ DAGs, {len(before['dag_run'])} runs, .*\(schema version {LAST}\)", said)
    assert await rows(database) == before
    async with connected(database) as conn:
        newest = await conn.fetchval("SELECT max(id) FROM dag_run")
        assert await conn.fetchval("INSERT INTO dag_run (dag_id, run_id) VALUES ('d', 'n') RETURNING id") > newest
    assert (await run(database, "init")).out == "schema.sql: nothing to do\n"


async def test_roles_of_users_are_in_it(database: str, tmp_path: Path) -> None:
    """A restore does not give a user other rights."""
    await execute(database, "INSERT INTO users (username) VALUES ('ann'), ('bob')")
    await execute(database, "INSERT INTO windsock_user_role SELECT id, 'Viewer' FROM users WHERE username = 'ann'")
    await run(database, "backup", str(tmp_path / "file"))
    await execute(database, "DELETE FROM users; INSERT INTO users (username) VALUES ('eve')")
    await execute(database, "INSERT INTO windsock_user_role SELECT id, 'Admin' FROM users")
    await run(database, "restore", "--force", str(tmp_path / "file"))
    async with connected(database) as conn:
        found = await conn.fetch(
            "SELECT username, role FROM users LEFT JOIN windsock_user_role ON user_id = id ORDER BY 1"
        )
    assert [tuple(row) for row in found] == [("ann", "Viewer"), ("bob", None)]


async def test_an_empty_database_needs_no_force(empty_database: str, database: str, file: str) -> None:
    """With tables or without: there is nothing to lose."""
    await run(empty_database, "restore", file)
    assert await rows(empty_database) == await rows(database)
    async with connected(empty_database) as conn:
        await conn.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await run(empty_database, "init")
    await run(empty_database, "restore", file)
    assert await rows(empty_database) == await rows(database)


async def test_data_is_not_overwritten_unasked(database: str, file: str) -> None:
    """What would be lost is named, foreign tables too; nothing is touched."""
    await execute(database, "CREATE TABLE of_somebody (); DELETE FROM dag_run WHERE id = (SELECT min(id) FROM dag_run)")
    before = await rows(database)
    said = (await run(database, "restore", file, code=1)).err
    assert re.search(r"\d+ DAGs, \d+ runs", said)
    assert "of_somebody" in said
    assert "--force" in said
    assert await rows(database) == before


async def test_tables_of_others_are_not_dropped_unasked(database: str, file: str) -> None:
    """Neither beside tables of ours that are empty."""
    await execute(database, "TRUNCATE log, dag_run, task_instance, users, dag CASCADE")
    await execute(database, "DELETE FROM slot_pool WHERE pool <> 'default_pool'; CREATE TABLE customers (id int)")
    said = (await run(database, "restore", file, code=1)).err
    assert "customers" in said
    assert "--force" in said
    await execute(database, "SELECT FROM customers")


async def test_functions_and_types_of_others_are_not_dropped_unasked(
    database: str, empty_database: str, file: str
) -> None:
    """They may be all that a database has; Windsock's own count for nothing."""
    theirs = "CREATE FUNCTION theirs() RETURNS integer LANGUAGE sql AS 'SELECT 1'; CREATE DOMAIN colour AS text"
    await execute(empty_database, theirs)
    said = (await run(empty_database, "restore", "--force", file, code=1)).err
    assert "colour, theirs" in said
    await execute(empty_database, "SELECT theirs()")
    await execute(database, "TRUNCATE log, dag_run, task_instance, users, dag CASCADE")
    await execute(database, "DELETE FROM slot_pool WHERE pool <> 'default_pool'")
    await execute(database, theirs)
    said = (await run(database, "restore", file, code=1)).err
    assert "does not know: colour, theirs)" in said
    await execute(database, "DROP FUNCTION theirs; DROP DOMAIN colour")
    await run(database, "restore", file)


async def test_the_database_of_another_program(empty_database: str, database: str, file: str) -> None:
    """It is refused, whatever is said; so is an Airflow's, whose backup is its own."""
    await execute(empty_database, "CREATE TABLE customers (id int)")
    said = (await run(empty_database, "restore", "--force", file, code=1)).err
    assert "customers" in said
    await run(empty_database, "backup", file + "2", code=1)
    await execute(database, "CREATE TABLE alembic_version (version_num varchar(32))")
    for arguments in (("restore", "--force", file), ("backup", file + "2")):
        assert "Airflow" in (await run(database, *arguments, code=1)).err
    assert not Path(file + "2").exists()


async def test_a_service_that_runs(database: str, file: str) -> None:
    """While sessions of Windsock are there nothing is restored; a backup disturbs nobody."""
    conn = await asyncpg.connect(database, server_settings={"application_name": "windsock"})
    assert "stop the API and the scheduler" in (await run(database, "restore", "--force", file, code=1)).err
    await run(database, "backup", file)
    await conn.close()
    await run(database, "restore", "--force", file)


async def test_the_file(database: str, file: str) -> None:
    """Its owner alone can read it, whatever the umask; a newer one takes its place as a whole, a failure leaves it."""
    path = Path(file)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    await run(database, "backup", file)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    await execute(database, "DROP TABLE windsock_schema")
    await run(database, "backup", file, code=1)
    assert path.read_bytes() == before
    assert [*path.parent.iterdir()] == [path]


async def test_places_that_are_no_file(database: str, tmp_path: Path) -> None:
    """One line says what is wrong."""
    await run(database, "backup", str(tmp_path), code=1)
    assert "not a regular file" in (await run(database, "backup", "/dev/null", code=1)).err
    missing = tmp_path / "missing"
    said = (await run(database, "backup", str(missing / "file"), code=1)).err
    assert said == f"Error: cannot write {missing}/file: No such file or directory\n"
    said = (await run(database, "restore", str(missing), code=1)).err
    assert said == f"Error: cannot read {missing}: No such file or directory\n"
    assert not any(tmp_path.iterdir())


async def test_files_that_are_no_backup(database: str, empty_database: str, file: str) -> None:
    """A part of one, one with another byte, other files, a dump of something else: they are known before anything."""
    whole = Path(file).read_bytes()
    await execute(empty_database, "CREATE TABLE customers (id int)")
    command = [INSTALLED[-1].path("pg_dump"), "--format=custom", f"--file={file}.other", empty_database]
    subprocess.run(command, check=True)
    await execute(empty_database, "CREATE TABLE windsock_schema AS SELECT 'one' AS version")
    subprocess.run([*command[:2], f"--file={file}.namesake", empty_database], check=True)
    before = await rows(database)
    for name, content in {
        "half": whole[: len(whole) // 2],
        "all but the last byte": whole[:-1],
        "of another database": Path(f"{file}.other").read_bytes(),
        "of a namesake": Path(f"{file}.namesake").read_bytes(),
        "another byte": whole[:-200] + bytes([whole[-200] ^ 0xFF]) + whole[-199:],
        "text": b"no backup\n" * 100,
        "empty": b"",
    }.items():
        Path(file).write_bytes(content)
        said = (await run(database, "restore", "--force", file, code=1)).err
        assert len(said.splitlines()) == 1, (name, said)
        assert await rows(database) == before, name


async def test_an_older_backup_is_upgraded(empty_database: str, database: str, tmp_path: Path) -> None:
    """What an older release wrote is restored, and gets what came since."""
    current = schema.load_schema()
    async with connected(empty_database) as conn:
        await schema._apply(conn, schema.Schema(current.preamble, current.sections[:1]))
    await fill(empty_database)
    file = str(tmp_path / "old")
    await run(empty_database, "backup", file)
    assert f"upgraded from schema version 1 to {LAST}" in (await run(database, "restore", file)).err
    assert await rows(database) == await rows(empty_database)
    async with connected(database) as conn:
        await schema.check_schema(conn)
        assert await conn.fetchval("SELECT count(*) FROM pg_trigger WHERE tgname = 'windsock_new_runs'") == 1


async def test_a_newer_backup_is_refused(database: str, file: str) -> None:
    """It says which release is needed."""
    await execute(database, f"INSERT INTO windsock_schema VALUES ({LAST + 1})")
    await run(database, "backup", file)
    await execute(database, f"DELETE FROM windsock_schema WHERE version = {LAST + 1}")
    before = await rows(database)
    assert f"schema version {LAST + 1}" in (await run(database, "restore", "--force", file, code=1)).err
    assert await rows(database) == before


async def test_back_from_a_newer_release(database: str, file: str) -> None:
    """The way back from an upgrade: what the newer release made is gone, and this one works."""
    before = await rows(database)
    await execute(
        database,
        f"INSERT INTO windsock_schema VALUES ({LAST + 1});"
        "CREATE TYPE of_newer AS ENUM ('a'); CREATE TABLE newer (run integer REFERENCES dag_run (id), kind of_newer);"
        "CREATE FUNCTION newer() RETURNS integer LANGUAGE sql AS 'SELECT 1';"
        "CREATE VIEW newer_runs AS SELECT * FROM newer",
    )
    assert "newer, newer_runs" in (await run(database, "restore", file, code=1)).err
    await run(database, "restore", "--force", file)
    assert await rows(database) == before
    async with connected(database) as conn:
        await schema.check_schema(conn)
        left = "SELECT to_regclass('newer') IS NULL AND to_regproc('newer') IS NULL AND to_regtype('of_newer') IS NULL"
        assert await conn.fetchval(left)


async def test_a_restore_that_fails_changes_nothing(database: str, file: str) -> None:
    """A view in another schema is in the way: its name is told, and every row stays."""
    await execute(database, "CREATE SCHEMA reports; CREATE VIEW reports.runs AS SELECT * FROM dag_run")
    await execute(database, "DELETE FROM dag_run WHERE id = (SELECT min(id) FROM dag_run)")
    before = await rows(database)
    said = (await run(database, "restore", "--force", file, code=1)).err
    assert "the database is as it was" in said
    assert "view reports.runs depends on table dag_run" in said
    assert await rows(database) == before
    await execute(database, "DROP SCHEMA reports CASCADE")
    await run(database, "restore", "--force", file)


async def test_a_restore_that_breaks_off_changes_nothing(database: str, file: str) -> None:
    """What was read of a file that ends too early is never committed."""
    await execute(database, "DELETE FROM dag_run WHERE id = (SELECT min(id) FROM dag_run)")
    before = await rows(database)
    whole = Path(file).read_bytes()
    tools = Tools(INSTALLED[-1], programs.environment(Dsn.parse(database)), "public")
    for length in (len(whole) * 3 // 4, len(whole) - 50):
        Path(file).write_bytes(whole[:length])
        with Path(file).open("rb") as stream, pytest.raises(BackupError, match="the database is as it was"):
            tools.restore(stream, await looking._look(Dsn.parse(database)))
        assert await rows(database) == before


async def test_a_table_that_is_lost(database: str, file: str) -> None:
    """That is what a backup is for."""
    before = await rows(database)
    await execute(database, "DROP TABLE dag_run, slot_pool, log CASCADE")
    said = (await run(database, "restore", file, code=1)).err
    assert re.search(r"has data already \(\d+ DAGs", said)
    await run(database, "restore", "--force", file)
    assert await rows(database) == before


async def test_another_server_than_the_one_that_was_looked_at(database: str, file: str) -> None:
    """A name may lead elsewhere a moment later, and what is there was not looked at."""
    await execute(database, "DELETE FROM dag_run WHERE id = (SELECT min(id) FROM dag_run)")
    before = await rows(database)
    tools = Tools(INSTALLED[-1], programs.environment(Dsn.parse(database)), "public")
    found = await looking._look(Dsn.parse(database))
    with Path(file).open("rb") as stream, pytest.raises(BackupError, match="not the server that was checked"):
        tools.restore(stream, found._replace(instance="0"))
    assert await rows(database) == before


async def test_the_reason_is_what_failed(database: str, file: str) -> None:
    """Whatever the server warned of before."""
    await execute(
        database,
        "CREATE SCHEMA others; CREATE FUNCTION others.warn() RETURNS event_trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE WARNING 'of something else'; END $$; CREATE VIEW others.runs AS SELECT * FROM dag_run",
    )
    if INSTALLED[-1].major >= FIRST_WITH_LOGIN_TRIGGERS:
        await execute(database, "CREATE EVENT TRIGGER warns ON login EXECUTE FUNCTION others.warn()")
    said = (await run(database, "restore", "--force", file, code=1)).err
    assert "ERROR:  cannot drop desired object(s)" in said
    assert "view others.runs depends on" in said
    assert "of something else" not in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
async def test_a_backup_that_is_ended(database: str, tmp_path: Path, number: signal.Signals) -> None:
    """As at Ctrl-C no part of a file stays."""
    async with connected(database) as conn, conn.transaction():
        await conn.execute("LOCK TABLE job")
        # Whoever runs the tests with nohup has them ignore SIGHUP, and so does the command.
        command = ("env", f"--default-signal={number.name}", WINDSOCK, "db", "backup", str(tmp_path / "file"))
        env = {**os.environ, **on_database(database)}
        process = await asyncio.create_subprocess_exec(*command, env=env, stderr=subprocess.PIPE)
        while not [*tmp_path.iterdir()]:
            assert process.returncode is None
            await asyncio.sleep(0.05)
        process.send_signal(number)
        _, said = await process.communicate()
    assert (process.returncode, said) == (130, b"Error: interrupted: no backup was made\n")
    assert not [*tmp_path.iterdir()]


async def test_somebody_holds_a_table(database: str, file: str) -> None:
    """A restore waits for ten seconds and then says so, rather than for ever."""
    async with connected(database) as conn, conn.transaction():
        await conn.execute("LOCK TABLE dag_run IN ACCESS SHARE MODE")
        assert "lock timeout" in (await run(database, "restore", "--force", file, code=1)).err
        await conn.execute("LOCK TABLE dag_run")
        assert "lock timeout" in (await run(database, "backup", file, code=1)).err


async def test_rights_and_owners_of_others(database: str, empty_database: str, file: str) -> None:
    """A role that is not there keeps nobody from restoring, and what is restored belongs to who restores."""
    await execute(database, "CREATE ROLE of_before; GRANT SELECT ON dag_run TO of_before")
    await execute(database, "ALTER TABLE dag OWNER TO of_before")
    await run(database, "backup", file)
    await execute(database, "REASSIGN OWNED BY of_before TO windsock; DROP OWNED BY of_before; DROP ROLE of_before")
    await run(empty_database, "restore", file)
    async with connected(empty_database) as conn:
        assert await conn.fetchval("SELECT count(DISTINCT tableowner) FROM pg_tables WHERE schemaname = 'public'") == 1


async def test_by_a_pipe(database: str, file: str) -> None:
    """`-` is stdout and stdin, as other programs have it."""
    env = {**os.environ, **on_database(database)}
    script = f'"{WINDSOCK}" db backup - | cat > "{file}" && cat "{file}" | "{WINDSOCK}" db restore --force -'
    subprocess.run(["bash", "-euo", "pipefail", "-c", script], env=env, check=True, timeout=60)
    script = f'"{WINDSOCK}" db restore --force <(cat "{file}")'
    subprocess.run(["bash", "-euo", "pipefail", "-c", script], env=env, check=True, timeout=60)


def test_stdout_that_takes_nothing(database: str) -> None:
    """It is said once, and no traceback follows."""
    with Path("/dev/full").open("wb") as full:
        env = {**os.environ, **on_database(database)}
        command = [WINDSOCK, "db", "backup", "-"]
        done = subprocess.run(command, env=env, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "Error: cannot write stdout: No space left on device\n")


async def test_progress_on_a_terminal(database: str, file: str) -> None:
    """There a line says how far it is; the last line is what was done."""
    shown = {}
    for arguments in (("backup", file), ("restore", "--force", file)):
        main, terminal = pty.openpty()
        command = [WINDSOCK, "db", *arguments]
        env = {**os.environ, **on_database(database)}
        subprocess.run(command, env=env, stdin=terminal, stderr=terminal, check=True, timeout=60)
        os.close(terminal)
        shown[arguments[0]] = os.read(main, 65536).decode()
        os.close(main)
    assert re.search(r"\r\x1b\[KBacking up: \d+\.\d MB\r", shown["backup"])
    assert re.search(r"Checking the backup: .* %\r", shown["restore"])
    assert re.search(r"Restoring: .* %\r", shown["restore"])
    assert shown["restore"].rpartition("\x1b[K")[2].startswith("restored ")


@pytest.mark.parametrize("server", INSTALLED, ids=lambda found: f"server-{found.major}")
async def test_every_release_of_postgres(server: Programs, tmp_path: Path) -> None:
    """With the programs that are found for it: of one release to itself, and to every newer one."""
    file = str(tmp_path / "backup")
    (tmp_path / "from").mkdir()
    cluster = EmbeddedPostgres(tmp_path / "from", binaries=server.folder)
    await cluster.start()
    try:
        await run(cluster.dsn, "init")
        await fill(cluster.dsn)
        await run(cluster.dsn, "backup", file)
        before = await rows(cluster.dsn)
        await run(cluster.dsn, "restore", "--force", file)
        assert await rows(cluster.dsn) == before
    finally:
        await cluster.stop()
    for newer in INSTALLED[INSTALLED.index(server) + 1 :]:
        folder = tmp_path / str(newer.major)
        folder.mkdir()
        other = EmbeddedPostgres(folder, binaries=newer.folder)
        await other.start()
        try:
            await run(other.dsn, "restore", file)
            assert await rows(other.dsn) == before
        finally:
            await other.stop()


def only(*majors: int) -> Sequence[Programs]:
    return [Programs(major, Path(f"/somewhere/{major}/bin")) for major in majors]


def test_programs_that_fit() -> None:
    """To dump, the oldest that can; to restore, the newest. Where none can, it says what to install."""
    found = only(15, 18, 16)
    assert programs.that_dump(16, found).major == 16
    assert programs.that_dump(17, found).major == 18
    assert programs.that_restore(16, found).major == 18
    with pytest.raises(Exception, match=r"15 in /somewhere/15/bin, .*postgresql-client-19"):
        programs.that_dump(19, found)
    with pytest.raises(Exception, match="none is installed"):
        programs.that_restore(16, only())


def test_every_release_is_found() -> None:
    """That of the wheel, and Debian's, whose command on the PATH is a wrapper of these."""
    assert len(INSTALLED) >= 2
    paths = [found.path(name) for found in INSTALLED for name in ("pg_dump", "pg_restore", "psql")]
    assert all(os.access(path, os.X_OK) for path in paths)


def test_no_password_on_a_command_line() -> None:
    """All that a database's URL says reaches the programs as environment variables."""
    url = "postgresql://u%40:p%25w@h1:1,h2:2/d?sslmode=require&connect_timeout=3&options=-cx%3Dy"
    found = programs.environment(Dsn.parse(url))
    expected = {
        "PGUSER": "u@", "PGPASSWORD": "p%w", "PGHOST": "h1,h2", "PGPORT": "1,2", "PGDATABASE": "d",
        "PGSSLMODE": "require", "PGCONNECT_TIMEOUT": "3", "PGOPTIONS": "-cx=y", "PGAPPNAME": "windsock",
    }  # fmt: skip
    assert expected.items() <= found.items()
    assert "PGHOST" in programs.environment(Dsn.parse("postgresql:///d"))


def test_programs_reach_the_database_that_was_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable that libpq alone obeys leads them elsewhere; the host of the environment is everybody's."""
    for name in ("PGSERVICE", "PGSERVICEFILE", "PGHOSTADDR", "PGOPTIONS"):
        monkeypatch.setenv(name, "elsewhere")
    monkeypatch.setenv("PGHOST", "/here")
    found = programs.environment(Dsn.parse("postgresql:///d"), PGUSER="u", PGDATABASE="e")
    assert "elsewhere" not in found.values()
    assert (found["PGHOST"], found["PGUSER"], found["PGDATABASE"]) == ("/here", "u", "e")
