"""DAG runs: `trigger_dag`, `list_dag_runs`, `dag_state`."""

import click

from windsock.commands.base import echo, run_of_no_date, session, subdir_option, verbose_option
from windsock.commands.tables import optional_output_option, output_option, show
from windsock.commands.wait import wait_for

_COLUMNS = ("run_id", "state", "execution_date", "start_date", "id")
_BACKFILL = "backfill_"


@click.command("trigger_dag")
@click.argument("dag_id")
@click.option("-c", "--conf", metavar="JSON", help="What the tasks see as dag_run.conf: a JSON object.")
@click.option("-r", "--run_id", "--run-id", help="Id of the run.  [default: manual__<execution date>]")
@click.option("-e", "--exec_date", "--exec-date", metavar="DATE", help="Execution date of the run.  [default: now]")
@click.option(
    "--replace-microseconds/--no-replace-microseconds",
    default=None,
    help="Cut the date to the second (an error if a run has that date), or keep its microseconds.",
)
@click.option("--wait", is_flag=True, help="Wait until the run has ended.")
@click.option("--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="With --wait: wait at most this long.")
@optional_output_option
@subdir_option
@verbose_option
def trigger_dag(
    dag_id: str,
    conf: str | None,
    run_id: str | None,
    exec_date: str | None,
    *,
    replace_microseconds: bool | None,
    wait: bool,
    timeout: float | None,
    output: str | None,
    verbose: bool,
) -> None:
    """Trigger a run of a DAG.

    The command prints the run that was created; with -o and --wait, only once the run has ended. With --run_id it tries
    again if the connection is lost: the run is created only once. If the run fails, --wait shows which tasks failed,
    and the last lines of their logs.
    """
    if timeout is not None and not wait:
        raise click.UsageError("--timeout needs --wait")
    with session(verbose=verbose) as client:
        run = client.trigger_dag(dag_id, run_id, conf, exec_date, replace_microseconds=replace_microseconds)
        if output is None:
            echo(str(run["message"]))
        row = {"dag_id": dag_id, **run}
        try:
            if wait:
                date = run["execution_date"]
                wait_for(client, dag_id, run["run_id"], date, timeout, lambda state: row.update(state=state))
        finally:
            # It shows the last state that was seen, however the waiting ended.
            if output is not None:
                show([row], ("dag_id", "run_id", "execution_date", *(["state"] if wait else [])), output)


@click.command("list_dag_runs")
@click.argument("dag_id", required=False)
@click.option("-d", "--dag-id", "dag_option", metavar="DAG_ID", help="The DAG, as Airflow 2 spells it.")
@click.option("--state", help="Only runs in this state, such as running, success or failed.")
@click.option("--no_backfill", "--no-backfill", is_flag=True, help="Leave out the runs of backfills.")
@click.option("-s", "--start-date", metavar="DATE", help="Only runs with this execution date or a later one.")
@click.option("-e", "--end-date", metavar="DATE", help="Only runs with this execution date or an earlier one.")
@output_option
@subdir_option
@verbose_option
def list_dag_runs(
    dag_id: str | None,
    dag_option: str | None,
    *,
    state: str | None,
    no_backfill: bool,
    start_date: str | None,
    end_date: str | None,
    output: str,
    verbose: bool,
) -> None:
    """List the runs of a DAG.

    The newest execution date comes first.
    """
    dag_id = dag_id or dag_option
    if dag_id is None:
        raise click.UsageError("Missing argument 'DAG_ID'.")
    with session(verbose=verbose) as client:
        runs = client.get_dag_runs(
            dag_id, state, execution_date_gte=start_date, execution_date_lte=end_date, descending=True
        )
    kept = [run for run in runs if not (no_backfill and str(run["run_id"]).startswith(_BACKFILL))]
    show(kept, _COLUMNS, output)


@click.command("dag_state")
@click.argument("dag_id")
@click.argument("execution_date")
@subdir_option
@verbose_option
def dag_state(dag_id: str, execution_date: str, *, verbose: bool) -> None:
    """Print the state of a run of a DAG.

    Name the run by its execution date or by its run id.
    """
    with session(verbose=verbose) as client:
        try:
            state = client.get_dag_run_state(dag_id, execution_date)
        except client.error as error:
            state = run_of_no_date(client, dag_id, execution_date, error)["state"]
        echo(str(state))
