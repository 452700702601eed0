"""Turns SQLAlchemy's database URLs, as Airflow's files have them, into arguments for asyncpg."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode

from windsock.errors import ConfigError

_URL = re.compile(
    r"(?P<scheme>[\w+]+)://"
    r"(?:(?P<user>[^:/@?]*)(?::(?P<password>.*?))?@)?"
    r"(?P<hosts>[^@/?]*)(?:/(?P<database>[^?]*))?(?:\?(?P<query>.*))?",
    re.DOTALL,
)
_HOST = re.compile(r"(?:\[(?P<ip6>[0-9A-Za-z:.%_-]+)\]|(?P<name>[^:\[\]\s]*))(?::(?P<port>[0-9]{1,5}))?")
_EXAMPLE = "postgresql://user:password@host:5432/airflow"
_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile")
_PASSED = ("passfile", "service", "target_session_attrs", "krbsrvname", "gsslib", "user", "password")
_IN_URL = ("sslmode", "sslnegotiation", "sslrootcert", "sslcert", "sslkey", "sslcrl", "sslpassword",
           "ssl_min_protocol_version", "ssl_max_protocol_version")  # fmt: skip
_CHOICES = {
    "sslmode": {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"},
    "sslnegotiation": {"postgres", "direct"},
    "target_session_attrs": {"any", "primary", "standby", "read-write", "read-only", "prefer-standby"},
    "gsslib": {"gssapi", "sspi"},
    "ssl_min_protocol_version": {"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"},
    "ssl_max_protocol_version": {"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"},
}
# Parameters of libpq that asyncpg lacks. They are dropped in any case (None), or if they have one of these values, with
# which the connection is the same as without them. Any other value is refused, because it asks for something.
_NEEDLESS: dict[str, set[str] | None] = {
    "keepalives": None, "keepalives_idle": None, "keepalives_interval": None, "keepalives_count": None,
    "tcp_user_timeout": None, "fallback_application_name": None, "sslsni": {"1"}, "sslcompression": {"0"},
    "client_encoding": {"utf8", "utf-8", "UTF8", "UTF-8", "auto"}, "gssencmode": {"disable", "prefer"},
    "channel_binding": {"disable", "prefer"}, "load_balance_hosts": {"disable"},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Dsn:
    """The place of the database. Its texts never show a password; without a database it is false."""

    shown: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def parse(cls, text: str) -> "Dsn":
        """Read a SQLAlchemy URL of a PostgreSQL database; raises ValueError, which says what would be right."""
        if not text:
            return cls()
        match = _URL.fullmatch(text)
        if match is None:
            message = f"expected a database URL such as {_EXAMPLE}"
            raise ValueError(message)
        dialect = match["scheme"].partition("+")[0]
        if dialect not in {"postgresql", "postgres"}:
            message = f"expected a PostgreSQL URL such as {_EXAMPLE}; {dialect} databases are not supported"
            raise ValueError(message)
        arguments = _address(match) | _parameters(match["query"] or "")
        if len(arguments.get("port", [])) not in {0, 1, len(arguments.get("host", []))}:
            message = "expected one port, or as many as there are hosts, in the database URL"
            raise ValueError(message)
        return cls(_redacted(arguments), arguments)

    def __bool__(self) -> bool:
        """Whether a database is set."""
        return bool(self.arguments)

    def __str__(self) -> str:
        """Return `redacted`."""
        return self.shown

    def redacted(self) -> str:
        """Return the URL without password and parameters, for messages."""
        return self.shown

    def connect_arguments(self) -> dict[str, Any]:
        """Return keyword arguments for `asyncpg.connect` and `create_pool`; raises ConfigError without a database."""
        if not self:
            message = (
                "no database is configured: set [core] sql_alchemy_conn in airflow.cfg or "
                f"AIRFLOW__CORE__SQL_ALCHEMY_CONN to a URL such as {_EXAMPLE}, or run `windsock standalone`"
            )
            raise ConfigError(message)
        return dict(self.arguments)


def _address(match: re.Match[str]) -> dict[str, Any]:
    found = {name: _unquote(match[name]) for name in ("user", "password", "database") if match[name]}
    return found | _hosts(_unquote(match["hosts"]).split(","))


def _hosts(texts: list[str]) -> dict[str, Any]:
    """Return `host` and `port` for asyncpg: two lists; an absolute path names the folder of a socket."""
    hosts: list[str] = []
    ports: list[int | None] = []
    for text in texts:
        if text.startswith("/"):
            hosts.append(text)
            ports.append(None)
            continue
        match = _HOST.fullmatch(text)
        if match is None:
            message = "expected host or host:port (an IPv6 address in brackets) in the database URL"
            raise ValueError(message)
        hosts.append(match["ip6"] or match["name"])
        ports.append(int(match["port"]) if match["port"] else None)
    found: dict[str, Any] = {"host": hosts} if all(hosts) else {}
    if len(hosts) > 1 and not found:
        message = "expected no empty host in the list of hosts"
        raise ValueError(message)
    if any(ports):
        found["port"] = [port or 5432 for port in ports]
    return found


def _parameters(query: str) -> dict[str, Any]:
    """Return asyncpg's arguments for libpq's parameters; they win over the rest, as in psycopg2."""
    lists = parse_qs(query, keep_blank_values=False, errors="strict")
    values = {name: texts[-1] for name, texts in lists.items()}
    for name, value in values.items():
        _check(name, value)
    found: dict[str, Any] = {name: values[name] for name in _PASSED if name in values}
    if "host" in values:
        found |= _hosts(",".join(lists["host"]).split(","))
    if "port" in values:
        found["port"] = [_number("port", port) for port in values["port"].split(",")]
    if "dbname" in values or "database" in values:
        found["database"] = values.get("dbname") or values["database"]
    if _number("connect_timeout", values.get("connect_timeout", "0")):
        found["timeout"] = _number("connect_timeout", values["connect_timeout"])
    if "prepared_statement_cache_size" in values:
        name = "prepared_statement_cache_size"
        found["statement_cache_size"] = _number(name, values[name])
    found["server_settings"] = _server_settings(values)
    tls = {name: values[name] for name in _IN_URL if name in values}
    if "ssl" in values:
        tls.setdefault("sslmode", values["ssl"])
    # asyncpg has no arguments for these: it reads them only from a URL, which need not name a host.
    return found | ({"dsn": f"postgresql://?{urlencode(tls)}"} if tls else {})


def _server_settings(values: dict[str, str]) -> dict[str, str]:
    name = values.get("application_name") or values.get("fallback_application_name") or "windsock"
    return {"application_name": name} | ({"options": values["options"]} if "options" in values else {})


_TRANSLATED = frozenset(
    {*_PASSED, *_IN_URL, "host", "port", "dbname", "database", "connect_timeout", "application_name",
     "options", "ssl", "prepared_statement_cache_size"}
)  # fmt: skip


def _check(name: str, value: str) -> None:
    needless = _NEEDLESS.get(name, set())
    if name not in _TRANSLATED and needless is not None and value not in needless:
        message = f"the parameter {name} of the database URL, or its value, is not supported: remove it"
        raise ValueError(message)
    allowed = _CHOICES.get("sslmode" if name == "ssl" else name)
    if allowed and value not in allowed:
        message = f"expected one of {', '.join(sorted(allowed))} as {name} in the database URL"
        raise ValueError(message)
    if name in _FILES and not os.access(value, os.R_OK):
        message = f"the file that {name} in the database URL names does not exist or cannot be read"
        raise ValueError(message)


def _number(name: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text):
        message = f"expected a whole number as {name} in the database URL"
        raise ValueError(message)
    return int(text)


def _unquote(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        message = "expected UTF-8 in the percent-encoded parts of the database URL"
        raise ValueError(message) from None


def _redacted(arguments: dict[str, Any]) -> str:
    hosts = arguments.get("host", [""])
    ports = arguments.get("port", [])
    places = [
        (f"[{host}]" if ":" in host else host) + (f":{ports[min(i, len(ports) - 1)]}" if ports else "")
        for i, host in enumerate(hosts)
    ]
    user = arguments.get("user", "")
    secret = ":***" if "password" in arguments else ""
    at = "@" if user or secret else ""
    return f"postgresql://{user}{secret}{at}{','.join(places)}/{arguments.get('database', '')}"
