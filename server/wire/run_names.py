"""What a run is named by in a path: its execution_date, or `run_id=` and its run_id."""

from datetime import datetime, tzinfo
from typing import NamedTuple

from server.errors import BadRequest
from server.wire.bodies import check_id
from server.wire.dates import parse_execution_date
from windsock.protocol import BY_RUN_ID, Code


class RunId(NamedTuple):
    """The run_id of a run."""

    run_id: str

    def __str__(self) -> str:
        """Return it as text."""
        return self.run_id


RunName = datetime | RunId


def parse_run(text: str, default_timezone: tzinfo) -> RunName:
    """Read what stands for a run; a date gets `default_timezone` if it has no offset. Raises BadRequest."""
    if not text.startswith(BY_RUN_ID):
        return parse_execution_date(text, default_timezone)
    run_id = text.removeprefix(BY_RUN_ID)
    if not run_id:
        raise BadRequest(f"A run_id must follow `{BY_RUN_ID}`", code=Code.INVALID_RUN_ID)
    return RunId(check_id(run_id, "run_id", Code.INVALID_RUN_ID))


def in_words(run: RunName) -> str:
    """Name a run for people, with the word that says what it is named by."""
    return f"run_id {run}" if isinstance(run, RunId) else f"date {run.isoformat()}"
