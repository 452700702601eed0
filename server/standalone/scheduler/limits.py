"""Chooses the tasks that may start now: from what is in use and the limits, without exceeding any of them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Demand:
    """What a task takes up while it runs."""

    dag_id: str
    task_id: str
    pool: str
    slots: int


@dataclass(slots=True)
class Limits:
    """What is free. `dags` and `tasks` have the limits of DAGs and of (dag_id, task_id); others have none."""

    parallelism: int
    pools: Mapping[str, int]
    dags: Mapping[str, int]
    tasks: Mapping[tuple[str, str], int]
    used: int = 0
    pool_slots: Counter[str] = field(default_factory=Counter)
    dag_tasks: Counter[str] = field(default_factory=Counter)
    same_tasks: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def free(self) -> int:
        """How many more tasks may run, whatever they are."""
        return max(0, self.parallelism - self.used)

    def take(self, demand: Demand, times: int = 1) -> None:
        """Count tasks that run; `demand.slots` are those of all these tasks together."""
        self.used += times
        self.pool_slots[demand.pool] += demand.slots
        self.dag_tasks[demand.dag_id] += times
        self.same_tasks[demand.dag_id, demand.task_id] += times

    def admits(self, demand: Demand) -> bool:
        """Whether there is room for the task now. A pool that does not exist has no room."""
        key = (demand.dag_id, demand.task_id)
        return (
            self.free > 0
            and self.pool_slots[demand.pool] + demand.slots <= self.pools.get(demand.pool, 0)
            and self.dag_tasks[demand.dag_id] < self.dags.get(demand.dag_id, self.parallelism)
            and self.same_tasks[key] < self.tasks.get(key, self.parallelism)
        )

    def choose(self, demands: Iterable[Demand]) -> list[int]:
        """Take what fits, in the given order, and return the positions of what was taken."""
        chosen = []
        for place, demand in enumerate(demands):
            if self.admits(demand):
                self.take(demand)
                chosen.append(place)
        return chosen

    @property
    def open_pools(self) -> list[str]:
        """Pools that have a free slot."""
        return [pool for pool, slots in self.pools.items() if self.pool_slots[pool] < slots]

    @property
    def full_dags(self) -> list[str]:
        """DAGs that may not start any task now."""
        return [dag_id for dag_id, limit in self.dags.items() if self.dag_tasks[dag_id] >= limit]
