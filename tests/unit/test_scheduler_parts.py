"""Logs, agenda, templates and what templates know."""

import asyncio
import signal
import subprocess
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from server.process.spawn import ChildProcess, spawn
from server.standalone.scheduler.agenda import Agenda
from server.standalone.scheduler.names import MACROS, pull
from server.standalone.scheduler.process_groups import clear_group, kill_left
from server.standalone.scheduler.run_http import decode_body, form_of, timeout_of
from server.standalone.scheduler.task_outcomes import TaskFailed
from server.standalone.scheduler.templates import may_pull, mentions, render_fields, templates_of
from server.task_logs.reading import open_log_of
from server.task_logs.writing import LineTooLongError, NoLogError, log_folder, open_log
from tests.until import until

DATE = datetime(2024, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))


def test_logs_lie_where_airflow_has_them(tmp_path: Path) -> None:
    """By DAG, task, date in UTC and try; the last try is found by number, not by name."""
    folder = log_folder(tmp_path, "d", "t", DATE)
    assert folder == tmp_path / "d" / "t" / "2024-01-01T00:00:00+00:00"
    for number in (2, 10):
        with open_log(folder, number) as log:
            log.say("hello")
    (folder / "x.log").touch()
    for asked, number in ((None, 10), (2, 2)):
        with closing(open_log_of(folder, asked)) as found:
            assert found.try_number == number
            assert found.read(0, 100) == (folder / f"{number}.log").read_bytes()
    for missing in (3, 0, -1):
        with pytest.raises(NoLogError):
            open_log_of(folder, missing)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc", "../x", "a\0", "\u017c" * 200])
def test_no_id_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    """Whatever an id in the database is, it names a folder right here, or none."""
    with pytest.raises(NoLogError):
        log_folder(tmp_path, name, "t", DATE)
    with pytest.raises(NoLogError):
        log_folder(tmp_path, "d", name, DATE)


@pytest.mark.parametrize("size", [2**16, 3])
@pytest.mark.parametrize(
    ("output", "line"),
    [
        (b"", ""), (b"a\nb\n", "b"), (b"a\n \n", ""), (b"\xff", "\\xff"), (b"a\x0bb\xe2\x80\xa8c \n", "a\x0bb\u2028c"),
        (b"x" * 70_000 + b"\n", "x" * 70_000), (b"-" * 2**18 + b"\n" + b"x" * 100_000, "x" * 100_000),
    ],
)  # fmt: skip
def test_the_last_line(tmp_path: Path, output: bytes, line: str, size: int) -> None:
    """It is the task's own, never the scheduler's."""
    with open_log(tmp_path, 1) as log:
        log.say("before")
        for start in range(0, len(output), size):
            log.add(output[start : start + size])
        log.say("after")
        assert log.last_line("utf-8") == line
    assert output in (tmp_path / "1.log").read_bytes()


def test_lines_of_the_scheduler_are_lines_of_their_own(tmp_path: Path) -> None:
    """Whatever the task wrote before them."""
    with open_log(tmp_path, 1) as log:
        log.add(b"no newline")
        log.say("Succeeded")
    lines = (tmp_path / "1.log").read_text().splitlines()
    assert lines[0] == "no newline"
    assert lines[1].endswith("UTC] Succeeded")


def test_a_last_line_that_is_too_long(tmp_path: Path) -> None:
    """It is not cut in silence."""
    with open_log(tmp_path, 1) as log:
        for _ in range(17):
            log.add(b"x" * 2**16)
        with pytest.raises(LineTooLongError, match="over 1048576 bytes"):
            log.last_line("utf-8")


def test_the_agenda_keeps_order_and_time() -> None:
    """First come, first looked at; each once; what is due later comes later."""
    agenda = Agenda()
    agenda.add([3, 1, 3, 2])
    agenda.add_later(9, 60)
    agenda.add_later(8, -1)
    assert agenda.wait(5) == 0
    assert agenda.take(3) == [3, 1, 2]
    assert agenda.take(3) == [8]
    assert agenda.take(3) == []
    assert 4 < agenda.wait(5) <= 5
    assert 59 < agenda.wait(99) <= 60


def test_a_run_that_rests() -> None:
    """It is looked at once when its rest is over, however often it was asked for."""
    agenda = Agenda()
    agenda.rest(1, 60)
    agenda.add([1, 1, 2])
    assert agenda.take(9) == [2]
    assert 59 < agenda.wait(99) <= 60
    agenda.rest(5, -1)
    agenda.add([5])
    assert agenda.take(9) == [5]


def test_templates(tmp_path: Path) -> None:
    """Only templated fields are rendered, as deep as they go; a file's name stands for its text."""
    (tmp_path / "run.sh").write_text("echo {{ x }}\n")
    templates = {"env": {"A": "{{ x }}", "B": ["{{ x + 1 }}", 5]}, "bash_command": "run.sh"}
    fields = {**templates, "other": "{{ x }}", "plain": "text.sh"}
    found = templates_of(fields, ("env", "bash_command", "plain", "absent"))
    assert found.fields == templates
    rendered = render_fields(found, {"x": 1}, str(tmp_path))
    assert rendered == {"env": {"A": "1", "B": ["2", 5]}, "bash_command": "echo 1\n"}


@pytest.mark.parametrize(
    "text",
    ["{{ ''.__class__.__mro__[1].__subclasses__() }}", "{{ x.y.z }}", "{% if %}", "{{ 1 / 0 }}", "{{ [] + 1 }}"],
)
def test_templates_that_fail(tmp_path: Path, text: str) -> None:
    """Whatever a template does wrong, or should not do, fails its task and names the field."""
    with pytest.raises(TaskFailed, match="the template in `f`"):
        render_fields(templates_of({"f": text}, ("f",)), {"x": 1}, str(tmp_path))


def test_a_template_file_is_beside_the_dag(tmp_path: Path) -> None:
    """No name leads out of the folder."""
    (tmp_path / "x.sh").touch()
    (tmp_path / "in").mkdir()
    with pytest.raises(TaskFailed):
        render_fields(templates_of({"bash_command": "../x.sh"}, ("bash_command",)), {}, str(tmp_path / "in"))


def test_template_files_of_a_function(tmp_path: Path) -> None:
    """Whatever ends in one of its `templates_exts`, however deep."""
    (tmp_path / "q.sql").write_text("select {{ x }}")
    fields = {"templates_exts": [".sql"], "op_kwargs": {"a": ["q.sql", "q.txt"]}, "templates_dict": {"b": "q.sql"}}
    found = templates_of(fields, ("op_args", "op_kwargs", "templates_dict"))
    rendered = render_fields(found, {"x": 1}, str(tmp_path))
    assert rendered == {"op_kwargs": {"a": ["select 1", "q.txt"]}, "templates_dict": {"b": "select 1"}}


@pytest.mark.parametrize(
    ("command", "may"),
    [
        ("echo {{ ds }}", False),
        ("{{ ti.xcom_pull('a') }}", True),
        ("{% include 'x' %}", True),
        ("x.sh", True),
        ("x", False),
    ],
)
def test_what_may_pull(command: str, may: bool) -> None:  # noqa: FBT001 - of a table
    """Whatever asks for it in its own words, or in those of a file that is read later."""
    assert may_pull(templates_of({"bash_command": command}, ("bash_command",))) == may


def test_pulling() -> None:
    """One task's value, a list of several, or the last one."""
    xcoms = {("a", "return_value"): 1, ("b", "return_value"): 2, ("b", "k"): 3}
    assert pull(xcoms, "a", "return_value") == 1
    assert pull(xcoms, ["b", "c"], "return_value") == [2, None]
    assert pull(xcoms, None, "return_value") == 2
    assert pull(xcoms, "a", "k") is None


def test_words_are_found_anywhere() -> None:
    """In texts at any depth, not in keys."""
    assert mentions({"a": [{"b": "x xcom_pull y"}]}, "xcom_pull")
    assert not mentions({"xcom_pull": [1, None]}, "xcom_pull")


def test_macros() -> None:
    """Dates as texts."""
    assert MACROS.ds_add("2024-02-28", 2) == "2024-03-01"
    assert MACROS.ds_format("2024-02-28", "%Y-%m-%d", "%d.%m.%y") == "28.02.24"
    assert MACROS.datetime_diff_for_humans(DATE, DATE + timedelta(days=3)) == "3 days before"
    month = MACROS.dateutil.relativedelta.relativedelta(months=1)
    assert MACROS.dateutil.parser.parse("2024-01-31") + month == datetime(2024, 2, 29)  # noqa: DTZ001


def test_timeouts() -> None:
    """Seconds or a pair of them, as in requests; anything else is told."""
    assert (timeout_of([3, 5]).sock_connect, timeout_of([3, 5]).sock_read, timeout_of(2).sock_read) == (3, 5, 2)
    assert (timeout_of(None).total, timeout_of(0).total) == (60, 60)
    for odd in ("soon", [1], {"a": 1}):
        with pytest.raises(TaskFailed, match="`timeout` in `extra_options`"):
            timeout_of(odd)


def test_forms() -> None:
    """A list has a pair for each of its items, as requests does it."""
    assert form_of({"a": [1, 2], "b": "x"}) == [("a", "1"), ("a", "2"), ("b", "x")]
    assert form_of('{"a": 1}') == '{"a": 1}'


def test_encodings() -> None:
    """What a server says of its answer's encoding holds up nobody, whatever it says."""
    assert decode_body("grüße".encode("latin-1"), "latin-1") == "grüße"
    for name in ("punycode", "idna", "undefined", "unicode_escape", "rot13", "base64", "nonsense", "\0", "utf_8"):
        assert decode_body("grüße".encode() * 2**16, name) == "grüße" * 2**16


async def test_what_is_left_of_a_try_is_found_and_killed(tmp_path: Path) -> None:
    """By the mark in its environment, with its whole group, or by the session of a process that is gone; none else."""
    with (tmp_path / "out").open("wb") as out:

        def start(command: str, mark: str) -> ChildProcess:
            env = {"PATH": "/usr/bin:/bin", "WINDSOCK_TRY": mark}
            return spawn(["bash", "-c", command], stdout=out.fileno(), env=env, cwd=tmp_path)

        marked = start("sleep 77 & wait", "m/1")
        other = start("sleep 77 & wait", "m/2")
        cleared = start(f"env -i /bin/bash -c 'while sleep 0.05; do :; done # {tmp_path}' & wait", "m/3")
    await until(lambda: _runs(tmp_path))
    cleared.send_signal(signal.SIGKILL)
    await cleared.wait()
    assert _runs(tmp_path)
    waiting = asyncio.create_task(marked.wait())
    await asyncio.to_thread(kill_left, ["m/1", "m/3"], [other.pid])
    assert _runs(tmp_path)
    await asyncio.to_thread(kill_left, [], [cleared.pid, other.pid])
    assert not _runs(tmp_path)
    assert await waiting == -9
    assert other.returncode is None
    await clear_group(other.pid)
    assert await other.wait() == -9


def _runs(words: object) -> bool:
    return subprocess.run(["pgrep", "-f", f"done # {words}"], capture_output=True, check=False).returncode == 0


def test_dates_of_logs_are_utc() -> None:
    """Whatever zone the date came in."""
    assert log_folder(Path("/x"), "d", "t", DATE.astimezone(UTC)) == log_folder(Path("/x"), "d", "t", DATE)
