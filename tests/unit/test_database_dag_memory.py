"""The DAGs that were read last: found by their ids, and no more of them than the bound allows."""

import msgspec

from server.caching.bounded import BoundedMap
from server.database.dag import Dag, memory_of
from server.database.prepared import prepare
from server.database.serialized import SerializedDag


def dag(dag_id: str, size: int = 0, version: str = "1") -> Dag:
    """Make one of about so many bytes."""
    tasks = [{"task_id": "t", "_task_type": "BashOperator", "bash_command": "x" * size}]
    (prepared,) = prepare(SerializedDag(dag_id, {"_dag_id": dag_id, "tasks": tasks}))
    encoded = msgspec.msgpack.encode(prepared)
    return Dag(dag_id, dag_id, version, msgspec.msgpack.decode(encoded, type=type(prepared)))


def cache_of(most: int) -> BoundedMap[str, Dag]:
    return BoundedMap(most, size=memory_of)


def put(cache: BoundedMap[str, Dag], known: Dag) -> None:
    cache.put(known.dag_id, known)


def test_the_oldest_make_room() -> None:
    """By their size, not by their number; what is dropped, or put in anew, leaves its room."""
    cache = cache_of(100_000)
    for n in range(1000):
        put(cache, dag(f"d{n}", 9_000))
    assert 5 <= len(cache) <= 11
    assert cache.get("d999") is not None
    assert cache.get("d0") is None
    for n in range(1000):
        put(cache, dag("d999", 9_000, version=str(n)))
    assert 5 <= len(cache) <= 11
    assert cache.get("d998") is not None
    for n in range(1000):
        cache.drop(f"d{n}")
    assert len(cache) == 0
    for n in range(5):
        put(cache, dag(f"e{n}", 9_000))
    assert len(cache) == 5


def test_the_newest_stays() -> None:
    """Whatever its size: who asked for it uses it, and the next one does."""
    cache = cache_of(1000)
    for n in range(3):
        put(cache, dag(f"d{n}", 5000))
        assert cache.get(f"d{n}") is not None
        assert len(cache) == 1


def test_dags_without_a_row_count_too() -> None:
    """A database without serialized DAGs may have any number of them."""
    cache = cache_of(10_000)
    for n in range(1000):
        put(cache, Dag(f"d{n}", f"d{n}", None, None))
    assert len(cache) < 10
