"""One thing after the other: load and faults, a rest every five minutes, and the judgement."""

import asyncio
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.soak.faults import FAULTS, Ends, Fault
from tests.soak.figures import Held, Rest, all_held, grown, rest, unquiet
from tests.soak.ground import WORKERS, Ground, ground
from tests.soak.ledger import Ledger, Window
from tests.soak.load import Caller, load

RECOVERY = 20.0
"""Seconds after which the service must work again once the cause is over."""
_IN_A_ROW = 10
_PROBE_PAUSE = 0.05


@dataclass
class Outcome:
    """All that is reported."""

    ledger: Ledger = field(default_factory=Ledger)
    rests: list[Rest] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    seconds: float = 0.0
    restarts: int = 0

    def problems(self) -> list[str]:
        """What should not have been; none is success."""
        return [*self.ledger.problems, *self.ledger.unexcused(), *unquiet(self.rests), *grown(self.held)]


@dataclass(frozen=True)
class Plan:
    """How long, how often, how much. Durations are seconds."""

    seconds: float
    every: float = 60.0
    rest_every: float = 300.0
    rate: float = 60.0
    seed: int = 0


class Soak:
    """Load on a ground that shakes."""

    def __init__(self, ground: Ground, plan: Plan) -> None:
        self.outcome = Outcome()
        self._ground = ground
        self._plan = plan
        self._random = random.Random(plan.seed)  # noqa: S311 - a test that can be repeated
        self._began = time.monotonic()
        self._deck = self._shuffled()

    async def run(self) -> Outcome:
        """Do all of it."""
        while (left := self._began + self._plan.seconds - time.monotonic()) > 0:
            async with load(self._ground.port, self.outcome.ledger, self._random, self._plan.rate):
                await self._shake(min(left, self._plan.rest_every))
            await self._look()
        self.outcome.seconds = time.monotonic() - self._began
        return self.outcome

    async def _shake(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            quiet = self._random.uniform(0.3, 0.7) * self._plan.every
            await asyncio.sleep(min(quiet, left))
            if left < self._plan.every / 2:
                return
            next_round = time.monotonic() + self._plan.every - quiet
            await self._break(next(self._deck))
            await asyncio.sleep(max(0.0, min(next_round, end) - time.monotonic()))

    def _shuffled(self) -> Iterator[Fault]:
        """All faults in random order, again and again.

        Who is to show a leak must live long: after a third of the time the service is not ended any more, after two
        thirds no worker is.
        """
        while True:
            for fault in self._random.sample(FAULTS, len(FAULTS)):
                passed = (time.monotonic() - self._began) / self._plan.seconds
                if fault.ends <= (Ends.SERVICE if passed < 1 / 3 else Ends.WORKERS if passed < 2 / 3 else Ends.NOTHING):
                    yield fault

    async def _break(self, fault: Fault) -> None:
        began = time.monotonic()
        await fault.break_it(self._ground, self._random)
        cured = time.monotonic()
        recovered = await self._recovered(cured)
        window = Window(fault.name, began, cured, recovered, fault.seen)
        self.outcome.ledger.windows.append(window)
        took = f"{cured - began:.1f} s, recovered after {window.recovery:.2f} s"
        print(f"{began - self._began:6.0f} s  {fault.name}: {took}", flush=True)

    async def _recovered(self, cured: float) -> float:
        """Wait until all is well; the moment of the last failed answer, or at which the last worker was back."""
        worked = 0
        while worked < _IN_A_ROW:
            # Each on a connection of its own: no worker is left out for long.
            caller = Caller(self._ground.port, self.outcome.ledger, self._random)
            worked = worked + 1 if await caller.trigger("probe") == 200 else 0
            await caller.close()
            await asyncio.sleep(_PROBE_PAUSE)
            if time.monotonic() - cured > RECOVERY:
                self.outcome.ledger.problem(f"it does not recover within {RECOVERY:.0f} s")
                break
        ready = cured
        while not await asyncio.to_thread(self._complete) and time.monotonic() - cured < RECOVERY:
            ready = time.monotonic()
            await asyncio.sleep(_PROBE_PAUSE)
        return max([ready, *(each.ended for each in self.outcome.ledger.troubles)])

    def _complete(self) -> bool:
        """Whether all workers are there and ready."""
        service = self._ground.service
        return service.admin("/ready")[0] == 200 and service.metrics()["windsock_workers"] == WORKERS

    async def _look(self) -> None:
        self.outcome.rests.append(await rest(self._ground))
        self.outcome.held += all_held(self._ground)
        conn = await self._ground.connect()
        await self.outcome.ledger.compare(conn)
        await conn.close()
        print(f"at rest: {self.outcome.rests[-1]}", *self.outcome.held[-3:], sep="\n    ", flush=True)


async def soak(folder: Path, plan: Plan) -> Outcome:
    """Run a soak in an empty folder."""
    async with ground(folder) as one:
        return await Soak(one, plan).run()
