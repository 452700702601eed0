"""Puts together what is set and the defaults, and checks the result."""

import os
from collections.abc import Mapping
from typing import Any, Literal

from windsock.client_kind import LOCAL, client_kind
from windsock.config.options import OPTIONS, Config, Option
from windsock.config.sources import Found, Sources
from windsock.config.values import path_of
from windsock.errors import ConfigError

DatabaseUse = Literal["configured", "optional", "windsock", "client", "none"]


def load_config(
    env: Mapping[str, str] | None = None,
    *,
    overrides: Mapping[str, object] | None = None,
    defaults: Mapping[str, str] | None = None,
    database: DatabaseUse = "configured",
) -> Config:
    """Read the configuration; raises ConfigError, whose message is one line for the user.

    `env` is the environment (by default the process's). `overrides` are fields that win over everything, such as the
    options of the command line: a text is read like the option's, None sets nothing, any other value is taken as it is.
    `defaults` are texts for fields that are set nowhere. If they name a database, the others go with it (its logs and
    DAGs), so none of them counts if another database is set.

    `database` says what is required: `configured`: there must be a database. `optional`: there may be one. `windsock`:
    only one that `[windsock]` names counts, and of an Airflow's file only that section (for standalone, which has its
    own database). `client`: there must be one if `[cli] api_client` works straight on it; else none is looked for.
    `none`: no database is looked for. `dsn` may be unset except with `configured`.
    """
    sources = Sources(os.environ if env is None else env)
    given = {name: value for name, value in (overrides or {}).items() if value is not None}
    if unknown := [name for name in (*given, *(defaults or {})) if name not in OPTIONS]:
        raise TypeError(", ".join(unknown))
    warnings = list(sources.unknown())
    if database == "windsock" and (path := sources.leave_airflow()):
        warnings.append(f"{path} belongs to an Airflow (it names a database): only its [windsock] section is read")
    if database == "client":
        database = _of_client(sources, given)
    dsn = _find(sources, "dsn", OPTIONS["dsn"], given, database)
    if dsn is not None and "dsn" in (defaults or {}):
        defaults = None
    fields: dict[str, Any] = {}
    places: dict[str, str] = {}
    for name, option in OPTIONS.items():
        if name in given and not isinstance(given[name], str):
            fields[name], places[name] = given[name], _flag(name)
            continue
        found = dsn if name == "dsn" else _find(sources, name, option, given, database)
        fields[name] = _read(option, found or _default(sources, name, option, defaults or {}))
        if found is not None:
            places[name] = found.place
            warnings += _remarks(option, found)
    if "base_path" not in places:
        # Airflow too serves below the path of `base_url`.
        fields["base_path"] = path_of(fields["base_url"])
    config = Config(**fields, sources=places, warnings=tuple(warnings))
    _check(config, database)
    return config


def _default(sources: Sources, name: str, option: Option, defaults: Mapping[str, str]) -> Found:
    return Found(sources.expand(defaults.get(name, option.default)), f"the default of {name}")


def _remarks(option: Option, found: Found) -> list[str]:
    remark = None if option.remark is None else option.remark(found.text)
    return [] if remark is None else [f"{found.place}: {remark}"]


def _find(
    sources: Sources, name: str, option: Option, given: Mapping[str, object], database: DatabaseUse
) -> Found | None:
    if name in given:
        return Found(str(given[name]), _flag(name))
    if name == "dsn" and database == "none":
        return None
    return sources.find(option, ours_only=name == "dsn" and database == "windsock")


def _of_client(sources: Sources, given: Mapping[str, object]) -> DatabaseUse:
    """Return what the client that `[cli] api_client` names needs; raises ConfigError for an unknown name."""
    option = OPTIONS["api_client"]
    found = _find(sources, "api_client", option, given, "none") or Found(option.default, "the default of api_client")
    return "configured" if client_kind(str(_read(option, found))) == LOCAL else "none"


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _read(option: Option, found: Found) -> object:
    try:
        return option.read(found.text)
    except ValueError as error:
        shown = "" if option.sensitive else f" = {found.text}"
        message = f"{found.place}{shown}: {error}"
        raise ConfigError(message) from None


def _check(config: Config, database: DatabaseUse) -> None:
    if config.pool_min_size > config.pool_max_size:
        place = config.sources.get("pool_min_size") or config.sources["pool_max_size"]
        message = (
            f"{place}: expected pool_min_size ({config.pool_min_size}) "
            f"to be at most pool_max_size ({config.pool_max_size})"
        )
        raise ConfigError(message)
    if config.on_run_end_url and not config.on_run_end_secret:
        message = (
            f"{config.sources['on_run_end_url']}: expected [windsock] on_run_end_secret too, with which receivers can"
            " tell its requests from those of others"
        )
        raise ConfigError(message)
    if database == "configured":
        config.dsn.connect_arguments()
