"""The loop: reports what has ended, examines runs, claims tasks, starts them.

`notifications`, tries that end, and the clock wake it. The database is the truth: if something is interrupted, the next
round finds it in the tables.
"""

import asyncio
import math
import re
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from operator import itemgetter

import asyncpg
import structlog

from server.database.connections import SESSION_ERRORS
from server.errors import Unavailable
from server.process.cancellation import pause
from server.standalone.scheduler.agenda import Agenda
from server.standalone.scheduler.claim import Claimer
from server.standalone.scheduler.dag_callbacks import DagCallbacks
from server.standalone.scheduler.examine import Examiner
from server.standalone.scheduler.graphs import Graphs
from server.standalone.scheduler.jobs import Jobs
from server.standalone.scheduler.lease import Lease
from server.standalone.scheduler.local_executor import LocalExecutor
from server.standalone.scheduler.mails import Mailer
from server.standalone.scheduler.reaper import Reaper
from server.standalone.scheduler.renderer import Renderer
from server.standalone.scheduler.reports import Reporter
from server.standalone.scheduler.run_command import Place
from server.standalone.scheduler.schedules import Schedules
from server.standalone.scheduler.states import State
from server.standalone.scheduler.store import Store
from server.standalone.scheduler.workspace import Workspace, remove_left
from windsock.config import Config
from windsock.text import first_line

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_TRY = itemgetter("dag_id", "execution_date", "task_id", "try_number")
_RUN_ID = re.compile(r"\d{1,9}|1\d{9}|20\d{8}", re.ASCII)
_RUNS_AT_ONCE = 64
_POLL = 1.0
_BUSY_AGAIN = 0.05
_AFTER_ERROR = 0.5
_AFTER_FAULT = 2.0
# In seconds. If nobody reads the answer to a session with locks for so long, its scheduler is suspended.
_UNREAD = 5.0
# Looking at a large run takes time; between two looks there is this much time for each of its tasks, in seconds.
_REST_PER_TASK = 2e-5
_SMALL = 500
# After this many new tasks, and after each doubling, the tables are analyzed for the planner.
_FIRST_ANALYZE = 500
# What values that nobody expected, in a row or a DAG, make of a look at a run.
_ODD = (
    asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, asyncpg.ProgramLimitExceededError,
    ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError,
)  # fmt: skip
_TROUBLE = (Unavailable, *SESSION_ERRORS)


class Scheduler:
    """Runs what was triggered, under the row `job_id` of `job`."""

    def __init__(self, store: Store, jobs: Jobs, config: Config, job_id: int, lease: Lease) -> None:
        self._config = config
        self._job_id = job_id
        self._store = store
        self._jobs = jobs
        self._graphs = graphs = Graphs(store, partial(self.notified, ""))
        most, catchup = config.max_active_runs_per_dag, config.catchup_by_default
        self._examiner = Examiner(store, graphs, most, catchup_by_default=catchup)
        self._schedules = Schedules(store, graphs, most, catchup_by_default=catchup)
        self._claimer = Claimer(store, graphs, job_id, config.parallelism, config.dag_concurrency)
        self._renderer = Renderer()
        self._workspace = Workspace()
        patience = config.killed_task_cleanup_time
        place = Place(config.base_log_folder, config.dags_folder, patience, self._renderer, self._workspace, lease)
        self._lease = lease
        self._reporter = Reporter(store, job_id, config.base_log_folder)
        self._mailer = Mailer(config)
        self._dag_callbacks = DagCallbacks(store, graphs, place)
        self._executor = LocalExecutor(store, graphs, place, self.wake, self._mailer.tell)
        threshold = config.scheduler_zombie_task_threshold
        self._reaper = Reaper(store, jobs, job_id, threshold, config.base_log_folder)
        self._agenda = Agenda()
        # When the database began to answer: a scheduler that it did not answer either looks as dead as a dead one.
        self._answered_since = time.monotonic()
        self._awake = asyncio.Event()
        self._sweep_due = True
        self._claim_due = True
        self._compare_due = True
        self._ending = False
        self._next_claim = 0.0
        self._next_beat = 0.0
        self._created = 0
        self._next_analyze = _FIRST_ANALYZE

    def wake(self) -> None:
        """Do another round now."""
        self._awake.set()

    def notified(self, payload: str) -> None:
        """Handle a message of the database's triggers: ids of new runs, or none in particular."""
        if payload:
            # Whoever is let into the database can notify.
            self._agenda.add(int(run_id) for run_id in payload.split(",") if _RUN_ID.fullmatch(run_id))
        else:
            self._sweep_due = self._claim_due = True
        self.wake()

    def steered(self, payload: str) -> None:
        """Handle a message that somebody has steered runs: perhaps tasks must be ended, and others may start."""
        self._compare_due = True
        self.notified(payload)

    def look_everywhere(self) -> None:
        """Look at all runs: something may have happened unnoticed."""
        self._sweep_due = self._claim_due = True
        self._next_beat = 0.0
        self.wake()

    async def run(self) -> None:
        """Work until cancelled; then end the tasks and write how they ended."""
        background = asyncio.gather(asyncio.to_thread(remove_left), self._renderer.warm_up(), return_exceptions=True)
        try:
            while True:
                try:
                    await self.round()
                except _TROUBLE as error:
                    _log.warning("the scheduler waits for the database", reason=first_line(error))
                    self._answered_since = math.inf
                    self.look_everywhere()
                    await pause(_AFTER_ERROR)
                except Exception:  # noqa: BLE001 - structlog's, which ruff does not know
                    # The tasks under way need not end for it. Without a heartbeat this scheduler counts as unhealthy.
                    _log.exception("a round of the scheduler failed")
                    self.look_everywhere()
                    await pause(_AFTER_FAULT)
                await self._sleep()
        finally:
            background.cancel()
            await asyncio.wait([background])
            await asyncio.gather(self._executor.end_all(), self._dag_callbacks.close())
            await self._mailer.close()
            await self._renderer.close()
            await self._graphs.close()
            await asyncio.to_thread(self._workspace.close)
            with suppress(*_TROUBLE):
                await self._report()

    async def round(self) -> None:
        """Do once everything that is due."""
        self._awake.clear()
        if beats := time.monotonic() >= self._next_beat:
            await self._look_after()
        elif self._compare_due:
            await self._compare()
        await self._report()
        if self._sweep_due:
            self._sweep_due = False
            self._schedules.look()
            self._agenda.add(await self._store.sweep(_RUNS_AT_ONCE))
        if self._schedules.wait(_POLL) <= 0:
            self._agenda.add(await self._schedules.make_runs())
        if run_ids := self._agenda.take(_RUNS_AT_ONCE):
            await self._examine(run_ids)
        if self._claim_due or time.monotonic() >= self._next_claim:
            await self._claim()
        if beats:
            await self._jobs.heartbeat(self._job_id)

    async def _sleep(self) -> None:
        now = time.monotonic()
        until = min(self._next_beat, self._next_claim)
        delay = self._schedules.wait(self._agenda.wait(max(0.0, min(until - now, _POLL))))
        if delay > 0 and not self._claim_due:
            try:
                async with asyncio.timeout(delay):
                    await self._awake.wait()
            except TimeoutError:
                return

    async def _look_after(self) -> None:
        """End the tasks that are not this scheduler's any more, look for dead schedulers, look at all runs."""
        self._next_beat = time.monotonic() + self._config.scheduler_heartbeat_sec
        await self._compare()
        await self._jobs.end_unread(_UNREAD)
        await self._dag_callbacks.judge_slas()
        now = time.monotonic()
        self._answered_since = min(self._answered_since, now)
        if now - self._answered_since >= self._config.scheduler_zombie_task_threshold:
            self._agenda.add(await self._reaper.reap())
        self._sweep_due = self._claim_due = True

    async def _compare(self) -> None:
        """Compare the tries that run here with the database: end those that are not this scheduler's any more."""
        self._compare_due = False
        known, since = self._executor.under_way, self._lease.now()
        rows = await self._store.own_tries(self._job_id)
        self._executor.keep_only(rows, known)
        self._lease.confirm(since)
        self._executor.begin(rows)
        await self._drop_endings()

    async def _drop_endings(self) -> None:
        """Let tasks run again that somebody had taken away from here, once their processes have ended."""
        rows = await self._store.endings(self._job_id)
        under_way = {(*key, number) for _, key, number in self._executor.under_way}
        over = [row["id"] for row in rows if _TRY(row) not in under_way]
        self._ending = len(over) < len(rows)
        if over:
            await self._store.drop_endings(over)
            self._claim_due = True

    async def _report(self) -> None:
        """Write how tries ended, and the ids of started processes."""
        ended = dict(self._executor.unreported)
        if ended:
            for identity in await self._reporter.report(ended):
                self._executor.forget(identity)
                self._agenda.add([identity.run])
            graphs = {key.dag_id: self._graphs.recent(key.dag_id) for _, key, _ in ended}
            await self._look_at_runs_of(dag_id for dag_id, graph in graphs.items() if graph and graph.looks_back)
            self._claim_due = True
            if self._ending:
                await self._drop_endings()
        if self._executor.pids:
            pids = dict(self._executor.pids)
            await self._store.note_pids(self._job_id, [(key, number, pid) for (_, key, number), pid in pids.items()])
            for identity in pids:
                self._executor.pids.pop(identity, None)

    async def _examine(self, run_ids: Sequence[int]) -> None:
        try:
            result = await self._examiner.examine(run_ids)
        except _ODD as error:
            await self._examine_apart(run_ids, error)
            return
        self._dag_callbacks.runs_ended(result.ended)
        for run_id, delay in result.wakes.items():
            self._agenda.add_later(run_id, delay)
        for run_id, size in result.sizes.items():
            if size > _SMALL:
                self._agenda.rest(run_id, size * _REST_PER_TASK)
        self._claim_due |= result.scheduled
        await self._analyze(result.created)
        if left := [run_id for run_id in run_ids if run_id not in result.seen]:
            for run_id in await self._store.busy_runs(left):
                self._agenda.add_later(run_id, _BUSY_AGAIN)
        if result.advanced:
            self._schedules.runs_ended(result.advanced)
            self._agenda.add(await self._store.waiting_runs(list(result.advanced), _RUNS_AT_ONCE))
        await self._look_at_runs_of(result.looked_back_at)

    async def _examine_apart(self, run_ids: Sequence[int], error: Exception) -> None:
        """Find the run with a value that cannot be used, and let only that run fail."""
        if len(run_ids) > 1:
            for run_id in run_ids:
                await self._examine([run_id])
            return
        _log.error("a run failed: a value of it cannot be used", run=run_ids[0], reason=repr(error))
        async with self._store.database.transaction() as conn:
            await self._store.finish_runs(conn, {run_ids[0]: State.FAILED})

    async def _look_at_runs_of(self, dag_ids: Iterable[str]) -> None:
        """Look at the runs under way of DAGs whose runs depend on each other."""
        if names := sorted(dag_ids):
            self._agenda.add(await self._store.begun_runs(names))

    async def _analyze(self, created: int) -> None:
        self._created += created
        if self._created >= self._next_analyze:
            self._next_analyze *= 2
            await self._store.analyze()

    async def _claim(self) -> None:
        self._claim_due = False
        claimed, waiting = await self._claimer.claim()
        # Others may free slots too, so while something waits, ask again.
        self._next_claim = time.monotonic() + (_POLL if waiting else self._config.scheduler_heartbeat_sec)
        if claimed:
            await self._store.start_queued(self._job_id, claimed)
            self._executor.begin(await self._store.own_tries(self._job_id))
