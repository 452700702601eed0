"""`windsock create_user` and the other commands for users, who may authenticate with a password.

Their names and options are those of Airflow 1.10. They work straight on the database.
"""

import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import click

from server.commands.roles import known_role, permissions_of, spelled
from server.commands.service import one_line_errors
from windsock.commands.base import Failure, say
from windsock.commands.tables import output_option, show

if TYPE_CHECKING:
    from server.auth.permissions_file import PermissionsFile
    from server.database.users import Users
    from windsock.config import Config

Result = TypeVar("Result")

_ADMIN = "Admin"
_LONGEST = 250
_LONGEST_EMAIL = 500
_username = click.option("-u", "--username", required=True, help="The user's name.")
_role = click.option("-r", "--role", required=True, help="The role.")
_password = click.option(
    "-p", "--password", help="The password. Other users of this machine can see it.  [default: ask, or read stdin]"
)
_random = click.option("--use_random_password", is_flag=True, help="Make up a password and print it.")


@click.command("create_user")
@_username
@click.option("-e", "--email", help="The user's e-mail address.")
@click.option("-r", "--role", "roles", multiple=True, help="A role, for [windsock] authorization = file. Repeatable.")
@click.option("-f", "--firstname", help="Accepted because Airflow has it, but ignored.")
@click.option("-l", "--lastname", help="Likewise.")
@_password
@_random
def create_user(
    username: str, email: str | None, roles: tuple[str, ...], password: str | None, **others: object
) -> None:
    """Create a user for password_auth.

    With [windsock] authorization = file the user may do what the roles give: Viewer, User, Op, Admin, or roles of the
    permissions file. Without that setting, every user of a standalone database may do everything.
    """
    if not username or ":" in username or len(username) > _LONGEST:
        raise Failure(f"A user name has 1 to {_LONGEST} characters and no colon")
    if not f"{username}{email or ''}".isprintable() or len(email or "") > _LONGEST_EMAIL:
        raise Failure(
            f"A user name and an e-mail address (at most {_LONGEST_EMAIL} characters) may only have printable ones"
        )
    config, file = _configured()
    named = [known_role(role, file) for role in dict.fromkeys(roles)]
    chosen, hashed = _choose(password, made_up=bool(others["use_random_password"]))

    def create(users: "Users") -> Awaitable[None]:
        # Beside Airflow 1.10 there is no place for roles, and an Admin needs none: all users may do everything.
        needed = users.has_roles or config.authorization == "file" or named != [_ADMIN]
        return users.create(username, email, hashed, named if needed else ())

    _with_users(config, create)
    click.echo(f"User {username} created")
    _tell(chosen, made_up=bool(others["use_random_password"]))
    _tell_of_roles(config, username, named, has_others=bool(file.given("users", username)))


@click.command("add_role")
@_username
@_role
def add_role(username: str, role: str) -> None:
    """Give a user a role, for [windsock] authorization = file."""
    config, file = _configured()
    name = known_role(role, file)
    new = _with_users(config, lambda users: users.add_role(username, name))
    click.echo(f"User {username} now has the role {name}" if new else f"User {username} has the role {name} already")
    _tell_of_roles(config, username, [name])


@click.command("remove_role")
@_username
@_role
def remove_role(username: str, role: str) -> None:
    """Take a role away from a user."""
    config, file = _configured()
    # A role that is no longer defined can be taken away too.
    name = spelled(role, file) or role
    if not _with_users(config, lambda users: users.remove_role(username, name)):
        raise Failure(f"User {username} does not have the role {name}")
    click.echo(f"User {username} no longer has the role {name}")


@click.command("change_password")
@_username
@_password
@_random
def change_password(username: str, password: str | None, *, use_random_password: bool) -> None:
    """Give a user another password. This ends all sessions of the user."""
    chosen, hashed = _choose(password, made_up=use_random_password)
    _with_users(_load(), lambda users: users.change_password(username, hashed))
    click.echo(f"Password of {username} changed")
    _tell(chosen, made_up=use_random_password)


@click.command("delete_user")
@_username
def delete_user(username: str) -> None:
    """Delete a user."""
    _with_users(_load(), lambda users: users.delete(username))
    click.echo(f"User {username} deleted")


@click.command("list_users")
@output_option
def list_users(output: str) -> None:
    """List the users who may authenticate with a password."""
    users = _with_users(_load(), lambda users: users.all())
    columns = ("id", "username", "email", "superuser")
    rows = [{**{name: getattr(user, name) for name in columns}, "roles": list(user.roles)} for user in users]
    show(rows, ("id", "username", "email", "roles", "superuser"), output)


def _load() -> "Config":
    from windsock.commands.configuration import load  # noqa: PLC0415 - help needs none of it

    with one_line_errors():
        return load()


def _configured() -> tuple["Config", "PermissionsFile"]:
    """Return the configuration and the permissions file, an empty one if it does not count. Raises Failure."""
    config = _load()
    return config, permissions_of(config)


def _tell_of_roles(config: "Config", username: str, named: Sequence[str], *, has_others: bool = False) -> None:
    """Say so if the roles have no effect, or if the user may do nothing without one."""
    if config.authorization == "file":
        if not named and not has_others:
            say(f"User {username} has no role, and may do nothing: windsock add_role -u {username} -r ROLE")
    elif named and list(named) != [_ADMIN]:
        say(
            f"Warning: roles have no effect without [windsock] authorization = file (it is {config.authorization}):"
            f" {username} may do everything"
        )


def _with_users(config: "Config", work: Callable[["Users"], Awaitable[Result]]) -> Result:
    with one_line_errors():
        import asyncio  # noqa: PLC0415 - help needs none of it

        from server.database.metadata import open_metadata  # noqa: PLC0415 - likewise

        async def run() -> Result:
            async with open_metadata(config) as metadata:
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
