"""YAML text to plain data: bounded in size, depth and number of nodes, and with the line of everything.

Nothing is imported or constructed beyond JSON's own types and dates; what YAML allows besides (tags, keys
that are no text, NaN, NUL) is refused, because it cannot go into the database as the author meant it.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import yaml

try:
    from yaml import CSafeLoader as _Loader
except ImportError:  # PyYAML was built without libyaml
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 40
MAX_NODES = 50_000

Path = tuple[str | int, ...]

_MAP = "tag:yaml.org,2002:map"
_SEQ = "tag:yaml.org,2002:seq"
_MERGE = "tag:yaml.org,2002:merge"


class Problem(NamedTuple):
    """One thing that is wrong in a file; `line` counts from 1, None where no line is to blame."""

    line: int | None
    text: str

    def at(self, file: str) -> str:
        """The problem as compilers write them."""
        return f"{file}: {self.text}" if self.line is None else f"{file}:{self.line}: {self.text}"


class DagFileError(Exception):
    """A DAG file cannot be used; `problems` says where and why."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(problem.text for problem in problems))
        self.problems: Sequence[Problem] = problems

    def report(self, file: str) -> str:
        """One line a problem."""
        return "\n".join(problem.at(file) for problem in self.problems)


class Document(NamedTuple):
    """The data of a file, and the line where each of its nodes begins."""

    data: Any
    lines: Mapping[Path, int]

    def line(self, *paths: Path) -> int | None:
        """The line of the first of these paths that exists, else of the first one's nearest ancestor."""
        for path in paths:
            if path in self.lines:
                return self.lines[path]
        return next((self.lines[path] for path in _ancestors(paths[0]) if path in self.lines), None)


def _ancestors(path: Path) -> Iterator[Path]:
    return (path[:end] for end in range(len(path) - 1, -1, -1))


def read_document(raw: bytes) -> Document:
    """Parse one YAML document; an empty one is `{}`. Raises DagFileError."""
    text = _decode(raw)
    try:
        _check_depth(text)
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
            return _Builder(loader).build(root) if root is not None else Document({}, {})
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = " ".join(filter(None, (error.context, error.problem)))
        raise DagFileError(Problem(mark.line + 1 if mark else None, f"not valid YAML: {reason}")) from error


def _decode(raw: bytes) -> str:
    if len(raw) > MAX_BYTES:
        raise DagFileError(Problem(None, f"the file is larger than {MAX_BYTES} bytes"))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DagFileError(Problem(raw.count(b"\n", 0, error.start) + 1, "not UTF-8 text")) from error
    if strange := yaml.reader.Reader.NON_PRINTABLE.search(text):
        line = text.count("\n", 0, strange.start()) + 1
        raise DagFileError(Problem(line, f"the character {strange.group()!r} is not allowed in YAML"))
    return text


def _check_depth(text: str) -> None:
    # Before anything recursive sees the text: libyaml's composer has no limit of its own.
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            _refuse_depth(depth, event.start_mark.line + 1 if event.start_mark else 1)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _refuse_depth(depth: int, line: int) -> None:
    if depth > MAX_DEPTH:
        raise DagFileError(Problem(line, f"nested deeper than {MAX_DEPTH} levels"))


class _Builder:
    """Walks the nodes; an alias counts each time it is used, so that no document grows beyond `MAX_NODES`."""

    def __init__(self, loader: Any) -> None:  # noqa: ANN401 - the C and the Python loader share no type
        self._loader = loader
        self._lines: dict[Path, int] = {}
        self._nodes = 0

    def build(self, root: yaml.Node) -> Document:
        return Document(self._node(root, ()), self._lines)

    def _node(self, node: yaml.Node, path: Path) -> Any:  # noqa: ANN401 - any YAML value
        line = node.start_mark.line + 1
        self._lines[path] = line
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise DagFileError(Problem(line, f"more than {MAX_NODES} values, aliases counted where they are used"))
        _refuse_depth(len(path), line)
        if isinstance(node, yaml.MappingNode) and node.tag == _MAP:
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == _SEQ:
            return [self._node(item, (*path, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        raise DagFileError(Problem(line, f"the tag {node.tag} is not supported"))

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                for other in self._merges(value_node, path):
                    merged = other | merged
        own: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                continue
            key = self._key(key_node)
            if key in own:
                raise DagFileError(Problem(key_node.start_mark.line + 1, f"the key {key!r} is there twice"))
            own[key] = self._node(value_node, (*path, key))
            self._lines[(*path, key)] = key_node.start_mark.line + 1
        return merged | own

    def _merges(self, node: yaml.Node, path: Path) -> Iterator[dict[str, Any]]:
        for item in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            value = self._node(item, path)
            if not isinstance(value, dict):
                raise DagFileError(Problem(item.start_mark.line + 1, "only a mapping can be merged with <<"))
            yield value

    def _key(self, node: yaml.Node) -> str:
        key = self._scalar(node) if isinstance(node, yaml.ScalarNode) else None
        if not isinstance(key, str):
            shown = node.value if isinstance(node, yaml.ScalarNode) else "a list or mapping"
            raise DagFileError(Problem(node.start_mark.line + 1, f"keys must be text: put {shown} in quotes"))
        return key

    def _scalar(self, node: yaml.ScalarNode) -> Any:  # noqa: ANN401 - any YAML value
        line = node.start_mark.line + 1
        try:
            value = self._loader.construct_object(node)
        except (ValueError, OverflowError, LookupError, AttributeError, TypeError) as error:
            # What PyYAML lets through when a tag does not fit its text, such as `!!int x` or `!!timestamp x`.
            raise DagFileError(Problem(line, f"cannot read {node.value[:40]!r}: {error}")) from error
        if isinstance(value, float) and not math.isfinite(value):
            raise DagFileError(Problem(line, f"{node.value} is not a number that JSON knows"))
        if isinstance(value, str) and any(char == "\0" or "\ud800" <= char <= "\udfff" for char in value):
            raise DagFileError(Problem(line, "NUL and lone surrogates cannot be stored"))
        if not isinstance(value, str | int | float | date | None):
            raise DagFileError(Problem(line, f"the tag {node.tag} is not supported"))
        return value
