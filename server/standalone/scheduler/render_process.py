"""What the processes that render templates do; `renderer` calls it.

The request is a pickle from the very process that started this one. The answer is JSON, so that no object can come back
from the sandbox.
"""

import json
import pickle
from typing import Any

from server.standalone.scheduler.names import names_of
from server.standalone.scheduler.task_outcomes import TaskFailed
from server.standalone.scheduler.templates import Templates, render_fields

_LARGEST_FIELDS = 2**20
_LONGEST_REASON = 1000


def render(request: bytes) -> bytes:
    """Render the fields of a request; return them, or the reason why not."""
    templates, facts, folder = pickle.loads(request)  # noqa: S301 - see above
    data = json.dumps(_render(templates, facts, folder), default=str).encode()
    if len(data) > _LARGEST_FIELDS:
        data = json.dumps({"error": f"its templates make more than {_LARGEST_FIELDS} bytes"}).encode()
    return data


def _render(templates: Templates, facts: dict[str, Any], folder: str) -> dict[str, Any]:
    try:
        rendered = render_fields(templates, names_of(facts), folder)
    except TaskFailed as failure:
        return {"error": str(failure)[:_LONGEST_REASON]}
    return {"rendered": rendered}


FUNCTIONS = {"render": render}
