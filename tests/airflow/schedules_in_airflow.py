"""Runs inside of a real Airflow's environment: which runs do its schedules make? JSON on standard input and output."""

import contextlib
import json
import sys
from datetime import datetime
from unittest import mock


def simulate(dag, moments):
    """Go through the moments as the scheduler does; return the data intervals of the runs that are made.

    `stuck` says that the next run would not be later than one that was made: the scheduler would never get past it.
    """
    from airflow.timetables import interval, trigger
    from airflow.utils import timezone

    runs, last = [], None
    for moment in moments:
        with mock.patch.object(interval, "utcnow", return_value=moment), mock.patch.object(
            trigger, "utcnow", return_value=moment
        ):
            while True:
                info = dag.next_dagrun_info(last)
                if info is None or info.run_after > moment:
                    break
                if last is not None and info.data_interval.start <= last.start:
                    return {"runs": runs, "stuck": True}
                last = info.data_interval
                runs.append([timezone.convert_to_utc(one).isoformat() for one in (last.start, last.end)])
    return {"runs": runs, "stuck": False}


def main(given):
    """Make the DAGs of the file, and go through the moments with each."""
    import dagfactory
    from airflow.utils import timezone

    found = {}
    dagfactory.load_yaml_dags(globals_dict=found, config_filepath=given["file"])
    moments = [timezone.coerce_datetime(datetime.fromisoformat(text)) for text in given["moments"]]
    # What catches up makes the same runs whenever one looks.
    looks = {True: moments[-1:], False: moments}
    return {dag_id: simulate(found[dag_id], looks[found[dag_id].catchup]) for dag_id in given["dag_ids"]}


if __name__ == "__main__":
    question = json.load(sys.stdin)
    with contextlib.redirect_stdout(sys.stderr):
        answer = main(question)
    sys.stdout.write("\n" + json.dumps(answer))
