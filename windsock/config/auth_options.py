"""The options of authentication, a part of the table of options; `Config` has these fields too."""
# ruff: noqa: RUF009 - option() declares a field, as dataclasses' own field() does

import dataclasses
from pathlib import Path

from windsock.config import values
from windsock.config.mail_options import MailOptions
from windsock.config.option import option


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AuthOptions(MailOptions):
    """Options of authentication."""

    # fmt: off
    secret_key: str | None = option(
        values.secret_key, "", "windsock.secret_key api.secret_key webserver.secret_key",
        "The key that encrypts sessions. A published or short key (under 16 characters) counts as unset.",
        remark=values.weak_secret, sensitive=True,
    )
    auth_backend: tuple[str, ...] = option(
        values.auth_backends, "default",
        "windsock.auth_backend api.auth_backend fab.auth_backends api.auth_backends core.auth_manager",
        "The backends that decide who may call the API, separated by blanks or commas: `default` (everybody) or"
        " `deny_all` alone, `password_auth`, `kerberos_auth`, `token_auth`, modules.",
        remark=values.other_backends,
    )
    authorization: str = option(
        values.choice("auto", "airflow", "file", "none"), "auto", "windsock.authorization",
        "What says who may do what: `airflow` (the roles of that Airflow's users), `file` (`permissions_file`) or"
        " `none` (whoever authenticates may do everything); `auto`: `airflow` where the database has such roles, else"
        " `none`.",
    )
    permissions_file: Path | None = option(
        lambda text: values.path(text) if text else None, "", "windsock.permissions_file",
        "The YAML file with roles and who has them, for `authorization = file`.",
    )
    kerberos_keytab: Path | None = option(
        values.keytab, "", "kerberos.keytab",
        "The keytab of the service, for `kerberos_auth`.",
    )
    kerberos_hostname: str = option(
        lambda text: values.host(text) if text else "", "", "windsock.kerberos_hostname kerberos.hostname",
        "The host in the service's name, `airflow/HOST`; by default the machine's full name.",
    )
    kerberos_realms: tuple[str, ...] = option(
        values.words, "", "windsock.kerberos_realms",
        "The realms whose users are admitted; by default that of the keytab's service.",
    )
    kerberos_strip_realms: tuple[str, ...] = option(
        values.words, "", "windsock.kerberos_strip_realms",
        "The realms whose users are admitted, and are known without `@REALM`.",
    )
    tokens_file: Path | None = option(
        lambda text: values.path(text) if text else None, "", "windsock.tokens_file",
        "The file of the tokens for `token_auth`, of mode 0600; needed beside an Airflow. A standalone database has a"
        " table for them.",
    )
    verified_seconds: float = option(
        values.seconds(0, 60), "60", "windsock.verified_seconds",
        "How long after its last use a right password is remembered, so that it is hashed only once; 0: never.",
    )
    user_check_seconds: float = option(
        values.seconds(0, 60), "10", "windsock.user_check_seconds",
        "How long a process keeps what it has read about a user; after that time it sees that the user was changed or"
        " deleted.",
    )
    throttle_failures: int = option(
        values.whole(0, 100000), "10", "windsock.throttle_failures",
        "After how many wrong passwords a pair of user and address has to wait (429); 0 switches this off.",
    )
    throttle_seconds: float = option(
        values.seconds(1, 86400), "60", "windsock.throttle_seconds",
        "How long such a pair has to wait after the last wrong password.",
    )
    hash_threads: int = option(
        values.whole(1, 64), "2", "windsock.hash_threads",
        "The number of threads in each process that hash passwords; likewise of those that read Kerberos tickets.",
    )
    hash_queue_limit: int = option(
        values.whole(0, 10000), "32", "windsock.hash_queue_limit",
        "The most requests of a process that wait for such a thread; further ones are answered with 503.",
    )
    session_lifetime: float = option(
        values.seconds(1, 2592000), "28800", "windsock.session_lifetime",
        "How long a session lasts.",
    )
    old_secret_keys: tuple[str, ...] = option(
        values.secret_keys, "", "windsock.old_secret_keys",
        "Earlier secret keys, separated by blanks or commas: sessions made with them stay valid.", sensitive=True,
    )
    trusted_proxies: tuple[values.Proxy, ...] = option(
        values.proxies, "", "windsock.trusted_proxies",
        "The addresses and networks of the reverse proxies whose headers `X-Forwarded-For`, `-Proto`, `-Host` and"
        " `-Port` are believed; `unix:` means whoever connects to the unix socket.",
    )
    allowed_hosts: tuple[str, ...] = option(
        values.host_names, "", "windsock.allowed_hosts",
        "The names, `.suffix`es and addresses by which callers may reach the server, besides localhost; others are"
        " refused.",
    )
    pause_by_get: bool = option(
        values.boolean, "True", "windsock.pause_by_get",
        "Whether `GET .../paused/true` and `/false`, which change something, work; `PATCH /dags/<dag_id>` always"
        " works.",
    )
    audit_log: bool = option(
        values.boolean, "True", "windsock.audit_log",
        "Whether changes by callers (standalone: by identified users) are written to Airflow's `log` table.",
    )
    sensitive_names: tuple[str, ...] = option(
        values.words, "", "core.sensitive_var_conn_names",
        "Words in the keys of a `conf` whose values are masked in the `log` table, besides those that Airflow masks.",
    )
    # fmt: on
