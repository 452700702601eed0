"""Turns YAML text into plain data, with limits of size, depth and number of nodes, and with the line of each node.

It imports and constructs nothing beyond JSON's own types and dates. It refuses what else YAML allows (tags, keys that
are not text, NaN, NUL), because the database cannot store it as the author meant it.
"""

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from difflib import get_close_matches
from itertools import islice
from typing import Any, NamedTuple

import yaml

try:
    from yaml import CSafeLoader as _Loader
except ImportError:  # PyYAML was built without libyaml
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 40
MAX_NODES = 50_000
# Only numbers that every reader of JSON understands; Python's time for longer texts grows with their square.
MAX_NUMBER_LENGTH = 100
SMALLEST, LARGEST = -(2**63), 2**64 - 1
_MAX_PROBLEM = 1_000
_MAX_PROBLEMS = 100
# Nobody misspells a longer name, and comparing it, or comparing with very many, would take long.
_LONGEST_NAME, _COMPARED = 50, 200

Path = tuple[str | int, ...]
_NO_TAGS: Mapping[str, str] = {}

_YAML = "tag:yaml.org,2002:"
_MAP, _SEQ, _MERGE = f"{_YAML}map", f"{_YAML}seq", f"{_YAML}merge"
# The scalars that JSON and PostgreSQL have too, and their names in messages; text needs none.
_SCALARS = {
    f"{_YAML}str": "text",
    f"{_YAML}null": "null",
    f"{_YAML}bool": "true or false",
    f"{_YAML}int": "a whole number",
    f"{_YAML}float": "a number",
    f"{_YAML}timestamp": "a date",
}
UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class Problem(NamedTuple):
    """A mistake in a file; `line` counts from 1, and is None if no line is to blame."""

    line: int | None
    text: str

    def at(self, file: str) -> str:
        """Return the problem as compilers write it."""
        return f"{file}: {self.text}" if self.line is None else f"{file}:{self.line}: {self.text}"


class DocumentError(Exception):
    """A file cannot be used; `problems` say where and why, and `rest` is what could be read all the same."""

    def __init__(self, *problems: Problem, rest: "Document | None" = None) -> None:
        super().__init__("; ".join(problem.text for problem in problems))
        self.problems: Sequence[Problem] = [Problem(line, shortened(text, _MAX_PROBLEM)) for line, text in problems]
        self.rest = rest


def shortened(text: str, length: int = 40) -> str:
    """Return the text, or its beginning."""
    return text if len(text) <= length else f"{text[:length]}..."


def suggestion(name: str, known: Collection[str]) -> str:
    """Return the end of a message about an unknown name: the known one that was probably meant, "" if there is none."""
    if len(name) > _LONGEST_NAME:
        return ""
    close = get_close_matches(name, list(islice(known, _COMPARED)), n=1)
    return f", did you mean `{close[0]}`?" if close else ""


class Document(NamedTuple):
    """The data of a file, and the line at which each of its nodes begins."""

    data: Any
    lines: Mapping[Path, int]

    def line(self, *paths: Path) -> int | None:
        """Return the line of the first of these paths that exists, or else of the first one's nearest ancestor."""
        for path in paths:
            if path in self.lines:
                return self.lines[path]
        ancestors = (paths[0][:end] for end in range(len(paths[0]) - 1, -1, -1))
        return next((self.lines[path] for path in ancestors if path in self.lines), None)


def read_document(raw: bytes, tags: Mapping[str, str] = _NO_TAGS) -> Document:
    """Parse one YAML document; an empty one is `{}`. Raises DocumentError.

    That has all mistakes of single keys, and as its `rest` what stands beside them. A list that has one of the `tags`
    becomes a mapping with the tag's key.
    """
    text = _decode(raw)
    try:
        _check_shape(text)
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
            return _Builder(loader, tags).build(root) if root is not None else Document({}, {})
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = " ".join(filter(None, (error.context, error.problem)))
        if mark is not None and text[mark.index : mark.index + 1] == "\t":
            reason = "there is a tab, where YAML allows only spaces"
        raise DocumentError(Problem(mark.line + 1 if mark else None, f"not valid YAML: {reason}")) from error
    except yaml.YAMLError as error:
        raise DocumentError(Problem(None, "not valid YAML")) from error


def _decode(raw: bytes) -> str:
    if len(raw) > MAX_BYTES:
        raise DocumentError(Problem(None, f"the file is larger than {MAX_BYTES} bytes"))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DocumentError(Problem(raw.count(b"\n", 0, error.start) + 1, "not UTF-8 text")) from error
    if strange := yaml.reader.Reader.NON_PRINTABLE.search(text):
        line = text.count("\n", 0, strange.start()) + 1
        raise DocumentError(Problem(line, f"the character {strange.group()!r} is not allowed in YAML"))
    return text


def _check_shape(text: str) -> None:
    # This comes before anything recursive sees the text: libyaml's composer has no limit of its own.
    depth = nodes = 0
    for event in yaml.parse(text, Loader=_Loader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        nodes += isinstance(event, yaml.NodeEvent)
        _refuse_nodes(nodes, line)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            _refuse_depth(depth, line)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _refuse_nodes(nodes: int, line: int) -> None:
    # This count includes keys, because they are nodes of YAML; aliases count when the nodes are walked.
    if nodes > 2 * MAX_NODES:
        raise DocumentError(Problem(line, f"more than {MAX_NODES} values"))


def _refuse_depth(depth: int, line: int) -> None:
    if depth > MAX_DEPTH:
        raise DocumentError(Problem(line, f"nested deeper than {MAX_DEPTH} levels"))


class _Mistake(Exception):
    """A key or value is wrong by itself: what stands beside it can be read all the same."""

    def __init__(self, node: yaml.Node, text: str) -> None:
        super().__init__(text)
        self.problem = Problem(node.start_mark.line + 1, text)


class _Builder:
    """Walks the nodes; an alias counts each time it is used, so that no document grows beyond `MAX_NODES`."""

    def __init__(self, loader: Any, tags: Mapping[str, str]) -> None:  # noqa: ANN401 - the loaders share no type
        self._loader = loader
        self._tags = tags
        self._lines: dict[Path, int] = {}
        self._nodes = 0
        self._values: dict[yaml.Node, Any] = {}  # a long text is read once, however many aliases it has
        self._open: list[yaml.Node] = []
        self._problems: list[Problem] = []

    def build(self, root: yaml.Node) -> Document:
        try:
            document = Document(self._node(root, ()), self._lines)
        except _Mistake as mistake:
            raise DocumentError(mistake.problem) from mistake
        if self._problems:
            raise DocumentError(*self._problems, rest=document)
        return document

    def _node(self, node: yaml.Node, path: Path) -> Any:  # noqa: ANN401 - any YAML value
        self._lines[path] = line = node.start_mark.line + 1
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise DocumentError(Problem(line, f"more than {MAX_NODES} values, aliases counted where they are used"))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        with self._inside(node, line):
            if isinstance(node, yaml.MappingNode) and node.tag == _MAP:
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode) and node.tag == _SEQ:
                return self._list(node, path)
            if isinstance(node, yaml.SequenceNode) and (key := self._tags.get(node.tag)):
                return {key: self._list(node, (*path, key))}
        wanted = f"for a list: {node.tag} [a, b]" if node.tag in self._tags else "not supported"
        raise _Mistake(node, f"the tag {shortened(node.tag)} is {wanted}")

    def _list(self, node: yaml.SequenceNode, path: Path) -> list[Any]:
        return [self._node(item, (*path, index)) for index, item in enumerate(node.value)]

    @contextmanager
    def _inside(self, node: yaml.Node, line: int) -> Iterator[None]:
        """Count the depth; nesting, aliases and merges all count."""
        if any(node is outer for outer in self._open):
            raise DocumentError(Problem(line, "an alias stands inside of what it refers to: it is nested without end"))
        self._open.append(node)
        _refuse_depth(len(self._open), line)
        try:
            yield
        finally:
            self._open.pop()

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        # What is merged comes first, so that the lines of the mapping's own keys are kept.
        for key_node, value_node in sorted(node.value, key=lambda pair: pair[0].tag != _MERGE):
            try:
                if key_node.tag == _MERGE:
                    for other in self._merges(value_node, path):
                        merged = other | merged
                else:
                    self._pair(key_node, value_node, path, own)
            except _Mistake as mistake:
                self._note(mistake)
        return merged | own

    def _pair(self, key_node: yaml.Node, value_node: yaml.Node, path: Path, own: dict[str, Any]) -> None:
        key = self._key(key_node)
        if key in own:
            raise _Mistake(key_node, f"the key {shortened(key)!r} appears twice")
        # Even if its value cannot be read, the key is known.
        own[key] = None
        own[key] = self._node(value_node, (*path, key))
        self._lines[(*path, key)] = key_node.start_mark.line + 1

    def _note(self, mistake: _Mistake) -> None:
        self._problems.append(mistake.problem)
        if len(self._problems) >= _MAX_PROBLEMS:
            raise DocumentError(
                *self._problems, Problem(mistake.problem.line, "too many mistakes: the rest is not read")
            )

    def _merges(self, node: yaml.Node, path: Path) -> Iterator[dict[str, Any]]:
        for item in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            value = self._node(item, path)
            if not isinstance(value, dict):
                raise _Mistake(item, "only a mapping can be merged with <<")
            yield value

    def _key(self, node: yaml.Node) -> str:
        key = self._scalar(node) if isinstance(node, yaml.ScalarNode) else None
        if not isinstance(key, str):
            shown = node.value if isinstance(node, yaml.ScalarNode) else "a list or mapping"
            raise _Mistake(node, f"keys must be text: put {shortened(shown)} in quotes")
        return key

    def _scalar(self, node: yaml.ScalarNode, path: Path = ()) -> Any:  # noqa: ANN401 - any YAML value
        if node not in self._values:
            try:
                self._values[node] = self._value(node)
            except ValueError as error:
                place = f"`{'.'.join(shortened(str(part)) for part in path)}`: " if path else ""
                raise _Mistake(node, f"{place}{error}") from error
        return self._values[node]

    def _value(self, node: yaml.ScalarNode) -> str | int | float | date | None:
        shown, kind = repr(shortened(node.value)), _SCALARS.get(node.tag)
        if kind is None:
            message = f"the tag {shortened(node.tag)} is not supported; put {shown} in quotes"
            raise ValueError(message)
        if kind != "text" and len(node.value) > MAX_NUMBER_LENGTH:
            message = f"{shown}: {kind} has at most {MAX_NUMBER_LENGTH} characters; put it in quotes"
            raise ValueError(message)
        try:
            value: str | int | float | date | None = self._loader.construct_object(node)
        except (ValueError, OverflowError, LookupError, AttributeError, TypeError):
            # PyYAML lets these through if a tag does not fit its text, such as `!!int x` or `!!timestamp x`.
            message = f"cannot read {shown} as {kind}"
            raise ValueError(message) from None
        if isinstance(value, float) and not math.isfinite(value):
            message = f"{shown} is not a number that JSON knows"
            raise ValueError(message)
        if isinstance(value, int) and not SMALLEST <= value <= LARGEST:
            message = f"the number {shown} has more than 64 bits; put it in quotes"
            raise ValueError(message)
        if isinstance(value, str) and UNSTORABLE.search(value):
            message = "NUL and lone surrogates cannot be stored"
            raise ValueError(message)
        return value
