"""Structured log lines on stderr: JSON for machines, plain lines on a terminal.

Modules log with `structlog.get_logger()`. Records of `logging`, from us or from libraries, come out in the same form.
Each line has the id of the request that it is about.
"""

import json
import logging
import math
import os
import sys
import traceback
from collections.abc import Iterator
from contextvars import ContextVar

import msgspec
import structlog
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

# Our own variable: structlog's binding takes three times as long, on every request.
REQUEST_ID: ContextVar[str] = ContextVar("REQUEST_ID")

ACCESS = "server.access"
"""The logger of requests: on a terminal each of them is one short line."""

_encode = msgspec.json.Encoder(enc_hook=repr).encode


class _Stderr:
    """Writes lines to the current stderr; if a log line cannot be written, requests go on."""

    def __init__(self, name: str = "server") -> None:
        self.name = name

    def msg(self, line: str) -> None:
        try:
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()
        except (OSError, ValueError):
            return

    debug = info = warning = error = critical = msg


class _Handler(logging.Handler):
    """Sends records of `logging` to the same place."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            _Stderr().msg(self.format(record))
        except (TypeError, ValueError):
            # The arguments do not fit the message: log only the message, because arguments may be secret.
            record.args = None
            _Stderr().msg(self.format(record))


def setup_logs(level: str = "INFO", log_format: str = "auto") -> None:
    """Log everything from `level` on, as `json` or for the `console`; `auto` asks whether stderr is a terminal."""
    terminal = sys.stderr.isatty()
    console = log_format == "console" or (log_format == "auto" and terminal)
    stamp = structlog.processors.TimeStamper(fmt="%H:%M:%S" if console else "iso", utc=not console)
    shared: list[Processor] = [_add_request_id, structlog.stdlib.add_logger_name]
    shared += [_add_level, stamp]
    ends = _console(colors=terminal and not os.environ.get("NO_COLOR")) if console else [_exceptions, _json]
    number = logging.getLevelNamesMapping()[level]
    structlog.configure(
        processors=[*shared, *ends],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=_Stderr,
        # A cached logger would ignore a second set-up; the cache would save only a microsecond a line.
        cache_logger_on_first_use=False,
    )
    _setup_logging(number, shared, ends)


def _setup_logging(number: int, shared: list[Processor], ends: list[Processor]) -> None:
    handler = _Handler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ends],
        )
    )
    root = logging.getLogger()
    root.handlers = [*(other for other in root.handlers if not isinstance(other, _Handler)), handler]
    root.setLevel(number)
    # asyncpg's pool logs a traceback each time for a lost database; `server.database.database` logs one line.
    logging.getLogger("asyncpg").setLevel(max(number, logging.ERROR))


def _console(*, colors: bool) -> list[Processor]:
    render = structlog.dev.ConsoleRenderer(colors=colors)

    def line(logger: WrappedLogger, method: str, event: EventDict) -> str:
        if event.get("logger") == ACCESS:
            return _request_line(event)
        return str(render(logger, method, event))

    return [_exceptions, _printable, line]


def _request_line(event: EventDict) -> str:
    """Write a request on one line: time, status, method, path, duration, user, address, and the error if it failed."""
    parts = [
        event["timestamp"], event["status"], event["method"], event["path"], f"{event['duration_ms']:.1f} ms",
        event["user"], event["remote"],
    ]  # fmt: skip
    error = event.get("error")
    return " ".join(str(part) for part in parts if part is not None) + ("" if error is None else f": {error}")


def _add_request_id(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    request_id = REQUEST_ID.get(None)
    if request_id is not None:
        event.setdefault("request_id", request_id)
    return event


def _add_level(_logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    event["level"] = "error" if method == "exception" else method
    return event


def _printable(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Escape control characters for a terminal; values may come from clients."""
    for key, value in event.items():
        if key not in {"exception", "stack"} and isinstance(value, str) and not value.isprintable():
            event[key] = repr(value)
    return event


def _json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    try:
        return _encode(event).decode()
    except (TypeError, ValueError, RecursionError):
        # Escapes can write what UTF-8 cannot, such as lone surrogates.
        return json.dumps({str(key): _plain(value) for key, value in event.items()})


def _plain(value: object) -> object:
    finite = isinstance(value, float) and math.isfinite(value)
    return value if finite or isinstance(value, str | int | None) else repr(value)


def _format_exception(exc_info: ExcInfo) -> str:
    """Format a traceback without local variables and without the rows that Postgres quotes in its details."""
    text = "".join(traceback.format_exception(exc_info[1])).rstrip("\n")
    for error in _chain(exc_info[1]):
        detail = getattr(error, "detail", None)
        if isinstance(detail, str) and detail:
            text = text.replace(detail, "(not logged)")
    return text


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


# structlog's default prints local variables on a terminal, and these may hold secrets.
_exceptions: Processor = structlog.processors.ExceptionRenderer(_format_exception)
