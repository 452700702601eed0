"""Triggers that nobody should send: assorted conf, dates and run ids, the same ones for the same seed."""

import itertools
import json
import random
import re
from datetime import UTC, datetime, timedelta
from typing import Any

CONFS: tuple[object, ...] = (
    None, {}, {"a": 1}, "{}", '{"a": "text"}', {"__type": "datetime", "__var": "x"}, {"__class": "a.b.C"},
    {"__type": "dict", "__var": {"__type": "set", "__var": [1]}}, {"__classname__": "a.b", "__version__": 1},
    {"x": [[[[[[]]]]]]}, {"": ""}, {"é": "\u2028\u200b\U0001f600"}, {"i": 2**62, "n": -(2**62), "f": 1e308, "z": -0.0},
    {"s": "x" * 100_000}, {"k" * 1000: None}, {str(n): n for n in range(1000)}, {"{{ 1/0 }}": "{{ dag_run.x.y }}"},
    {"quote": "'\"\\$$;--"}, {"huge": 10**300}, {"digits": 10**4000}, {"tiny": 1e-320}, {"t": True, "f": False},
    {"surrogate": "\ud800"}, {"\udfff": 1}, {"nul": "a\0b"}, {"\0": 1}, {"nan": float("nan")}, {"inf": -float("inf")},
    "[]", "1", "null", "{", "\ud800", [1], [], 1, 0, "text", "", True,
)  # fmt: skip
RUN_IDS: tuple[object, ...] = (
    None, "", "plain", "scheduled__2024-01-01T00:00:00+00:00", "scheduled__x", "backfill__x", "backfill_x",
    "backfill__", "dataset_triggered__x", "dataset_triggered__2024-01-01T00:00:00+00:00", "asset_triggered__x",
    "asset_materialization__x", "operator_triggered__x", "manual__", "manual__2024-01-01T00:00:00+00:00", "a b",
    "a/b/../c", "%2F%00", "é\u2028", "\U0001f600", "\ud800", "a\0b", "'; DROP TABLE dag_run; --", "line\nbreak",
    "end\n", "scheduled__2024-01-01T00:00:00+00:00\n", "\t", "x" * 250, "x" * 251, "é" * 250, "{{ 1 }}", "..", 5, ["x"],
)  # fmt: skip
DATES: tuple[object, ...] = (
    None, "", "2024-02-29", "2023-02-29", "2024-12-31T23:59:59.999999", "2024-06-01T00:00:00+14:00",
    "2024-06-02T00:00:00-12:00", "1900-01-01", "1970-01-01T00:00:00Z", "1582-10-04", "0001-01-01T00:00:00",
    "0001-01-01T00:00:00+14:00", "0001-01-02", "0099-12-31", "9999-12-31T23:59:59+00:00", "9999-12-31T23:59:59-14:00",
    "9999-12-01", "2500-01-01", "2024-03-31T02:30:00", "2024-06-30T23:59:60", "2038-01-19T03:14:08", "now", "\ud800", 5,
)  # fmt: skip
FIELDS: dict[str, tuple[object, ...]] = {"conf": CONFS, "run_id": RUN_IDS, "execution_date": DATES}
_TEXTS = (
    "",
    "a",
    "é",
    "\U0001f469\u200d\U0001f680",
    "\u202e",
    "\x7f",
    "\\",
    '"',
    "{{ x }}",
    "NaN",
    "null",
    "0",
    "k" * 255,
)
_START = datetime(2024, 1, 2, tzinfo=UTC)


def bodies(count: int, seed: int) -> list[str]:
    """Bodies of POST requests, as JSON text: first each entry of the lists above in a plain body, then mixtures."""
    chance = random.Random(seed)  # noqa: S311 - not a secret
    odd: list[dict[str, object]] = [{name: value} for name, values in FIELDS.items() for value in values]
    chance.shuffle(odd)
    while len(odd) < count:
        mixed = {name: chance.choice(values) for name, values in FIELDS.items() if chance.random() < 0.3}
        odd.append({"conf": _nested(chance), **mixed})
    return [json.dumps({**_plain(n), **fields}) for n, fields in enumerate(odd[:count])]


def _plain(n: int) -> dict[str, object]:
    return {"run_id": f"fuzz_{n}", "execution_date": (_START + timedelta(hours=n)).isoformat()}


def _nested(chance: random.Random) -> dict[str, object]:
    return {chance.choice(_TEXTS) + str(n): _value(chance, 5) for n in range(chance.randrange(4))}


def _value(chance: random.Random, depth: int) -> Any:  # noqa: ANN401 - any JSON
    kind = chance.randrange(9 if depth else 6)
    if kind == 6:
        return [_value(chance, depth - 1) for _ in range(chance.randrange(4))]
    if kind > 6:
        return {chance.choice(_TEXTS): _value(chance, depth - 1) for _ in range(chance.randrange(4))}
    whole = chance.choice([0, -1, 2**31, 2**53 + 1, -(2**63), 2**64, 10**40])
    return [None, chance.random() < 0.5, whole, chance.uniform(-1e9, 1e9), 5e-324, chance.choice(_TEXTS)][kind]


def plain_confs(count: int, seed: int) -> list[dict[str, object]]:
    """Conf that every part of every Airflow can carry: its whole numbers fit into 64 bits."""
    chance = random.Random(seed)  # noqa: S311 - not a secret
    made = (_nested(chance) for _ in range(1000 * count))
    fitting = (conf for conf in made if conf and not re.search(r"\b[0-9]{19,}\b", json.dumps(conf)))
    return list(itertools.islice(fitting, count))
