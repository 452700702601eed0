"""Pools: `pool` as in Airflow 1.10, `pools list|get|set|delete|import|export` as in 2.x."""

import click

from windsock.commands.base import Failure, say, session, verbose_option
from windsock.commands.pool_files import read_pools, write_pools
from windsock.commands.tables import output_option, show
from windsock.text import count

_COLUMNS = ("pool", "slots", "description")
_MINUS_ONE = {"ignore_unknown_options": True}


@click.command("pool")
@click.option("-g", "--get", "name", metavar="NAME", help="Show this pool.")
@click.option(
    "-s",
    "--set",
    "new",
    nargs=3,
    metavar="NAME SLOTS DESCRIPTION",
    help="Create or change this pool.",
)
@click.option("-x", "--delete", "unwanted", metavar="NAME", help="Delete this pool.")
@click.option("-i", "--import", "source", metavar="FILE", help="Set the pools that a JSON file lists.")
@click.option("-e", "--export", "target", metavar="FILE", help="Write all pools to a JSON file.")
@output_option
@verbose_option
def pool(
    *,
    name: str | None,
    new: tuple[str, str, str] | None,
    unwanted: str | None,
    source: str | None,
    target: str | None,
    output: str,
    verbose: bool,
) -> None:
    """List, show, set, delete, import or export pools.

    Without an option it lists all pools.

    A file is a JSON object: {"NAME": {"slots": 5, "description": "..."}, ...}. The import checks all of it before it
    writes the first pool. FILE may be - for stdin or stdout.
    """
    given = [choice for choice in (name, new, unwanted, source, target) if choice is not None]
    if len(given) > 1:
        raise click.UsageError("Only one of -g, -s, -x, -i and -e can be given")
    if name is not None:
        _get(name, output, verbose=verbose)
    elif new is not None:
        _set(*new, output, verbose=verbose)
    elif unwanted is not None:
        _delete(unwanted, output, verbose=verbose)
    elif source is not None:
        _import(source, output, verbose=verbose)
    elif target is not None:
        _export(target, verbose=verbose)
    else:
        _list(output, verbose=verbose)


@click.command("list")
@output_option
@verbose_option
def list_pools(*, output: str, verbose: bool) -> None:
    """List the pools."""
    _list(output, verbose=verbose)


@click.command("get")
@click.argument("name")
@output_option
@verbose_option
def get_pool(name: str, *, output: str, verbose: bool) -> None:
    """Show a pool."""
    _get(name, output, verbose=verbose)


@click.command("set", context_settings=_MINUS_ONE)
@click.argument("name")
@click.argument("slots")
@click.argument("description")
@output_option
@verbose_option
def set_pool(name: str, slots: str, description: str, *, output: str, verbose: bool) -> None:
    """Create a pool, or change the pool of that name. With -1 slots a pool has no limit."""
    _set(name, slots, description, output, verbose=verbose)


@click.command("delete")
@click.argument("name")
@output_option
@verbose_option
def delete_pool(name: str, *, output: str, verbose: bool) -> None:
    """Delete a pool, and show what it was."""
    _delete(name, output, verbose=verbose)


@click.command("import")
@click.argument("file")
@output_option
@verbose_option
def import_pools(file: str, *, output: str, verbose: bool) -> None:
    """Set the pools that a JSON file lists: {"NAME": {"slots": 5, "description": "..."}, ...}.

    The command checks the whole file before it writes the first pool. FILE may be - for stdin.
    """
    _import(file, output, verbose=verbose)


@click.command("export")
@click.argument("file")
@verbose_option
def export_pools(file: str, *, verbose: bool) -> None:
    """Write all pools to a JSON file, which import can read. FILE may be - for stdout."""
    _export(file, verbose=verbose)


def _list(output: str, *, verbose: bool) -> None:
    with session(verbose=verbose) as client:
        show(client.get_pools(), _COLUMNS, output)


def _get(name: str, output: str, *, verbose: bool) -> None:
    with session(verbose=verbose) as client:
        show([client.get_pool(name)], _COLUMNS, output)


def _set(name: str, slots: str, description: str, output: str, *, verbose: bool) -> None:
    with session(verbose=verbose) as client:
        show([client.create_pool(name, slots, description)], _COLUMNS, output)


def _delete(name: str, output: str, *, verbose: bool) -> None:
    with session(verbose=verbose) as client:
        show([client.delete_pool(name)], _COLUMNS, output)


def _import(file: str, output: str, *, verbose: bool) -> None:
    from windsock.client import ClientError  # noqa: PLC0415 - help needs none of it

    pools = read_pools(file)
    written = []
    with session(verbose=verbose) as client:
        for entry in pools:
            try:
                written.append(client.create_pool(entry.name, entry.slots, entry.description))
            except ClientError:
                say(f"{len(written)} of {count(len(pools), 'pool')} imported; stopped at {entry.name}")
                raise
    say(f"{len(written)} of {count(len(pools), 'pool')} imported")
    show(written, _COLUMNS, output)


def _export(file: str, *, verbose: bool) -> None:
    with session(verbose=verbose) as client:
        pools = client.get_pools()
    try:
        write_pools(file, pools)
    except OSError as error:
        raise Failure(f"{file}: {error.strerror}") from error
    say(f"{count(len(pools), 'pool')} exported to {'stdout' if file == '-' else file}")
