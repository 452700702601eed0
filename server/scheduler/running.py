"""What an operator has while its task runs."""

from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from server.scheduler.context import Try
from server.scheduler.errors import TaskFailed
from server.scheduler.logs import TaskLog
from server.scheduler.output import Output
from server.scheduler.processes import clear_group, end_group, spawn
from server.scheduler.renderer import Renderer


@dataclass(frozen=True, slots=True)
class Running:
    """A try, its log, and how to run a process for it. `began` is told the id of each process."""

    attempt: Try
    log: TaskLog
    began: Callable[[int], None]
    dags_folder: Path
    patience: float
    """Seconds between SIGTERM and SIGKILL."""
    renderer: Renderer

    async def run(
        self, arguments: Sequence[str], *, env: Mapping[str, str], cwd: str | Path, stdin: int = DEVNULL
    ) -> int:
        """Run a command to its end and return its exit status, the negative signal where one ended it.

        Whoever cancels this ends the whole process group. Raises TaskFailed where it cannot be started.
        """
        with Output(self.log) as output:
            try:
                process = await spawn(arguments, output=output.writing, env=env, cwd=cwd, stdin=stdin)
            except (OSError, ValueError) as error:
                raise TaskFailed(f"the process cannot be started: {error}") from error
            finally:
                output.hand_over()
            self.began(process.pid)
            return await self._wait(process, output)

    async def _wait(self, process: Process, output: Output) -> int:
        try:
            status = await process.wait()
            if status == 0:
                # As in Airflow: what it has left in the background belongs to it as long as it may write.
                await output.ended.wait()
            return status
        finally:
            if process.returncode:
                await clear_group(process.pid)
            elif not output.ended.is_set():
                await end_group(process, self.patience)
