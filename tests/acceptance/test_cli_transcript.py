"""Every command with both clients, side by side: the same output, the same exit code, the same rows."""

import asyncio
import itertools
import json
import re
import shlex
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NamedTuple

import asyncpg
import click
import pytest

from server.standalone.postgres import EmbeddedPostgres
from tests.acceptance.cli import fill, on_database, over_http, rows, windsock
from tests.live import live_server
from windsock.cli import main

# Dates of this run of the tests: today's, to a second.
NOW = re.compile(r"20(?:2[5-9]|[3-9]\d)-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?")
FILE = "pools.json"
_counter = itertools.count(1)


class Step(NamedTuple):
    """A command, its exit code, and what its stdout (stderr, where it fails) must have."""

    line: str
    code: int
    expected: str


RUN = "-r by_hand -e 2024-05-06T07:08:09+02:00"
SCENARIOS = {
    "trigger": [
        Step(f"trigger_dag {RUN} -c '{{\"k\": 1}}' ref_setup", 0,
             "Created <DagRun ref_setup @ 2024-05-06T07:08:09+02:00: by_hand, externally triggered: True>\n"),
        Step(f"trigger_dag {RUN} ref_setup", 1, "Run id by_hand already exists for dag id ref_setup"),
        Step("trigger_dag -r other -e 2024-05-06T05:08:09Z ref_setup", 1, "is taken for dag id ref_setup by run id"),
        Step("trigger_dag ref_setup", 0, "Created <DagRun ref_setup @ <now>+00:00: manual__<now>+00:00, externally"),
        Step("trigger_dag nope", 3, "Dag id nope not found in DagModel"),
        Step("trigger_dag -c '[1' ref_setup", 1, "`conf` is not valid JSON"),
        Step("trigger_dag -c '{' ref_setup", 1, "`conf` is not valid JSON"),
        Step("trigger_dag -e junk ref_setup", 1, "Given execution date, junk, could not be identified as a date"),
        Step("trigger_dag -sd /dags --run_id r2 --exec_date 2024-01-01 ref_parent", 0, "Created <DagRun ref_parent"),
        Step("dags trigger --run-id r3 --exec-date 2024-01-02 --conf '{\"é\": \"ü\"}' -o json ref_setup", 0,
             '"run_id": "r3"'),
        Step("trigger_dag", 2, "Missing argument 'DAG_ID'"),
        Step("trigger_dag --timeout 3 ref_setup", 2, "--timeout needs --wait"),
        Step("trigger_dag --wait --timeout 0.5 -r w -e 2024-01-03 ref_setup", 6,
             "w is still running after 0.5 seconds"),
        Step("trigger_dag -r paused -e 2024-01-04 ref_echo", 0, "Created <DagRun ref_echo"),
    ],
    "runs": [
        Step("list_dag_runs ref_setup", 0, "setup_running  running  2020-01-08T00:00:00+00:00"),
        Step("list_dag_runs --state FAILED -o plain ref_setup", 0, "setup_fail  failed"),
        Step("dags list-runs -d ref_setup --no-backfill --start-date 2020-01-07 --end-date 2020-01-07 -o json", 0,
             '"setup_fail"'),
        Step("dags list-runs", 2, "Missing argument 'DAG_ID'"),
        Step("list_dag_runs nope", 3, "Dag id nope not found in DagModel"),
        Step("dag_state ref_setup 2020-01-06T01:02:03.456789", 0, "success\n"),
        Step("dags state ref_setup setup_fail", 0, "failed\n"),
        Step("dag_state ref_setup no_run", 3, "Dag ref_setup has no run with the id no_run, and no_run is not a date"),
        Step("dag_state ref_setup 2019-01-01", 3,
             "Dag Run for date 2019-01-01T00:00:00+00:00 not found in dag ref_setup"),
        Step("dag_state example_python_operator 2020-03-03", 0, "None\n"),
        Step("runs --once", 0, "setup_running  running"),
        Step("states_for_dag_run ref_setup 2020-01-07", 0, "after      upstream_failed"),
        Step("tasks states-for-dag-run ref_setup setup_1 -o json", 0, '"waits_for": []'),
        Step("task_state ref_setup after 2020-01-07", 0, "upstream_failed\n"),
        Step("tasks state ref_setup after setup_1", 0, "success\n"),
        Step("task_log ref_setup after 2020-01-07", 3, "there is no log of any try on this machine"),
        Step("tasks log --try 2 -f ref_setup after setup_1", 3, "there is no log of try 2 on this machine"),
        Step("task_state ref_setup nope 2020-01-07", 3, "Task nope not found in dag ref_setup"),
    ],
    "dags": [
        Step("list_dags", 0, "ref_unicode"),
        Step("dags list -o yaml", 0, "dag_id: ref_unicode"),
        Step("dag_details ref_setup", 0, "run_states.success"),
        Step("dags details ref_setup -o json", 0, '"run_states": {'),
        Step("next_execution nope", 3, "Dag id nope not found in DagModel"),
        Step("dags next-execution -n 101 ref_setup", 2, "101 is not in the range 1<=x<=100"),
        Step("backfill ref_setup", 2, "name the dates of the runs with -s and -e"),
        Step("dags backfill -s 2020-01-01 ref_setup", 1, "there is no run to make: The DAG has no schedule"),
        Step("list_tasks ref_setup", 0, "after\necho_conf\n"),
        Step("tasks list ref_setup -o table", 0, "BashOperator"),
        Step("list_import_errors", 0, "/dags/ref_new.yaml           3: no such key\n"),
        Step("dags list-import-errors -o json", 0, '"stacktrace": "/dags/ref_new.yaml:3: no such key"'),
        Step("list_tasks ref_new", 3,
             "Dag id ref_new not found in DagModel: its file cannot be loaded: /dags/ref_new.yaml:3: no"),
        Step("list_tasks nope", 3, "Dag id nope not found in DagModel"),
        Step("pause ref_parent", 0, "Dag: ref_parent, paused: True\n"),
        Step("dags unpause ref_parent", 0, "Dag: ref_parent, paused: False\n"),
        Step("dags pause ref_setup", 0, "Dag: ref_setup, paused: True\n"),
        Step("unpause nope", 3, "Dag id nope not found in DagModel"),
        Step("delete_dag ref_setup", 1, "-y does it without asking"),
        Step("delete_dag -y ref_setup", 0, "Removed "),
        Step("dags delete --yes ref_parent", 0, "Removed "),
        Step("delete_dag -y ref_setup", 3, "Dag id ref_setup not found"),
        Step("pause 'a/b c%ü'", 3, "Dag id a/b c%ü not found in DagModel"),
    ],
    "steering": [
        Step("clear ref_setup 2020-01-07", 1, "cannot ask whether to clear tasks of ref_setup: stdin is no"),
        Step("tasks clear --dry-run -f ref_setup setup_fail", 0,
             "echo_conf  -1         failed           setup_fail  2020-01-07T00:00:00+00:00\n"),
        Step("clear -y -f ref_setup setup_fail", 0, "setup_fail: cleared 2 task instances\n"),
        Step("tasks clear -t ^echo -d -s 2020-01-05 -e 2020-01-06T12:00 --no_confirm -o json ref_setup", 0,
             '"run_id": "setup_us"'),
        Step("clear -t nothing -y ref_setup setup_1", 3, "Dag ref_setup has no task with nothing in its id"),
        Step("clear -t [ -y ref_setup setup_1", 2, "-t: '[' is not a regular expression"),
        Step("clear -y ref_setup", 2, "name one run, or the dates of several with -s and -e"),
        Step("clear -y -s 2020-01-01 ref_setup setup_1", 2, "name one run, or the dates of several with -s and -e"),
        Step("clear -y ref_setup no_run", 3, "has no run with the id no_run, and no_run is not a date"),
        Step("clear -y ref_setup 2019-01-01", 3, "Dag Run for date 2019-01-01T00:00:00+00:00 not found"),
        Step("mark_task ref_setup after setup_1 success", 0, "after in setup_1: success; 1 task instance changed\n"),
        Step("tasks mark --map-index -1 ref_setup after 2020-01-05 failed -o plain", 0, "after    -1         success"),
        Step("tasks mark ref_setup nope setup_1 failed", 3, "nope"),
        Step("mark_run ref_setup 2020-01-05 success", 0, "setup_1: success; "),
        Step("dags mark-run ref_setup setup_1 queued", 2, "'queued' is not one of 'failed', 'success'"),
        Step("dags mark-run ref_setup setup_us failed -o yaml", 0, "task_id: after"),
        Step("stop_run ref_setup setup_running", 0, "setup_running: failed; 2 task instances changed\n"),
        Step("dags stop-run ref_setup 2020-01-08", 0, "setup_running: failed; 0 task instances changed\n"),
        Step("stop_run nope 2020-01-08", 3, "Dag id nope not found"),
        Step("delete_run ref_setup setup_us", 1, "-y does it without asking"),
        Step("delete_run -y ref_setup setup_us", 0, "Removed "),
        Step("dags delete-run --yes ref_setup 2020-01-07", 0, "Removed "),
        Step("dags delete-run --yes ref_setup 2020-01-07", 3, "not found in dag ref_setup"),
    ],
    "pools": [
        Step("pool", 0, "default_pool"),
        Step("pool -s 'my pool/é' 5 'of\tmine'", 0, "of\\tmine"),
        Step("pool -g 'my pool/é' -o json", 0, '"description": "of\\tmine"'),
        Step("pools set endless -1 'no end'", 0, "endless  -1     no end\n"),
        Step("pools get endless -o plain", 0, "pool     slots  description\nendless  -1     no end\n"),
        Step("pool -s bad many x", 1, "Bad value for `slots`: many"),
        Step("pool -s ' ' 1 x", 1, "Pool name shouldn't be empty"),
        Step("pools get ' '", 1, "Pool name shouldn't be empty"),
        Step("pool -g nope", 3, "Pool 'nope' doesn't exist"),
        Step(f"pool -e {FILE}", 0, ""),
        Step("pool -x 'my pool/é'", 0, "my pool/é"),
        Step("pools delete endless", 0, "endless"),
        Step("pool -x default_pool", 1, "default_pool cannot be deleted"),
        Step(f"pool -i {FILE}", 0, "my pool/é"),
        Step("pools export -", 0, '"my pool/é": {'),
        Step(f"pools import {FILE} -o yaml", 0, "pool: my pool/é"),
        Step("pool -i no-such-file", 1, "no-such-file: No such file or directory"),
        Step("pool -g a -x b", 2, "Only one of -g, -s, -x, -i and -e can be given"),
        Step("pools list", 0, "my pool/é"),
    ],
    "service": [Step("version", 0, "."), Step("--help", 0, "trigger_dag"), Step("nope", 2, "No such command 'nope'")],
}  # fmt: skip


@pytest.fixture
async def twins(postgres: EmbeddedPostgres, database: str) -> AsyncIterator[tuple[str, str]]:
    """Make two databases that are the same, row by row and id by id."""
    await fill(database)
    connection = await asyncpg.connect(database)
    await connection.execute(
        "INSERT INTO import_error (id, filename, stacktrace, timestamp) VALUES (1, '/dags/ref_new.yaml',"
        " '/dags/ref_new.yaml:3: no such key', '2024-01-01')"
    )
    await connection.close()
    name = f"twin_{next(_counter)}"
    connection = await asyncpg.connect(postgres.dsn)
    try:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {database.partition('?')[0].rpartition('/')[2]}")
        yield database, postgres.dsn_of(name)
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


def without_clock(tables: dict[str, list[tuple[object, ...]]]) -> dict[str, list[tuple[str, ...]]]:
    """Two commands that run side by side need not see the same second."""
    return {
        table: [tuple(NOW.sub("<now>", str(value)) for value in row) for row in found]
        for table, found in tables.items()
    }


@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_both_clients_do_the_same(
    scenario: str, twins: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After every command stdout, stderr, exit code and rows are equal, and as the transcript has them."""
    monkeypatch.chdir(tmp_path)
    ours, theirs = twins
    async with live_server(theirs) as url:
        for step in SCENARIOS[scenario]:
            words = shlex.split(step.line)
            # Each has a file of its own: neither may live from what the other wrote.
            local_words = [f"local-{word}" if word == FILE else word for word in words]
            local, remote = await asyncio.gather(
                windsock(*local_words, **on_database(ours)), windsock(*words, **over_http(f"{url}/"))
            )
            done = [[NOW.sub("<now>", text) for text in (one.out, one.err)] for one in (local, remote)]
            done[0] = [text.replace(f"local-{FILE}", FILE) for text in done[0]]
            assert done[0] == done[1], step.line
            assert (local.code, remote.code) == (step.code, step.code), (step.line, done)
            assert step.expected in done[0][1 if step.code else 0], (step.line, done)
            if step.code == 0 and step.line[:4] not in {"pool", "trig"} and "trigger" not in step.line:
                assert done[0][1] == "", step.line
            assert without_clock(await rows(ours)) == without_clock(await rows(theirs)), step.line


OTHERS = {"standalone", "webserver", "scheduler", "initdb"}  # They serve.
OTHERS |= {"create_user", "list_users", "change_password", "delete_user"}  # They use the database alone.
OTHERS |= {"add_role", "remove_role", "create_token", "list_tokens", "revoke_token"}  # Likewise.
OTHERS |= {"db backup", "db clean", "db init", "db restore", "db upgrade"}  # Likewise.
OTHERS |= {"check", "config check", "reload"}  # They use files and processes.
OTHERS |= {"whoami"}  # Its answer depends on the way.


def _paths(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[str]:
    if not isinstance(command, click.Group):
        yield " ".join(path)
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        member = command.get_command(context, name)
        assert member is not None
        yield from _paths(member, (*path, name))


def test_every_command_is_in_the_transcript() -> None:
    """None is left out but those that have one way to work, and tests of their own."""
    lines = [step.line for steps in SCENARIOS.values() for step in steps]
    missing = {path for path in _paths(main) if not any(f"{line} ".startswith(f"{path} ") for line in lines)}
    assert missing == OTHERS


async def test_a_trigger_is_written_as_it_was_asked_for(twins: tuple[str, str]) -> None:
    """Over HTTP: date, conf and run id are in the row, and a paused DAG is warned of on stderr alone."""
    async with live_server(twins[1]) as url:
        done = await windsock("trigger_dag", "-r", "r", "-e", "2024-01-01", "-c", '{"a": [1]}', "ref_echo",
                              **over_http(url))  # fmt: skip
    assert re.fullmatch(
        r"Warning: The DAG's file has import errors .*; The DAG is paused: this run starts when it is unpaused;"
        r" No scheduler of this database is alive \(the last sign of one was at .*\n",
        done.err,
    )
    (row,) = [row for row in (await rows(twins[1]))["dag_run"] if row[:2] == ("ref_echo", "r")]
    assert str(row[3]) == "2024-01-01 00:00:00+00:00"
    assert b"\x8c\x01a" in row[5] or b"a" in row[5]  # type: ignore[operator]


@pytest.mark.parametrize(("state", "code"), [("success", 0), ("failed", 1)])
async def test_waiting_ends_with_the_run(twins: tuple[str, str], state: str, code: int) -> None:
    """The exit code is the run's own, whichever client waits; stdout has nothing but what was created."""
    connection = await asyncpg.connect(twins[1])
    try:
        async with live_server(twins[1]) as url:
            waiting = asyncio.create_task(
                windsock("trigger_dag", "--wait", "-r", "w", "-o", "json", "ref_setup", **over_http(url))
            )
            while await connection.execute("UPDATE dag_run SET state = $1 WHERE run_id = 'w'", state) == "UPDATE 0":
                await asyncio.sleep(0.05)
            done = await waiting
    finally:
        await connection.close()
    assert done.code == code
    assert f"w: {state}" in done.err
    assert json.loads(done.out)[0]["run_id"] == "w"


async def test_who_is_asked(twins: tuple[str, str]) -> None:
    """Over HTTP it is the server's answer; straight on the database there are no users, and the command says so."""
    async with live_server(twins[1]) as url:
        remote = await windsock("whoami", "-o", "plain", **over_http(url))
    assert (remote.code, remote.err) == (0, "")
    assert remote.out.splitlines()[0].split() == ["user", "roles", "permission", "dags"]
    assert re.search(r"^ +Admin +can_create on DAG Runs +all$", remote.out, re.MULTILINE)
    local = await windsock("whoami", "-o", "json", **on_database(twins[0]))
    assert (local.code, json.loads(local.out)[0]["backend"]) == (0, None)
    assert local.err.startswith("This works straight on the database, where there are no users")
