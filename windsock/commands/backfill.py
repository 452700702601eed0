"""`backfill`: makes the runs that a schedule has between two dates, and waits until they have ended."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from windsock.commands.base import EXIT_INTERRUPTED, Failure, echo, say, session, subdir_option, verbose_option
from windsock.protocol import BY_RUN_ID, ENDED, Code
from windsock.text import count

if TYPE_CHECKING:
    from windsock.client import Client
    from windsock.client.results import Answer

_PREFIX = "backfill__"
# The API answers so many states, and so many runs of a schedule, at a time.
_MOST = 1000
_LISTED = 20
# In seconds: on a terminal people want to see that it goes on.
_LOOK, _SHORTEST = 2.0, 0.5
_TAKEN = frozenset({Code.RUN_EXISTS, Code.DATE_TAKEN})
_SUCCESS, _GONE, _UNKNOWN = "success", "deleted", ""
_OVER = ENDED | {_GONE}
_BESIDE = (
    "this database is an Airflow's, which makes backfills itself: use `airflow backfill` of 1.10,"
    " `airflow dags backfill` of 2.x, or `airflow backfill create` of 3.x"
)


@click.command("backfill")
@click.argument("dag_id")
@click.option("-s", "--start_date", "--start-date", metavar="DATE", help="The first date.  [default: that of -e]")
@click.option("-e", "--end_date", "--end-date", metavar="DATE", help="The last date.  [default: that of -s]")
@click.option("-c", "--conf", metavar="JSON", help="What the tasks see as dag_run.conf: a JSON object.")
@click.option("-n", "--dry_run", "--dry-run", is_flag=True, help="Print the ids of the runs, and make none.")
@click.option("--wait/--no-wait", default=True, help="Wait until the runs have ended (the default), or do not.")
@subdir_option
@verbose_option
def backfill(
    dag_id: str,
    start_date: str | None,
    end_date: str | None,
    conf: str | None,
    *,
    dry_run: bool,
    wait: bool,
    verbose: bool,
) -> None:
    """Make the runs of a schedule between two dates.

    Dates that have a run already are left out, so the same command goes on where an earlier one was interrupted. The
    ids of the runs go to stdout. The exit status is 1 if a run of the backfill fails, now or before.
    """
    if start_date is None and end_date is None:
        raise click.UsageError("name the dates of the runs with -s and -e")
    with session(verbose=verbose) as client:
        if client.get_version()["airflow"] is not None:
            raise Failure(_BESIDE)
        dates = _dates(client, dag_id, start_date or end_date, end_date or start_date)
        before = _runs_before(client, dag_id, dates)
        missing = [date for date in dates if _moment(date) not in before]
        if before:
            say(f"{count(len(before), 'date')} of {len(dates)} left out: there is a run already")
        if dry_run:
            for date in missing:
                echo(f"{_PREFIX}{date}")
            return
        made, refused = _make(client, dag_id, missing, conf)
        # Another backfill may have made the runs of these dates in the meantime.
        meanwhile = _runs_before(client, dag_id, refused)
        mine = [*_of_backfills(before), *_of_backfills(meanwhile), *made]
        if wait and (mine or len(meanwhile) == len(refused)):
            _report(_wait(client, dag_id, mine))
        if undone := [date for date in refused if _moment(date) not in meanwhile]:
            raise Failure(f"{count(len(undone), 'date')} without a run: runs of other dates have the ids")


def _dates(client: "Client", dag_id: str, start_date: str | None, end_date: str | None) -> list[str]:
    """Return the dates of the runs whose data intervals have ended; raises Failure if there are none, or too many."""
    found = client.get_dag(dag_id, next_runs=_MOST, execution_date_gte=start_date, execution_date_lte=end_date)
    runs = found["next_runs"]
    if not runs:
        raise Failure(f"there is no run to make: {found['next_runs_note']}")
    if len(runs) == _MOST:
        last = runs[-1]["execution_date"]
        raise Failure(
            f"a backfill makes fewer than {_MOST} runs, and there are as many up to {last}: name an earlier -e"
        )
    now = datetime.now(UTC)
    dates = [str(run["execution_date"]) for run in runs if _moment(run["run_after"]) <= now]
    if later := len(runs) - len(dates):
        say(f"{count(later, 'date')} left out: the schedule makes these runs when their data intervals end")
    return dates


def _runs_before(client: "Client", dag_id: str, dates: Sequence[str]) -> "Mapping[datetime, Answer]":
    """Return the runs at these dates that exist."""
    if not dates:
        return {}
    runs = client.get_dag_runs(dag_id, execution_date_gte=dates[0], execution_date_lte=dates[-1])
    wanted = set(map(_moment, dates))
    return {date: run for run in runs if (date := _moment(run["execution_date"])) in wanted}


def _of_backfills(runs: "Mapping[datetime, Answer]") -> list[str]:
    return [run_id for run in runs.values() if (run_id := str(run["run_id"])).startswith(_PREFIX)]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _make(client: "Client", dag_id: str, dates: Sequence[str], conf: str | None) -> tuple[list[str], list[str]]:
    """Make a run at each date, the earliest first; return their ids, and the dates at which none could be made."""
    made: list[str] = []
    refused: list[str] = []
    try:
        for date in dates:
            try:
                run = client.trigger_dag(dag_id, f"{_PREFIX}{date}", conf, date)
            except client.error as error:
                if error.code not in _TAKEN:
                    raise
                say(f"{date} left out: {error}")
                refused.append(date)
                continue
            made.append(str(run["run_id"]))
            echo(made[-1])
    except BaseException:
        if made:
            say(f"{count(len(made), 'run')} of {len(dates)} made, which go on; the same command makes the others")
        raise
    return made, refused


def _wait(client: "Client", dag_id: str, run_ids: Sequence[str]) -> dict[str, str]:
    """Return the state of each run once all have ended, and show meanwhile how many have; raises Failure on Ctrl-C."""
    from windsock.client import ApiError, Unreachable  # noqa: PLC0415 - help needs none of it
    from windsock.client.patience import Patience  # noqa: PLC0415 - likewise

    states, patience = dict.fromkeys(run_ids, _UNKNOWN), Patience()
    try:
        with _progress() as show:
            while pending := _pending(states):
                asked = time.monotonic()
                try:
                    states.update(_look(client, dag_id, pending))
                except (ApiError, Unreachable) as error:
                    patience.bear(error)
                    continue
                patience.served()
                show(states)
                if _pending(states):
                    # A server that is about to stop answers at once.
                    time.sleep(max(0.0, asked + _SHORTEST - time.monotonic()))
    except KeyboardInterrupt:
        going = count(len(_pending(states)), "run")
        message = f"no longer waiting; {going} under way, which go on; the same command waits for them again"
        raise Failure(message, EXIT_INTERRUPTED) from None
    return states


def _pending(states: Mapping[str, str]) -> list[str]:
    return [run_id for run_id, state in states.items() if state not in _OVER]


def _look(client: "Client", dag_id: str, run_ids: Sequence[str]) -> dict[str, str]:
    wait = _LOOK if sys.stderr.isatty() else client.longest_wait
    found = client.get_dag_run_states([(dag_id, f"{BY_RUN_ID}{run_id}") for run_id in run_ids], wait)
    return {run_id: _GONE if "code" in one else str(one["state"]) for run_id, one in zip(run_ids, found, strict=True)}


@contextmanager
def _progress() -> Iterator[Callable[[Mapping[str, str]], None]]:
    """Give a function that shows how far the runs are: on a terminal in a line that it writes again."""
    on_terminal, shown = sys.stderr.isatty(), ""

    def show(states: Mapping[str, str]) -> None:
        nonlocal shown
        line, before = _line(states), shown
        shown = line
        if on_terminal:
            click.echo(f"\r\x1b[K{line}", err=True, nl=False)
        elif line != before:
            say(line)

    try:
        yield show
    finally:
        if on_terminal:
            click.echo("\r\x1b[K", err=True, nl=False)


def _line(states: Mapping[str, str]) -> str:
    counted = Counter(states.values())
    over = sum(counted[state] for state in _OVER)
    return f"{over}/{len(states)} done, {len(states) - over} running, {over - counted[_SUCCESS]} failed"


def _report(states: Mapping[str, str]) -> None:
    """Say how the runs ended; raises Failure, and names them, if some did not succeed."""
    failed = {run_id: state for run_id, state in states.items() if state != _SUCCESS}
    if not failed:
        say(f"{count(len(states), 'run')} succeeded" if states else "there is nothing to do")
        return
    for run_id, state in [*failed.items()][:_LISTED]:
        say(f"{run_id}: {state}")
    if len(failed) > _LISTED:
        say(f"and {len(failed) - _LISTED} more")
    raise Failure(
        f"{len(failed)} of {count(len(states), 'run')} failed; `windsock clear -f` repeats what failed in them"
    )
