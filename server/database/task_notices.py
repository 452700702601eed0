"""What a scheduler says of a task, as an event."""

import logging

import msgspec

from server.database.event_log import TASK_CHANGED, Event

logger = logging.getLogger(__name__)


class TaskNotice(msgspec.Struct, frozen=True):
    """What becomes of a task: the columns that the statements `tell_tasks` name. `state` is None if it has none."""

    dag_id: str
    execution_date: str
    run_id: str
    state: str | None
    task_id: str
    try_number: int


_decode = msgspec.json.Decoder(TaskNotice).decode


def read_task_notice(payload: str) -> Event | None:
    """Read a notice; None if it is not one: everybody who may connect to the database can send some."""
    try:
        notice = _decode(payload)
    except msgspec.MsgspecError:
        logger.debug("a notice about a task cannot be read")
        return None
    return Event(
        TASK_CHANGED, notice.dag_id, notice.run_id, notice.dag_id, tuple(msgspec.structs.asdict(notice).items())
    )
