"""Servers that answer no codes: Airflow 1.10 itself, and Windsock at first.

There the text alone tells one 400 or 404 from another. The texts of those releases never change. The whole of a text is
matched, because it quotes names that callers have chosen.
"""

import re

from windsock.protocol import Code

_TEXTS = (
    (400, Code.RUN_EXISTS, r"Run id .* already exists for dag id .*"),
    (400, Code.DAG_NOT_FOUND, r"Dag id .* not found.*"),
    (404, Code.DAG_NOT_FOUND, r"Dag id .* not found.*"),
    (400, Code.INVALID_DATE, r"Given execution date, .*, could not be identified as a date\. Example date format: .*"),
    (404, Code.LOG_NOT_FOUND, r"Task .* at date .*: there is no .* on this machine.*"),
    (404, Code.LOG_NOT_FOUND, r"Logs are there where Windsock runs the tasks itself; Airflow keeps these"),
    (404, Code.ENDPOINT_NOT_FOUND, r"Not found: there is no such endpoint"),
)


def code_of(status: int, text: str) -> Code | None:
    """Return the code of an error with that status and text; None if the status says all."""
    for known, code, pattern in _TEXTS:
        if status == known and re.fullmatch(pattern, text, re.DOTALL):
            return code
    return None
