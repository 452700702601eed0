"""Mutated DAG files: whatever they hold, there is nothing but DAGs or the file's own error, in bounded time.

`WINDSOCK_FUZZ_FILES=20000 pytest tests/unit/test_dags_fuzz.py` tries as many; `WINDSOCK_FUZZ_SEED` repeats a run.
"""
# ruff: noqa: E501 - what is inserted, as dense as it is dull

import os
import random
import time
from collections.abc import Callable

import msgspec
import pytest

from server.standalone.dags.errors import DagFileError
from server.standalone.dags.expressions import TAGS, evaluated
from server.standalone.dags.parsing import Answer
from server.standalone.dags.plan import plan_dags
from server.standalone.dags.serialize import DagFile, dag_row
from server.standalone.dags.variables import Environment
from server.wire.document import DocumentError, read_document
from tests.dag_files import BAD, ETL, seeds

_FILES = int(os.environ.get("WINDSOCK_FUZZ_FILES", "400"))
_SEED = os.environ.get("WINDSOCK_FUZZ_SEED", "windsock")
_SEEDS = seeds()
# Seconds of this process: ten times what the slowest of all mutations took.
_LONGEST = 10.0
ENVIRONMENT = Environment({"HOME": "/root", "LONG": "x" * 10_000}, ["SECRET"])
_ODD = [
    b"<<: *a\n", b"&a ", b"*a", b"*defaults", b"<<: [*defaults, *defaults]", b"- ", b": ", b"{", b"}", b"[", b"]", b"!!int ",
    b"!!float ", b"!!timestamp ", b"!!binary ", b"!!python/name:os.system ", b"!", b"? ", b"|\n", b">\n", b"\t", b"\0", b"\xff",
    b"\xef\xbb\xbf", b"'", b'"', b'"\\ud800"', b".nan", b"-.inf", b"1e999", b"0x" + b"f" * 5000, b"1" + b":59" * 3000,
    b"9" * 400, b"9" * 5000, b"-0", b"0o17", b"1_0", b"2020-13-01", b"9999-12-31", b"0001-01-01", b"2020-01-01T00:00:00+23:59",
    b"1 day", b"-1 days", b"99999999999 weeks", b"null", b"~", b"{}", b"[]", b"on", b"=", b"<<", b"...\n", b"---\n", b"%YAML 9.9\n",
    b"__type__: datetime.timedelta", b"__type__: datetime.datetime", b"__args__: [1, 2, 3, 4, 5, 6, 7, 8, 9]", b"__args__: x",
    b"default: ", b"tasks: ", b"dependencies: ", b"trigger_rule: ", b"timezone: ", b"schedule: {type: timedelta, value: {days: x}}",
    "\u2028".encode(), "\u202e".encode(), "\ufeff".encode(), "\U0001f600".encode(), b"$HOME", b"{{ 1 / 0 }}", b"#",
    b"${LONG}", b"!join [a, b]", b"!or ", b"!and [1, 2]", b"__join__: [a, *a]", b"__or__: x", b"task_groups: {g: {parent_group_name: g}}",
    b"task_group_name: g", b"group_name: ", b"parent_group_name: ", b"prefix_group_id: false", b"variables_as_arguments: [{}]",
]  # fmt: skip

Mutation = Callable[[random.Random, bytes], bytes]


def _flip(rng: random.Random, raw: bytes) -> bytes:
    place = rng.randrange(len(raw))
    return raw[:place] + bytes([rng.randrange(256)]) + raw[place + 1 :]


def _insert(rng: random.Random, raw: bytes) -> bytes:
    place = rng.randrange(len(raw))
    return raw[:place] + rng.choice(_ODD) + raw[place:]


def _replace_word(rng: random.Random, raw: bytes) -> bytes:
    words = raw.split(b" ")
    words[rng.randrange(len(words))] = rng.choice(_ODD)
    return b" ".join(words)


def _cut(rng: random.Random, raw: bytes) -> bytes:
    return raw[: rng.randrange(len(raw))]


def _move_line(rng: random.Random, raw: bytes) -> bytes:
    lines = raw.split(b"\n")
    line = lines.pop(rng.randrange(len(lines)))
    lines.insert(rng.randrange(len(lines) + 1), b" " * rng.randrange(8) + line)
    return b"\n".join(lines)


def _repeat(rng: random.Random, raw: bytes) -> bytes:
    start = rng.randrange(len(raw))
    piece = raw[start : start + rng.randrange(1, 60)]
    return raw[:start] + piece * rng.choice([2, 10, 500]) + raw[start:]


def _splice(rng: random.Random, raw: bytes) -> bytes:
    other = rng.choice(_SEEDS)
    return raw[: rng.randrange(len(raw))] + other[rng.randrange(len(other)) :]


_MUTATIONS: list[Mutation] = [_flip, _insert, _replace_word, _cut, _move_line, _repeat, _splice]


def mutated(rng: random.Random) -> bytes:
    """A file that is one to four mistakes away from one that somebody wrote."""
    raw = rng.choice(_SEEDS)
    for _ in range(rng.randint(1, 4)):
        raw = rng.choice(_MUTATIONS)(rng, raw) or b"x"
    return raw


def read(raw: bytes) -> Answer:
    """Do what a worker process does, less what it catches in case that a check is lacking."""
    try:
        document = evaluated(read_document(ENVIRONMENT.fill_in(raw, []), TAGS))
        rows = [dag_row(plan, "/dags/file.yaml") for plan in plan_dags(document, "/dags/file.yaml")]
        answer = Answer(file=DagFile("/dags/file.yaml", raw.decode("utf-8-sig"), rows))
    except DocumentError as error:
        answer = Answer(problems=error.problems)
        DagFileError(*error.problems).report("/dags/file.yaml").encode()
    return msgspec.json.decode(msgspec.json.encode(answer), type=Answer)


def test_mutated_files_are_dags_or_problems() -> None:
    """No mutation raises anything else, or takes long."""
    rng = random.Random(_SEED)  # noqa: S311 - a test that can be repeated
    good = 0
    for number in range(_FILES):
        raw = mutated(rng)
        begin = time.process_time()
        try:
            answer = read(raw)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a find
            pytest.fail(f"file {number} raises {error!r}: {raw[:2000]!r}")
        assert time.process_time() - begin < _LONGEST, raw[:2000]
        assert (answer.file is None) == bool(answer.problems)
        good += answer.file is not None
    assert good > _FILES / 50, "the mutations leave too few files in order to be of use"


@pytest.mark.parametrize("name", sorted(BAD.keys() - {"params_times_tasks"}))
def test_bad_files_are_refused(name: str) -> None:
    """Each once took all time or memory, or raised what nobody caught; now it says what is wrong in a few words."""
    begin = time.process_time()
    answer = read(BAD[name])
    assert time.process_time() - begin < _LONGEST
    assert answer.problems
    assert all(len(problem.text) < 1100 for problem in answer.problems)


def test_the_good_example_is_good() -> None:
    """Most mutations begin with files that are in order."""
    file = read(ETL.encode()).file
    assert file is not None
    assert file.dag_ids == ["etl.daily", "other"]
