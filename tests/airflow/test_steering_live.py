"""A task that really runs ends when its run is stopped, cleared, marked or deleted: its own Airflow sees to that."""

import asyncio
from collections.abc import Awaitable, Callable

import psutil
import pytest

from server.database.metadata import open_metadata
from server.database.steering import Steering
from server.wire import RunId
from tests.airflow.conftest import Beside
from tests.airflow.real import until
from windsock.config import load_config

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(400)]
WAYS: dict[str, Callable[[Steering, RunId], Awaitable[object]]] = {
    "stopped": lambda steering, run: steering.set_run_state("ws_slow", run, "failed"),
    "marked": lambda steering, run: steering.set_instance_state("ws_slow", run, "sleeps", None, "success"),
}
