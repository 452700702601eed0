"""`windsock create_user` and the other commands for users, who may authenticate with a password.

Their names and options are those of Airflow 1.10. They work straight on the database.
"""

import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import click

from server.commands.service import one_line_errors
from windsock.commands.base import Failure
from windsock.commands.tables import output_option, show

if TYPE_CHECKING:
    from server.database.users import Users

Result = TypeVar("Result")

_ROLE = "Admin"
_LONGEST = 250
_LONGEST_EMAIL = 500
_username = click.option("-u", "--username", required=True, help="The user's name.")
_password = click.option(
    "-p", "--password", help="The password. Other users of this machine can see it.  [default: ask, or read stdin]"
)
_random = click.option("--use_random_password", is_flag=True, help="Make up a password and print it.")


@click.command("create_user")
@_username
@click.option("-e", "--email", help="The user's e-mail address.")
@click.option("-r", "--role", help=f"Only {_ROLE}: whoever authenticates may do everything.")
@click.option("-f", "--firstname", help="Accepted because Airflow has it, but ignored.")
@click.option("-l", "--lastname", help="Likewise.")
@_password
@_random
def create_user(username: str, email: str | None, role: str | None, password: str | None, **others: object) -> None:
    """Create a user for password_auth.

    The user may do everything.
    """
    if role is not None and role.lower() != _ROLE.lower():
        raise Failure(
            f"There are no roles: every user may do everything. Leave --role out, or say {_ROLE}, to create a user"
        )
    if not username or ":" in username or len(username) > _LONGEST:
        raise Failure(f"A user name has 1 to {_LONGEST} characters and no colon")
    if not f"{username}{email or ''}".isprintable() or len(email or "") > _LONGEST_EMAIL:
        raise Failure(
            f"A user name and an e-mail address (at most {_LONGEST_EMAIL} characters) may only have printable ones"
        )
    chosen, hashed = _choose(password, made_up=bool(others["use_random_password"]))
    _with_users(lambda users: users.create(username, email, hashed))
    click.echo(f"User {username} created")
    _tell(chosen, made_up=bool(others["use_random_password"]))


@click.command("change_password")
@_username
@_password
@_random
def change_password(username: str, password: str | None, *, use_random_password: bool) -> None:
    """Give a user another password. This ends all sessions of the user."""
    chosen, hashed = _choose(password, made_up=use_random_password)
    _with_users(lambda users: users.change_password(username, hashed))
    click.echo(f"Password of {username} changed")
    _tell(chosen, made_up=use_random_password)


@click.command("delete_user")
@_username
def delete_user(username: str) -> None:
    """Delete a user."""
    _with_users(lambda users: users.delete(username))
    click.echo(f"User {username} deleted")


@click.command("list_users")
@output_option
def list_users(output: str) -> None:
    """List the users who may authenticate with a password."""
    users = _with_users(lambda users: users.all())
    columns = ("id", "username", "email", "superuser")
    show([{name: getattr(user, name) for name in columns} for user in users], columns, output)


def _with_users(work: Callable[["Users"], Awaitable[Result]]) -> Result:
    with one_line_errors():
        import asyncio  # noqa: PLC0415 - help needs none of it

        from server.database.metadata import open_metadata  # noqa: PLC0415 - likewise
        from windsock.commands.configuration import load  # noqa: PLC0415 - likewise

        async def run() -> Result:
            async with open_metadata(load()) as metadata:
                return await work(metadata.users)

        return asyncio.run(run())


def _choose(given: str | None, *, made_up: bool) -> tuple[str, str]:
    """Make up, take, ask for or read the password; return it and its hash. Raises Failure if it is not acceptable."""
    import secrets  # noqa: PLC0415 - likewise

    from server.auth import hashes  # noqa: PLC0415 - likewise

    if given is not None and made_up:
        raise Failure("Give either --password or --use_random_password, not both")
    if made_up:
        password = secrets.token_urlsafe(18)
    elif given is not None:
        password = given
    elif sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt="Repeat the password", err=True)
    else:
        password = _read_stdin()
    try:
        return password, hashes.make(password)
    except ValueError as error:
        raise Failure(str(error)) from error


def _read_stdin() -> str:
    try:
        return sys.stdin.readline().rstrip("\r\n")
    except UnicodeDecodeError:
        raise Failure(f"The password on stdin is not {sys.stdin.encoding}") from None


def _tell(password: str, *, made_up: bool) -> None:
    if made_up:
        click.echo(f"Password: {password}")
