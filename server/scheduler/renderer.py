"""Has templates rendered by processes of their own: one that runs away, or takes all memory, harms no other task."""

import asyncio
import json
import os
import pickle
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from server.scheduler import render_process
from server.scheduler.context import Try, facts
from server.scheduler.errors import TaskFailed
from server.scheduler.processes import death_with_parent
from server.scheduler.templates import templates_of

# So many templates are rendered side by side; more wait.
_AT_ONCE = 4
_PATIENCE = 10.0
# What a Python needs to find itself; nothing that a template could be after.
_INHERITED = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "LANG", "TZ")


class Renderer:
    """Processes that render, kept for the next task; one that fails, or takes too long, is killed."""

    def __init__(self, patience: float = _PATIENCE) -> None:
        """`patience`: how many seconds the templates of a task may take."""
        self._patience = patience
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._idle: list[Process] = []

    async def warm_up(self) -> None:
        """Start a process, so that the first task need not wait for it."""
        self._idle.append(await _begin())

    async def close(self) -> None:
        """End all processes."""
        while self._idle:
            await _kill(self._idle.pop())

    async def render(self, attempt: Try, fields: Mapping[str, Any], templated: Iterable[str]) -> dict[str, Any]:
        """The fields of a try with the templated ones rendered. Raises TaskFailed, which says why not."""
        templates = templates_of(fields, templated)
        if not templates.fields:
            return dict(fields)
        known = facts(attempt)
        folder = str(Path(str(known["dag"]["fileloc"] or "")).parent)
        async with self._places:
            answer = await self._ask(pickle.dumps((templates, known, folder)))
        if "error" in answer:
            raise TaskFailed(answer["error"])
        return {**fields, **answer["rendered"]}

    async def _ask(self, request: bytes) -> dict[str, Any]:
        process = await self._take()
        well = False
        try:
            async with asyncio.timeout(self._patience):
                answer = await _exchange(process, request)
            well = True
        except TimeoutError:
            raise TaskFailed(f"its templates took longer than {self._patience:g} seconds") from None
        except (OSError, EOFError, ValueError) as error:
            raise TaskFailed("the process that renders its templates ended: was there too little memory?") from error
        finally:
            if well:
                self._idle.append(process)
            else:
                await _kill(process)
        return answer

    async def _take(self) -> Process:
        while self._idle:
            process = self._idle.pop()
            if process.returncode is None:
                return process
        try:
            return await _begin()
        except OSError as error:
            raise TaskFailed(f"the process that renders its templates cannot be started: {error}") from error


async def _begin() -> Process:
    # -P: the folder that the scheduler is in is no place to import from.
    command = [*death_with_parent(), sys.executable, "-P", "-m", render_process.__name__]
    env = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, env=env, start_new_session=True)


async def _exchange(process: Process, request: bytes) -> dict[str, Any]:
    assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - both are pipes
    process.stdin.write(render_process.SIZE.pack(len(request)) + request)
    await process.stdin.drain()
    (size,) = render_process.SIZE.unpack(await process.stdout.readexactly(render_process.SIZE.size))
    if size > render_process.LARGEST:
        message = "no answer is that large"
        raise ValueError(message)
    # JSON, not pickle: what came out of the sandbox, if anything did, stays out.
    answer: dict[str, Any] = json.loads(await process.stdout.readexactly(size))
    return answer


async def _kill(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    # Shielded: whoever cancels the task twice leaves no zombie.
    await asyncio.shield(process.wait())
