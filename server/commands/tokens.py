"""`windsock create_token` and the other commands for bearer tokens of `token_auth`.

They work on the table of a standalone database, or on the file that `[windsock] tokens_file` names.
"""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import click

from server.commands.roles import known_role, permissions_of
from server.commands.service import one_line_errors
from windsock.commands.base import Failure, say
from windsock.commands.tables import output_option, show

if TYPE_CHECKING:
    from server.auth.tokens import TokenStore
    from server.database.metadata import Metadata
    from windsock.config import Config

Result = TypeVar("Result")

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}
_LONGEST_LIFE = timedelta(days=3660)
_LONGEST_ID, _MOST_IDS = 250, 1000
_name = click.option("--name", required=True, help="The token's name.")


@click.command("create_token")
@_name
@click.option("-r", "--role", required=True, help="The role that it has, such as Viewer, User, Op or Admin.")
@click.option("--dags", multiple=True, metavar="ID,...", help="Only for these DAGs: ids, and patterns with *. May be "
              "repeated.  [default: all]")  # fmt: skip
@click.option("--expires", metavar="TIME", help="90d, 12h, 8w, or a date (UTC).  [default: never]")
def create_token(name: str, role: str, dags: tuple[str, ...], expires: str | None) -> None:
    """Create a bearer token for a program.

    It prints the token once, on stdout. Nobody can see it again, because only a digest of it is stored.
    """
    from server.auth import tokens  # noqa: PLC0415 - help needs none of it
    from server.database.tokens import Token  # noqa: PLC0415 - likewise

    if not re.fullmatch(tokens.NAME, name):
        raise Failure("A token's name has 1 to 100 letters, digits and . _ -, and begins with a letter or digit")
    now = datetime.now(UTC).replace(microsecond=0)
    limited, until = _ids(dags), None if expires is None else _moment(expires, now)
    text = tokens.make()

    async def create(places: _Places) -> str:
        name_of_role = await _known(role, places)
        await places.store.create(Token(name, tokens.digest(text), name_of_role, limited, now, until))
        return name_of_role

    given = _with_places(create, needs_database=True)
    what = "all DAGs" if limited is None else ", ".join(limited)
    say(f"Token {name} created: {given} for {what}; {_shown_end(until)}. It is shown only now")
    click.echo(text)


@click.command("list_tokens")
@output_option
def list_tokens(output: str) -> None:
    """List the tokens."""
    found = _with_places(lambda places: places.store.all())
    columns = ("name", "role", "dags", "expires", "last_used", "created")
    rows = [
        {
            "name": token.name,
            "role": token.role,
            "dags": None if token.dags is None else ",".join(token.dags),
            "created": _shown(token.created),
            "expires": _shown(token.expires),
            "last_used": _shown(token.last_used),
        }
        for token in found
    ]
    show(rows, columns, output)


@click.command("revoke_token")
@_name
def revoke_token(name: str) -> None:
    """Remove a token.

    The service refuses it, and its sessions, within user_check_seconds (10).
    """
    _with_places(lambda places: places.store.revoke(name))
    click.echo(f"Token {name} revoked")


class _Places(NamedTuple):
    """Where tokens and roles are."""

    config: "Config"
    store: "TokenStore"
    metadata: "Metadata | None"


def _with_places(work: Callable[[_Places], Awaitable[Result]], *, needs_database: bool = False) -> Result:
    """Do `work`. A token in a file can be revoked without the database."""
    with one_line_errors():
        import asyncio  # noqa: PLC0415 - help needs none of it

        from server.auth.token_file import TokenFile  # noqa: PLC0415 - likewise
        from server.database.metadata import open_metadata  # noqa: PLC0415 - likewise
        from windsock.commands.configuration import load  # noqa: PLC0415 - likewise

        config = load("optional")
        file = None if config.tokens_file is None else TokenFile(config.tokens_file)

        async def run() -> Result:
            if file is not None and not (needs_database and config.dsn):
                return await work(_Places(config, file, None))
            async with open_metadata(config if config.dsn else load()) as metadata:
                if file is None:
                    metadata.tokens.require_table()
                return await work(_Places(config, file or metadata.tokens, metadata))

        return asyncio.run(run())


async def _known(role: str, places: _Places) -> str:
    """Return the name of a role as it is defined where the service will look for it; raises Failure."""
    from server.auth.airflow_source import AirflowRoles  # noqa: PLC0415 - likewise

    how, metadata = places.config.authorization, places.metadata
    if metadata is not None and (how == "airflow" or (how == "auto" and metadata.roles.exists)):
        if await AirflowRoles(metadata, 0).role(role) is None:
            raise Failure(f"There is no role {role} in this Airflow")
        return role
    return known_role(role, permissions_of(places.config))


def _ids(texts: tuple[str, ...]) -> list[str] | None:
    ids = [name for text in texts for name in re.split(r"[\s,]+", text) if name]
    if not texts:
        return None
    if not ids or len(ids) > _MOST_IDS or any(not name.isprintable() or len(name) > _LONGEST_ID for name in ids):
        raise Failure(
            f"--dags: expected at most {_MOST_IDS} ids and patterns of up to {_LONGEST_ID} characters, such as"
            " 'etl_*,nightly'"
        )
    return list(dict.fromkeys(ids))


def _moment(text: str, now: datetime) -> datetime | None:
    """Read when a token expires; raises Failure."""
    if text == "never":
        return None
    if match := re.fullmatch(r"([0-9]{1,5})([hdw])", text):
        moment = now + timedelta(**{_UNITS[match[2]]: int(match[1])})
    else:
        try:
            moment = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
        except ValueError:
            raise Failure(
                "--expires: expected a time such as 90d, 12h or 8w, a date such as 2030-01-31, or never"
            ) from None
    if not now < moment <= now + _LONGEST_LIFE:
        raise Failure("--expires: expected a time in the future, and at most ten years away; `never` has no end")
    return moment


def _shown_end(until: datetime | None) -> str:
    return "it never expires" if until is None else f"it expires on {until:%Y-%m-%d at %H:%M} UTC"


def _shown(moment: date | None) -> str | None:
    """Return a date, or a time in UTC to the second."""
    if isinstance(moment, datetime):
        return moment.astimezone(UTC).isoformat(timespec="seconds")
    return None if moment is None else moment.isoformat()
