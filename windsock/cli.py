"""`windsock`: the commands, with their names in Airflow 1.10 and in Airflow 2.

This module imports nothing heavy, so that `--help` and the JSON client start quickly.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from windsock.commands import backfill, dags, pools, runs, steering, task_log, tasks, unfinished, whoami
from windsock.commands.base import EXIT_CODES, EXIT_INTERRUPTED, Failure
from windsock.errors import ConfigError
from windsock.service import module_of_service
from windsock.version import __version__

_BY_AIRFLOW_1: Sequence[click.Command] = (
    runs.trigger_dag,
    runs.list_dag_runs,
    runs.dag_state,
    unfinished.runs,
    tasks.task_state,
    tasks.states_for_dag_run,
    task_log.task_log,
    dags.list_dags,
    dags.dag_details,
    dags.next_execution,
    backfill.backfill,
    dags.list_import_errors,
    tasks.list_tasks,
    dags.pause,
    dags.unpause,
    dags.delete_dag,
    steering.clear,
    steering.stop_run,
    steering.mark_run,
    steering.mark_task,
    steering.delete_run,
    pools.pool,
)
_BY_AIRFLOW_2: Mapping[str, Mapping[str, click.Command]] = {
    "dags": {
        "trigger": runs.trigger_dag,
        "list-runs": runs.list_dag_runs,
        "state": runs.dag_state,
        "stop-run": steering.stop_run,
        "mark-run": steering.mark_run,
        "delete-run": steering.delete_run,
        "list": dags.list_dags,
        "details": dags.dag_details,
        "next-execution": dags.next_execution,
        "backfill": backfill.backfill,
        "list-import-errors": dags.list_import_errors,
        "pause": dags.pause,
        "unpause": dags.unpause,
        "delete": dags.delete_dag,
    },
    "tasks": {
        "list": tasks.list_tasks,
        "state": tasks.task_state,
        "states-for-dag-run": tasks.states_for_dag_run,
        "log": task_log.task_log,
        "clear": steering.clear,
        "mark": steering.mark_task,
    },
    "pools": {
        "list": pools.list_pools,
        "get": pools.get_pool,
        "set": pools.set_pool,
        "delete": pools.delete_pool,
        "import": pools.import_pools,
        "export": pools.export_pools,
    },
}
# The service adds these commands. They are imported when they are run, or when a help text shows them.
_SERVICE: Mapping[str, str] = {
    "standalone": "server.commands.service:standalone",
    "webserver": "server.commands.service:webserver",
    "scheduler": "server.commands.service:scheduler",
    "initdb": "server.commands.service:initdb",
    "db": "server.commands.db:db",
    "check": "server.commands.check:check",
    "config": "server.commands.config:config",
    "reload": "server.commands.reload:reload",
}
_USERS: Mapping[str, str] = {
    "create_user": "server.commands.users:create_user",
    "add_role": "server.commands.users:add_role",
    "remove_role": "server.commands.users:remove_role",
    "list_users": "server.commands.users:list_users",
    "change_password": "server.commands.users:change_password",
    "delete_user": "server.commands.users:delete_user",
}
_TOKENS: Mapping[str, str] = {
    "create_token": "server.commands.tokens:create_token",
    "list_tokens": "server.commands.tokens:list_tokens",
    "revoke_token": "server.commands.tokens:revoke_token",
}

_CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 120}


class Sections(click.Group):
    """A group whose help lists the commands by subject, in the order in which they were added."""

    sections: Mapping[str, Sequence[str]] = {}
    elsewhere: Mapping[str, str] = {}

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - as click declares it
        """Run the command. Raises Failure at Ctrl-C, unless the command handles it."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Failure("interrupted", EXIT_INTERRUPTED) from None

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in their order."""
        del ctx
        return [*self.commands, *(name for name in self.elsewhere if name not in self.commands)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of this name; one that is `elsewhere` (module:attribute) is imported now."""
        if cmd_name not in self.commands and cmd_name in self.elsewhere:
            module, _, attribute = self.elsewhere[cmd_name].partition(":")
            try:
                self.add_command(getattr(module_of_service(module), attribute), cmd_name)
            except ConfigError as error:
                raise Failure(str(error)) from error
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands under their headings."""
        if not self.sections:
            super().format_commands(ctx, formatter)
        limit = formatter.width - 6 - max(map(len, self.list_commands(ctx)))
        for heading, names in self.sections.items():
            with formatter.section(heading):
                formatter.write_dl([(name, self._short_help(ctx, name, limit)) for name in names])

    def _short_help(self, ctx: click.Context, name: str, limit: int) -> str:
        try:
            command = self.get_command(ctx, name)
        except Failure:
            return "It cannot be imported; run it to see why."
        return command.get_short_help_str(limit) if command else ""


@click.group(cls=Sections, context_settings=_CONTEXT, epilog=EXIT_CODES)
@click.version_option(__version__, prog_name="windsock")
def main() -> None:
    """Trigger and watch Airflow's DAGs, and serve the experimental API of Airflow 1.10 from Postgres.

    Commands have the names and options of Airflow 1.10's command line, and the names of Airflow 2 too. They work
    straight on the database ([core] sql_alchemy_conn in airflow.cfg), or over HTTP: set [cli] api_client to
    airflow.api.client.json_client and endpoint_url to the server. Data goes to stdout, everything else to stderr.
    """


@click.command()
def version() -> None:
    """Print the version."""
    click.echo(__version__)


def _add_all() -> None:
    for command in (*_BY_AIRFLOW_1, whoami.whoami, version):
        main.add_command(command)
    for name, members in _BY_AIRFLOW_2.items():
        group = Sections(name, help=f"{', '.join(members)}.")
        for member, command in members.items():
            group.add_command(command, member)
        main.add_command(group)
    assert isinstance(main, Sections)  # noqa: S101 - for the type checker
    main.elsewhere = {**_SERVICE, **_USERS, **_TOKENS}
    main.sections = {
        "DAGs, runs, tasks and pools": [str(command.name) for command in _BY_AIRFLOW_1],
        "The same under Airflow 2's names": list(_BY_AIRFLOW_2),
        "The service": [*_SERVICE, "whoami", "version"],
        "Users of password_auth, on the database": list(_USERS),
        "Tokens of token_auth": list(_TOKENS),
    }


_add_all()
