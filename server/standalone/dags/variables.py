"""Environment variables in DAG files: `$NAME` in their text, and Airflow's Variables (`AIRFLOW_VAR_<NAME>`).

What a file says is shown by the API. So a variable that may be a secret is never put there, and the author is told.
"""

import re
from collections.abc import Mapping, Sequence

import msgspec

from server.standalone.dags.errors import DagFileError
from server.wire.document import MAX_BYTES, UNSTORABLE, Problem

_AIRFLOW_VARIABLE = "AIRFLOW_VAR_"
# As os.path.expandvars finds them.
_NAME = re.compile(r"\$(\w+|\{[^}]*\})", re.ASCII)
_SECRET = re.compile(
    r"^(AIRFLOW__|AIRFLOW_CONN_|PG)|PASSW|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|KEY|PRIVATE|AUTH|COOKIE|DSN", re.IGNORECASE
)
_WITH_PASSWORD = re.compile(r"://[^/\s]*:[^/\s]*@")
_WHY_HIDDEN = "it may be a secret, and the API shows what a file says"
_MOST_NOTES = 20


class Environment(msgspec.Struct):
    """The variables that files may use; `hidden` are the names of the others."""

    values: dict[str, str] = {}
    hidden: Sequence[str] = ()

    def fill_in(self, raw: bytes, notes: list[str]) -> bytes:
        """Put the values of variables into a file's content; one that is not set stays as it is written.

        A value with a line break is not put there, because what follows would have other lines. Raises DagFileError if
        the file becomes too large.
        """
        text = raw.decode(errors="surrogateescape")
        room = MAX_BYTES
        skipped: dict[str, str] = {}

        def value_of(found: re.Match[str]) -> str:
            nonlocal room
            name = found[1].strip("{}")
            value = self.values.get(name)
            if value is not None and "\n" not in value:
                room -= len(value)
                if room < 0:
                    message = f"the values of its environment variables are longer than {MAX_BYTES} characters"
                    raise DagFileError(Problem(None, message))
                return value
            if value is not None:
                skipped[name] = "it has several lines"
            elif name in self.hidden:
                skipped[name] = _WHY_HIDDEN
            return found[0]

        filled = _NAME.sub(value_of, text)
        texts = [f"${name} is not replaced by its value: {why}" for name, why in skipped.items()]
        notes += texts[:_MOST_NOTES]
        return filled.encode(errors="surrogateescape")

    def airflow_variable(self, name: str, notes: list[str]) -> str | None:
        """Return the Variable of that name; None, with a note, if there is none that may be shown."""
        key = f"{_AIRFLOW_VARIABLE}{name.upper()}"
        if key in self.hidden:
            notes.append(f"the Variable {name!r} is not used: {_WHY_HIDDEN}")
        elif key not in self.values:
            notes.append(f"the Variable {name!r} has no value: set {key} in the environment of the scheduler")
        return self.values.get(key)


def environment_for_files(environ: Mapping[str, str]) -> Environment:
    """Sort out what files may use of the environment of a process."""
    values = {name: value for name, value in environ.items() if not UNSTORABLE.search(name + value)}
    hidden = {name for name, value in values.items() if _SECRET.search(name) or _WITH_PASSWORD.search(value)}
    return Environment({name: value for name, value in values.items() if name not in hidden}, sorted(hidden))
