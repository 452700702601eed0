"""Renders templates in processes of their own: a template that takes all time or memory harms no other task."""

import json
import pickle
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from server.process.offload import OffloadError, WorkerPool
from server.standalone.scheduler import render_process
from server.standalone.scheduler.context import Try, facts
from server.standalone.scheduler.task_outcomes import TaskFailed
from server.standalone.scheduler.templates import templates_of

# This many templates are rendered at a time; any number of others wait.
_AT_ONCE = 4
_AT_ONCE_OF_A_DAG = 3
_WAITING = 2**16
_SECONDS = 10.0
_MEMORY = 2**29


class Renderer:
    """Renders the templates of tries."""

    def __init__(self, seconds: float = _SECONDS) -> None:
        """`seconds`: how long the templates of a task may take."""
        self.workers = WorkerPool(
            render_process.__name__,
            count=_AT_ONCE,
            per_share=_AT_ONCE_OF_A_DAG,
            seconds=seconds,
            memory=_MEMORY,
            waiting=_WAITING,
            idle=None,
        )

    async def warm_up(self) -> None:
        """Start a process, so that the first task need not wait for it."""
        with suppress(OffloadError):
            await self.workers.warm_up()

    async def close(self) -> None:
        """End all processes."""
        await self.workers.close()

    async def render(self, attempt: Try, fields: Mapping[str, Any], templated: Iterable[str]) -> dict[str, Any]:
        """Return the fields of a try with the templated ones rendered. Raises TaskFailed, which says why not."""
        templates = templates_of(fields, templated)
        if not templates.fields:
            return dict(fields)
        known = facts(attempt)
        folder = str(Path(str(known["dag"]["fileloc"] or "")).parent)
        try:
            request = pickle.dumps((templates, known, folder))
            answer = json.loads(await self.workers.call("render", request, share=attempt.key.dag_id))
        except OffloadError as error:
            raise TaskFailed(f"its templates cannot be rendered: {error}") from error
        if "error" in answer:
            raise TaskFailed(answer["error"])
        return {**fields, **answer["rendered"]}
