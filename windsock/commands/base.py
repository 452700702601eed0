"""What all commands share: the client, one-line failures with documented exit codes, common options."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import click

from windsock.errors import ConfigError
from windsock.protocol import BY_RUN_ID, Code
from windsock.text import printable

if TYPE_CHECKING:
    from windsock.client import ApiError, Client, ClientError
    from windsock.client.results import Answer
    from windsock.config import Config

Function = TypeVar("Function", bound=Callable[..., object])

# 0 is done, 2 is wrong usage (click's own).
EXIT_FAILED = 1
EXIT_NOT_FOUND = 3
EXIT_DENIED = 4
EXIT_UNREACHABLE = 5
EXIT_TIMEOUT = 6
EXIT_INTERRUPTED = 130

_BY_STATUS = {401: EXIT_DENIED, 403: EXIT_DENIED, 404: EXIT_NOT_FOUND}
_SERVER_ERROR = 500
# The server does not have the endpoint, or refuses this beside its Airflow: that is no failure of the server.
_CANNOT = frozenset({Code.ENDPOINT_NOT_FOUND, Code.NOT_SUPPORTED})

EXIT_CODES = """\b
Exit status:
  0    done; with --wait: the run succeeded
  1    refused, or cancelled; with --wait: the run failed
  2    the command line is wrong
  3    there is no such DAG, run, task or pool
  4    the credentials are missing (401) or not enough (403)
  5    the server or database cannot be reached, or failed
  6    --wait: the run did not end within --timeout
  130  interrupted (Ctrl-C)"""


class Failure(click.ClickException):
    """One line on stderr, and the exit code."""

    def __init__(self, message: str, exit_code: int = EXIT_FAILED) -> None:
        super().__init__(message)
        # click declares it as an attribute of the class, but reads that of the instance.
        self.exit_code = exit_code  # type: ignore[misc]

    def format_message(self) -> str:
        """Return the message. Characters that control a terminal are escaped."""
        return _printable_lines(self.message)


def verbose_option(function: Function) -> Function:
    """Add `--verbose`."""
    text = "Show each request, and say more about what went wrong."
    return click.option("-v", "--verbose", is_flag=True, help=text)(function)


def subdir_option(function: Function) -> Function:
    """Accept Airflow's `-sd`, which has no effect here: DAGs come from the database."""
    return click.option("-sd", "--subdir", hidden=True, expose_value=False)(function)


def say(message: str) -> None:
    """Write a message for people to stderr. Characters that control a terminal are escaped."""
    click.echo(_printable_lines(message), err=True)


def echo(line: str) -> None:
    """Write a line of data to stdout. Characters that control a terminal are escaped: names may have them."""
    click.echo(printable(line))


def confirm(action: str, consequence: str) -> None:
    """Ask whether to go on, after saying what it means; raises Failure unless somebody is there who says yes."""
    if not sys.stdin.isatty():
        raise Failure(f"cannot ask whether to {action}: stdin is not a terminal; -y does it without asking")
    say(consequence)
    if not click.confirm("Proceed?", err=True):
        raise Failure("nothing was changed")


def _printable_lines(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))


@contextmanager
def session(*, verbose: bool) -> Iterator["Client"]:
    """Open the client that the configuration selects; raises Failure if anything goes wrong with it."""
    from windsock.client import ApiError, ClientError, Unreachable, connect  # noqa: PLC0415 - help needs none of it

    try:
        with connect(_load(verbose=verbose), trace=say if verbose else None, warn=_say_once()) as client:
            yield client
    except ConfigError as error:
        raise Failure(str(error)) from error
    except ApiError as error:
        raise Failure(_text(error, verbose=verbose), _exit_code(error)) from error
    except Unreachable as error:
        raise Failure(_text(error, verbose=verbose), EXIT_UNREACHABLE) from error
    except ClientError as error:
        # The credentials are missing, or the server did not prove its identity.
        raise Failure(_text(error, verbose=verbose), EXIT_DENIED) from error
    except KeyboardInterrupt:
        raise Failure("interrupted", EXIT_INTERRUPTED) from None


def _exit_code(error: "ApiError") -> int:
    if error.code in _CANNOT:
        return EXIT_FAILED
    return EXIT_UNREACHABLE if error.status >= _SERVER_ERROR else _BY_STATUS.get(error.status, EXIT_FAILED)


def _say_once() -> Callable[[str], None]:
    """Show each warning of the API only once, however many requests a command sends."""
    said = set[str]()

    def warn(text: str) -> None:
        if text not in said:
            said.add(text)
            say(f"Warning: {text}")

    return warn


def run_of_no_date(client: "Client", dag_id: str, named: str, error: "ApiError") -> "Answer":
    """Find a run by its id, after the API has answered that `named` is not a date; raises that `error`, or Failure."""
    if error.code != Code.INVALID_DATE:
        raise error
    runs = client.get_dag_runs(dag_id, run_id=named)
    if not runs:
        raise Failure(f"Dag {dag_id} has no run with the id {named}, and {named} is not a date", EXIT_NOT_FOUND)
    return runs[0]


def path_name(run: "Answer") -> str:
    """Return what names a run in a path: its date, or its id if it has none (Airflow 3)."""
    return run["execution_date"] or f"{BY_RUN_ID}{run['run_id']}"


def _load(*, verbose: bool) -> "Config":
    from windsock.commands.configuration import load  # noqa: PLC0415 - likewise

    config = load("client")
    if verbose:
        for warning in config.warnings:
            say(warning)
    return config


def _text(error: "ClientError", *, verbose: bool) -> str:
    return f"{error}\n  {error.detail}" if verbose and error.detail else str(error)
