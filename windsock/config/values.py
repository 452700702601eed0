"""Turns the texts of a configuration into values.

Each function takes the text of an option and returns its value, or raises ValueError with a message that says what
would be right. The message never repeats the text, which may be a secret.
"""

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

BACKENDS = ("default", "deny_all", "password_auth", "kerberos_auth", "token_auth")
SECRET_LENGTH = 16
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Proxy = Network | Literal["unix:"]
PUBLISHED_SECRETS = frozenset(
    {
        "temporary_key",  # Airflow's own files, up to 1.10
        "a25mQ1FHTUh3MnFRSk5KMEIyVVU2YmN0VGRyYTVXY08=",  # the sample setup of a widely used container image
    }
)
_TRUE = frozenset({"t", "true", "1", "yes", "on"})
_FALSE = frozenset({"f", "false", "0", "no", "off"})
_LOG_LEVELS = {"DEBUG": "DEBUG", "INFO": "INFO", "WARN": "WARNING", "WARNING": "WARNING", "ERROR": "ERROR",
               "FATAL": "CRITICAL", "CRITICAL": "CRITICAL"}  # fmt: skip


def boolean(text: str) -> bool:
    """Read True or False; as in Airflow, a `#` begins a comment."""
    word = text.partition("#")[0].strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    message = "expected True or False"
    raise ValueError(message)


def whole(low: int, high: int) -> Callable[[str], int]:
    """Return a reader of whole numbers from `low` to `high`."""
    message = f"expected a whole number from {low} to {high}"

    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,15}", text) or not low <= int(text) <= high:
            raise ValueError(message)
        return int(text)

    return read


def seconds(low: float, high: float) -> Callable[[str], float]:
    """Return a reader of durations from `low` to `high` seconds."""
    message = f"expected a number of seconds from {low:g} to {high:g}"

    def read(text: str) -> float:
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) or not low <= float(text) <= high:
            raise ValueError(message)
        return float(text)

    return read


def choice(*words: str) -> Callable[[str], str]:
    """Return a reader for one of `words`, in upper or lower case."""
    message = f"expected one of {', '.join(words)}"

    def read(text: str) -> str:
        if text.lower() not in words:
            raise ValueError(message)
        return text.lower()

    return read


def word(text: str) -> str:
    """Read a name without blanks."""
    if re.search(r"\s", text):
        message = "expected one word without blanks"
        raise ValueError(message)
    return text


def words(text: str) -> tuple[str, ...]:
    """Read a list of names, separated by blanks or commas."""
    return tuple(_names(text))


def proxies(text: str) -> tuple[Proxy, ...]:
    """Read a list of addresses and networks; `unix:` stands for whoever connects to the unix socket."""
    try:
        return tuple(
            "unix:" if name.lower() in {"unix", "unix:"} else ipaddress.ip_network(name) for name in _names(text)
        )
    except ValueError:
        message = "expected IP addresses and networks such as 127.0.0.1 10.0.0.0/8, or unix: for the unix socket"
        raise ValueError(message) from None


def host_names(text: str) -> tuple[str, ...]:
    """Read a list of host names, `.suffix`es and addresses, as the header Host has them, without ports."""
    return tuple(_host_name(name) for name in _names(text))


def _host_name(text: str) -> str:
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        name = text.lower().removesuffix(".")
    if not re.fullmatch(r"\.?[0-9a-z_-]{1,63}(\.[0-9a-z_-]{1,63})*", name):
        message = "expected host names, suffixes and addresses such as airflow .example.org 192.0.2.2, without ports"
        raise ValueError(message)
    return name


def origins(text: str) -> tuple[str, ...]:
    """Read a list of origins, as browsers write them; a wildcard is not one."""
    found = tuple(name.lower() for name in _names(text))
    if any(not re.fullmatch(r"https?://(\[[0-9a-f:.]+\]|[0-9a-z.-]+)(:[0-9]{1,5})?", name) for name in found):
        message = "expected origins such as https://dashboard.example.com, without paths and wildcards"
        raise ValueError(message)
    return found


def fraction(text: str) -> float:
    """Read a number from 0 to 1."""
    if not re.fullmatch(r"[01](\.[0-9]{1,9})?", text) or float(text) > 1:
        message = "expected a number from 0 to 1"
        raise ValueError(message)
    return float(text)


def pattern(text: str) -> re.Pattern[str]:
    """Read a regular expression."""
    try:
        return re.compile(text.strip())
    except re.error as error:
        message = f"expected a regular expression ({error})"
        raise ValueError(message) from None


def log_level(text: str) -> str:
    """Read the name of one of logging's levels."""
    level = _LOG_LEVELS.get(text.upper())
    if level is None:
        message = "expected one of DEBUG, INFO, WARNING, ERROR, CRITICAL"
        raise ValueError(message)
    return level


def path(text: str) -> Path:
    """Read an absolute path, or one that begins with `~`."""
    try:
        found = Path(text).expanduser()
    except RuntimeError:
        found = Path(text)
    if not found.is_absolute() or "\0" in text:
        message = "expected an absolute path"
        raise ValueError(message)
    return found


def keytab(text: str) -> Path | None:
    """Read the path of a keytab; the value that an Airflow's file has by default counts as unset."""
    return None if text in {"", "airflow.keytab"} else path(text)


def host(text: str) -> str:
    """Read an address or host name to listen on; brackets around an IPv6 address are dropped."""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if not re.fullmatch(r"[0-9A-Za-z_:%-]{1,63}(\.[0-9A-Za-z_:%-]{1,63})*\.?", bare):
        message = "expected an IP address or a host name, without a port"
        raise ValueError(message)
    return bare


def base_path(text: str) -> str:
    """Read the prefix of all URLs: `/` means none, otherwise it is `/a/b` without a slash at the end."""
    bare = text.rstrip("/")
    if not re.fullmatch(r"(/[0-9A-Za-z_~.-]+)*", bare) or re.search(r"/\.{1,2}(/|$)", bare):
        message = "expected a path such as /windsock, of letters, digits and - . _ ~"
        raise ValueError(message)
    return bare


def path_of(url: str) -> str:
    """Return the path of an http URL as a `base_path`; an empty one if it cannot be one."""
    try:
        return base_path(re.sub("/+", "/", urlsplit(url).path))
    except ValueError:
        return ""


def http_url(text: str) -> str:
    """Read an http or https URL; slashes at its end are dropped."""
    message = "expected a URL such as http://localhost:8080"
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or re.search(r"[\s\0]", text):
        raise ValueError(message)
    return text.rstrip("/")


def timezone(text: str) -> str:
    """Read `utc`, `system` or the IANA name of a time zone; `utc` becomes `UTC`."""
    if text.lower() in {"utc", "system"}:
        return {"utc": "UTC", "system": "system"}[text.lower()]
    try:
        return ZoneInfo(text).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        message = "expected utc, system or an IANA name such as Europe/Amsterdam"
        raise ValueError(message) from None


def secret_key(text: str) -> str | None:
    """Read a secret; a published or short one counts as unset (`weak_secret` says why)."""
    return None if weak_secret(text) else text


def secret_keys(text: str) -> tuple[str, ...]:
    """Read a list of secrets, separated by blanks or commas."""
    if any(weak_secret(name) for name in _names(text)):
        message = f"expected secret keys of at least {SECRET_LENGTH} characters, none of them a published one"
        raise ValueError(message)
    return tuple(_names(text))


def weak_secret(text: str) -> str | None:
    """Say why a secret key counts as unset, or None."""
    if text in PUBLISHED_SECRETS:
        return "this secret key is published, so it counts as not set"
    if len(text) < SECRET_LENGTH:
        return f"a secret key of fewer than {SECRET_LENGTH} characters counts as not set"
    return None


def auth_backends(text: str) -> tuple[str, ...]:
    """Read the names of backends; those that have no meaning here are left out, unless there are no others."""
    found = tuple(name for name in _names(text) if not _foreign(name))
    if found:
        return found
    message = (
        f"{', '.join(_names(text)) or 'an empty list'} has no meaning here; "
        f"set [windsock] auth_backend to one of {', '.join(BACKENDS)}, or to a module of your own"
    )
    raise ValueError(message)


def other_backends(text: str) -> str | None:
    """Say which backends of a list are not used, or None."""
    used, others = auth_backends(text), [name for name in _names(text) if _foreign(name)]
    verb = "is" if len(used) == 1 else "are"
    return f"{', '.join(used)} {verb} used; not used: {', '.join(others)}" if others else None


def _names(text: str) -> list[str]:
    return [name for name in re.split(r"[\s,]+", text) if name]


def _foreign(name: str) -> bool:
    """Whether a name is that of a newer Airflow's backend that checks no request by itself: sessions, auth managers."""
    if name.rpartition(".")[2] == "session" and name.startswith("airflow."):
        return True
    return name.startswith("airflow.") and name.endswith("AuthManager")
