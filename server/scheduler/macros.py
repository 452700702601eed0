"""`macros` in templates: the common ones of Airflow. Functions, never modules: a module leads to all others."""

import json
import random
import time
import uuid
from datetime import datetime, timedelta
from types import SimpleNamespace


def ds_add(ds: str, days: int) -> str:
    """Add days to a date such as 2020-01-31."""
    return (datetime.fromisoformat(ds) + timedelta(days=days)).strftime("%Y-%m-%d")


def ds_format(ds: str, input_format: str, output_format: str) -> str:
    """Write a date of one format in another."""
    return datetime.strptime(ds, input_format).strftime(output_format)  # noqa: DTZ007 - a date has no zone


MACROS = SimpleNamespace(
    datetime=datetime,
    timedelta=timedelta,
    ds_add=ds_add,
    ds_format=ds_format,
    random=random.random,
    json=SimpleNamespace(dumps=json.dumps, loads=json.loads),
    time=SimpleNamespace(time=time.time, strftime=time.strftime),
    uuid=SimpleNamespace(uuid1=uuid.uuid1, uuid4=uuid.uuid4),
)
