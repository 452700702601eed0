"""One form of log line for everything, on stderr, without secrets."""

import io
import json
import logging
import sys
from typing import Any

import asyncpg
import pytest
import structlog

from server.logs import REQUEST_ID, setup_logs


class Terminal(io.StringIO):
    """A stderr that somebody watches."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def setup_logs_alone() -> None:
    """Set up without pytest's own handlers, which format the records too."""
    logging.getLogger().handlers = []
    setup_logs()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return the log lines so far; stdout must have stayed empty."""
    out, err = capsys.readouterr()
    assert out == ""
    return [json.loads(line, parse_constant=pytest.fail) for line in err.splitlines()]


def test_json_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    """A line is one JSON object with event, level, time (UTC), logger and what was given."""
    setup_logs()
    structlog.get_logger("server.access").info("request", status=200, user=None)
    (line,) = lines(capsys)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "request", "level": "info", "logger": "server.access", "status": 200, "user": None}


def test_console_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal lines are for people; NO_COLOR is obeyed."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("NO_COLOR", "1")
    setup_logs()
    structlog.get_logger("x").info("hello", a=1)
    assert "[info     ] hello" in terminal.getvalue()
    assert "a=1" in terminal.getvalue()
    assert "\x1b" not in terminal.getvalue()
    monkeypatch.delenv("NO_COLOR")
    setup_logs()
    structlog.get_logger("x").info("hello")
    assert "\x1b[" in terminal.getvalue()


def test_form_can_be_chosen(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`json` and `console` hold wherever stderr goes."""
    setup_logs(log_format="console")
    structlog.get_logger("x").info("hello")
    assert "[info     ] hello" in capsys.readouterr().err
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    setup_logs(log_format="json")
    structlog.get_logger("x").info("hello")
    assert json.loads(terminal.getvalue())["event"] == "hello"


def test_console_shows_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    """Control characters from outside do not reach a terminal."""
    setup_logs(log_format="console")
    structlog.get_logger("x").info("hello\nforged line", agent="\x1b]0;title\x07")
    logging.getLogger("y").info("hi %s", "\x1b[2J")
    err = capsys.readouterr().err
    assert "\x1b" not in err
    assert len(err.splitlines()) == 2


def test_lines_of_libraries_have_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    """What goes to `logging` comes out alike, with its extra fields."""
    setup_logs_alone()
    logging.getLogger("asyncio").warning("slow %s", "callback", extra={"seconds": 1.5})
    (line,) = lines(capsys)
    assert line.pop("timestamp")
    assert line == {"event": "slow callback", "level": "warning", "logger": "asyncio", "seconds": 1.5}


def test_request_id_is_on_each_line(capsys: pytest.CaptureFixture[str]) -> None:
    """What the middleware sets is on our lines and on those of libraries."""
    setup_logs()
    token = REQUEST_ID.set("r-1")
    structlog.get_logger("x").info("one")
    logging.getLogger("y").info("two")
    REQUEST_ID.reset(token)
    structlog.get_logger("x").info("three")
    assert [line.get("request_id") for line in lines(capsys)] == ["r-1", "r-1", None]


def test_level(capsys: pytest.CaptureFixture[str]) -> None:
    """What is below the level is not logged, and a second set-up changes the level of loggers in use."""
    log = structlog.get_logger("x")
    setup_logs("WARNING")
    for _ in range(2):
        log.info("no")
        logging.getLogger("y").info("no")
        log.warning("yes")
        logging.getLogger("y").warning("yes")
    setup_logs("DEBUG")
    log.debug("now")
    logging.getLogger("y").debug("now")
    assert [line["event"] for line in lines(capsys)] == ["yes"] * 4 + ["now"] * 2


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_tracebacks_show_no_variables(capsys: pytest.CaptureFixture[str], log_format: str) -> None:
    """A traceback is there, with its cause, and the values of local variables are not."""
    setup_logs(log_format=log_format)

    def fail() -> None:
        password = bytes.fromhex("68696464656e").decode()
        try:
            int(password[:0])
        except ValueError as error:
            raise RuntimeError("outer") from error

    for log in (structlog.get_logger("x"), logging.getLogger("y")):
        try:
            fail()
        except RuntimeError:
            log.exception("unexpected")
    err = capsys.readouterr().err
    assert err.count("RuntimeError: outer") == 2
    assert err.count("ValueError: invalid literal") == 2
    assert "hidden" not in err
    if log_format == "json":
        first, second = (json.loads(line) for line in err.splitlines())
        assert first["exception"].startswith("Traceback") is True
        assert second["level"] == first["level"] == "error"


def test_rows_in_the_details_of_postgres_are_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    """Postgres quotes the failing row, conf included; the traceback does without, in causes too."""
    setup_logs()
    error = asyncpg.NotNullViolationError("null value in column")
    error.detail = "Failing row contains (hidden)."
    try:
        try:
            raise error
        except asyncpg.PostgresError as caught:
            raise RuntimeError("outer") from caught
    except RuntimeError:
        structlog.get_logger("x").exception("unexpected")
    (line,) = lines(capsys)
    assert "null value in column" in line["exception"]
    assert "hidden" not in line["exception"]


def test_every_value_can_be_logged(capsys: pytest.CaptureFixture[str]) -> None:
    """Lone surrogates, NaN, objects and bytes are written as JSON, one line each."""
    setup_logs()
    log = structlog.get_logger("x")
    log.info("a", text="\ud800", number=float("nan"), thing=object, deep=[1])
    log.info("b\nc", number=float("inf"), thing=object)
    first, second = lines(capsys)
    assert first["text"] == "\ud800"
    assert first["number"] == "nan"
    assert (second["event"], second["number"]) == ("b\nc", None)


def test_message_that_does_not_fit_its_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    """A library's mistake is a line without its arguments, and no traceback."""
    setup_logs_alone()
    message = "%s %s"
    logging.getLogger("y").warning(message, "hidden")
    (line,) = lines(capsys)
    assert line["event"] == "%s %s"


@pytest.mark.parametrize("error", [BrokenPipeError, OSError, ValueError])
def test_stderr_that_fails_stops_nothing(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    """A full disk or a closed pipe below stderr is no reason for a request to fail."""

    class Broken(io.StringIO):
        def write(self, _text: str) -> int:
            raise error

    monkeypatch.setattr(sys, "stderr", Broken())
    setup_logs()
    structlog.get_logger("x").info("hello")
    logging.getLogger("y").warning("hello")


def test_second_setup_does_not_double_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Setting up again replaces what was set up, and keeps the handlers of others."""
    other = logging.NullHandler()
    logging.getLogger().addHandler(other)
    setup_logs()
    setup_logs()
    logging.getLogger("y").warning("once")
    assert len(lines(capsys)) == 1
    assert other in logging.getLogger().handlers
