"""`!join`, `!or` and `!and` in DAG files, which dag-factory also writes as mappings with a key `__join__` and so on."""

import operator
from collections.abc import Callable
from functools import reduce
from typing import Any

from server.standalone.dags.errors import DagFileError
from server.wire.document import MAX_BYTES, Document, Path, Problem

AND, OR, JOIN = "__and__", "__or__", "__join__"
TAGS = {"!and": AND, "!or": OR, "!join": JOIN}
"""The tags of lists that are expressions, and the keys of the mappings that mean the same."""
_SIGNS: dict[str, tuple[str, Callable[[Any, Any], Any]]] = {
    AND: (" & ", operator.and_),
    OR: (" | ", operator.or_),
}


def evaluated(document: Document) -> Document:
    """Replace the expressions by their values. Raises DagFileError."""
    return document._replace(data=_value(document, document.data, ()))


def _value(document: Document, data: Any, path: Path) -> Any:  # noqa: ANN401 - any YAML value
    if isinstance(data, list):
        return [_value(document, item, (*path, index)) for index, item in enumerate(data)]
    if not isinstance(data, dict):
        return data
    for key in (AND, OR, JOIN):
        if key in data:
            return _evaluate(document, key, data[key], (*path, key))
    return {key: _value(document, item, (*path, key)) for key, item in data.items()}


def _evaluate(document: Document, key: str, items: object, path: Path) -> Any:  # noqa: ANN401 - likewise
    if not isinstance(items, list):
        raise DagFileError(Problem(document.line(path), f"`{key}` must be a list"))
    values = _value(document, items, path)
    if key == JOIN:
        return _joined(document, "", values, path)
    sign, combine = _SIGNS[key]
    try:
        # Numbers and mappings have such an operator; what has none becomes a text, as with dag-factory.
        return reduce(combine, values)
    except TypeError:
        return f"({_joined(document, sign, values, path)})"


def _joined(document: Document, sign: str, values: list[Any], path: Path) -> str:
    texts: list[str] = []
    room = MAX_BYTES
    for value in values:
        texts.append(str(value))
        room -= len(texts[-1]) + len(sign)
        if room < 0:
            raise DagFileError(Problem(document.line(path), f"the joined text is longer than {MAX_BYTES} characters"))
    return sign.join(texts)
