"""Reads the bodies that steer runs: the state that a run or a task is marked with, and what is cleared."""

from collections.abc import Mapping, Sequence

import msgspec

from server.errors import BadRequest
from server.wire.bodies import MAX_ID_LENGTH, check_id
from server.wire.strict_json import kind_of, parse_json
from windsock.protocol import ENDED

# A DAG with more tasks than this is cleared as a whole, or in several requests.
MAX_TASK_IDS = 1000
_STATE_FIELDS = frozenset({"state"})
_CHOICES = " or ".join(f'"{state}"' for state in sorted(ENDED))
_SHOWN = 50


class Clear(msgspec.Struct, frozen=True, kw_only=True):
    """Which task instances of a run are to be repeated."""

    only_failed: bool = True
    """Only those that failed, or that did not run because others failed."""
    task_ids: Sequence[str] | None = None
    """Only those of these tasks; None for all tasks."""
    downstream: bool = False
    """Those of the tasks downstream of `task_ids`, too."""
    dry_run: bool = False
    """Change nothing: return what would be cleared."""


_CLEAR_FIELDS = frozenset(Clear.__struct_fields__)


def parse_mark(body: bytes) -> str:
    """Read the body of a PATCH of a run or of a task instance: its new state. Raises BadRequest."""
    fields = _fields(body, _STATE_FIELDS)
    if "state" not in fields:
        raise _bad_state("is missing")
    return check_mark(fields["state"])


def check_mark(state: object) -> str:
    """Return the state that a run or a task is to be marked with. Raises BadRequest unless it is one of the two."""
    if not isinstance(state, str):
        raise _bad_state(f"is {kind_of(state)}")
    if state not in ENDED:
        raise _bad_state(f"is {state[:_SHOWN]!r}")
    return state


def parse_clear(body: bytes) -> Clear:
    """Read the body of `POST .../clear`; `{}` means what failed. Raises BadRequest."""
    return read_clear(_fields(body, _CLEAR_FIELDS))


def read_clear(fields: Mapping[str, object]) -> Clear:
    """Read the fields of what is to be cleared. Raises BadRequest for bad ones."""
    return Clear(
        only_failed=_flag(fields, "only_failed", default=True),
        task_ids=_task_ids(fields.get("task_ids")),
        downstream=_flag(fields, "downstream", default=False),
        dry_run=_flag(fields, "dry_run", default=False),
    )


def clear_fields(asked: Clear) -> dict[str, object]:
    """Return what was asked for with the names that Airflow's own API uses; without what has its usual value."""
    named = {"task_ids": asked.task_ids, "include_downstream": asked.downstream or None}
    return {"only_failed": asked.only_failed, **{name: value for name, value in named.items() if value is not None}}


def _fields(body: bytes, known: frozenset[str]) -> dict[str, object]:
    value = parse_json(body)
    if not isinstance(value, dict):
        raise BadRequest(f"The request body must be a JSON object, not {kind_of(value)}")
    if unknown := sorted(value.keys() - known):
        # Elsewhere such fields are ignored, as in Airflow. Here a misspelt `dry_run` would repeat tasks.
        right = ", ".join(f"`{name}`" for name in sorted(known))
        raise BadRequest(f"The request body has the unknown field {unknown[0][:_SHOWN]!r}; the known ones are {right}")
    return value


def _bad_state(problem: str) -> BadRequest:
    return BadRequest(f"`state` {problem}; it must be {_CHOICES}")


def _flag(fields: Mapping[str, object], name: str, *, default: bool) -> bool:
    value = fields.get(name, default)
    if isinstance(value, bool):
        return value
    raise BadRequest(f"`{name}` must be true or false, not {kind_of(value)}")


def _task_ids(value: object) -> Sequence[str] | None:
    if value is None:
        return None
    if not isinstance(value, list):
        raise BadRequest(f"`task_ids` must be a list of task_ids, not {kind_of(value)}")
    if not value:
        raise BadRequest("`task_ids` must have at least one task_id; leave it out to clear the tasks of the whole run")
    if len(value) > MAX_TASK_IDS:
        raise BadRequest(f"`task_ids` must have at most {MAX_TASK_IDS} task_ids; it has {len(value)}")
    return tuple(dict.fromkeys(map(_task_id, value)))


def _task_id(value: object) -> str:
    if not isinstance(value, str):
        raise BadRequest(f"A task_id in `task_ids` must be a string, not {kind_of(value)}")
    if len(value) > MAX_ID_LENGTH:
        message = f"A task_id must be at most {MAX_ID_LENGTH} characters long; one in `task_ids` has {len(value)}"
        raise BadRequest(message)
    return check_id(value, "task_id")
