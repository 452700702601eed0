"""`whoami`: who the server takes the caller for, and what this user may do."""

from typing import TYPE_CHECKING

import click

from windsock.commands.base import say, session, verbose_option
from windsock.commands.tables import output_option, show

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windsock.client.results import Answer

_COLUMNS = ("user", "roles", "permission", "dags")


@click.command("whoami")
@output_option
@verbose_option
def whoami(*, output: str, verbose: bool) -> None:
    """Show who the server takes you for, and what you may do.

    A table has one line for each permission; -o json and yaml show the answer as the server gives it.
    """
    with session(verbose=verbose) as client:
        found = client.whoami()
    if found["backend"] is None:
        say("This works straight on the database, where there are no users ([cli] api_client can name the server)")
    show([found] if output in {"json", "yaml"} else list(_rows(found)), _COLUMNS, output)


def _rows(found: "Answer") -> "Iterator[Answer]":
    user = {"user": found["user"], "roles": found["roles"]}
    if not found["permissions"]:
        yield {**user, "permission": "none"}
    for each in found["permissions"]:
        dags = "all" if each["dags"] is None else " and ".join(", ".join(one) for one in each["dags"])
        yield {**user, "permission": each["permission"], "dags": dags}
