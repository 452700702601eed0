"""Runs a command of a task in a process group of its own, with its output in the task's log.

`task_runner` makes a `Running` for each try; `run_bash` and `run_python` call its `run`.
"""

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, STDOUT

from server.process.parent_death import ending_with_us
from server.process.spawn import ChildProcess, spawn
from server.standalone.scheduler.context import Try
from server.standalone.scheduler.lease import Lease
from server.standalone.scheduler.output import Output
from server.standalone.scheduler.process_groups import clear_group, end_group, signal_group
from server.standalone.scheduler.renderer import Renderer
from server.standalone.scheduler.task_outcomes import TaskFailed
from server.standalone.scheduler.workspace import Workspace
from server.task_logs.writing import TaskLog


@dataclass(frozen=True, slots=True)
class Place:
    """Where tasks run: the folders, how long a task has to end after SIGTERM (in seconds), the renderer, the lease."""

    log_folder: Path
    dags_folder: Path
    patience: float
    renderer: Renderer
    workspace: Workspace
    lease: Lease


@dataclass(frozen=True, slots=True)
class Running:
    """A try, its log, and how to run a process for it. `began` is called with the id of each process.

    The log gets the first `most_output` bytes of each process, None: all.
    """

    attempt: Try
    log: TaskLog
    began: Callable[[int], None]
    place: Place
    most_output: int | None = None

    async def run(
        self, arguments: Sequence[str], *, env: Mapping[str, str], cwd: str | Path, stdin: int = DEVNULL
    ) -> int:
        """Run a command to its end and return its exit status, or the negative number of the signal that ended it.

        A cancellation ends the whole process group. Raises TaskFailed if the command cannot be started.
        """
        with Output(self.log, self.most_output) as output:
            try:
                # A task that outlived its scheduler could do its work twice, side by side with its next try.
                command = [*ending_with_us(signal.SIGKILL), *arguments]
                process = spawn(command, stdin=stdin, stdout=output.writing, stderr=STDOUT, env=env, cwd=cwd)
            except (OSError, ValueError) as error:
                raise TaskFailed(f"the process cannot be started: {error}") from error
            finally:
                output.hand_over()
            self.began(process.pid)
            return await self._wait(process, output)

    async def _wait(self, process: ChildProcess, output: Output) -> int:
        try:
            await self._hold_back(process)
            status = await process.wait()
            if status == 0:
                # As in Airflow: processes in the background belong to the command as long as they have its output open.
                await output.ended.wait()
            return status
        finally:
            if process.returncode:
                await clear_group(process.pid)
            elif process.returncode is None or not output.ended.is_set():
                await end_group(process, self.place.patience)

    async def _hold_back(self, process: ChildProcess) -> None:
        """Let the process wait if the scheduler was suspended just before: another one may have this try by now."""
        if not self.place.lease.valid:
            signal_group(process.pid, signal.SIGSTOP)
            await self.place.lease.held()
            signal_group(process.pid, signal.SIGCONT)
