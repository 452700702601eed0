"""The error of a DAG file that cannot be used."""

from collections.abc import Sequence

from server.wire.document import UNSTORABLE, DocumentError, Problem

_MAX_REPORT = 10_000


class DagFileError(DocumentError):
    """A DAG file cannot be used; `problems` say where and why, and `dag_ids` which DAGs it seems to define."""

    def __init__(self, *problems: Problem, dag_ids: Sequence[str] = ()) -> None:
        super().__init__(*problems)
        self.dag_ids = dag_ids

    def report(self, file: str) -> str:
        """Return a line for each problem, as the database can store it, and one for DAGs that these do not name."""
        text = "\n".join(problem.at(file) for problem in self.problems)
        unnamed = [repr(dag_id) for dag_id in self.dag_ids if repr(dag_id) not in text]
        if unnamed:
            text += f"\n{file}: not loaded because of that: {', '.join(unnamed)}"
        return UNSTORABLE.sub("?", text)[:_MAX_REPORT]
