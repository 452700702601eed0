"""Kerberos through SPNEGO: Airflow's `airflow.api.auth.backend.kerberos_auth`.

The system's GSSAPI reads the tokens: what a browser, curl or requests-kerberos sends in SPNEGO, and bare Kerberos.
Only the key of `airflow/HOST` in the configured keytab takes them; the keytab is read anew for each, so a replaced one
counts at once.
"""

import base64
import binascii
import logging
import os
import re
import socket
from typing import TYPE_CHECKING, NamedTuple

from aiohttp import web

from server.auth import Identity
from server.auth.executor import Executor
from server.config import Config
from server.errors import Forbidden, StartupError, Unauthorized, Unavailable
from server.kerberos import SERVICE, import_gssapi, reason
from server.resources import CONFIG

if TYPE_CHECKING:
    import gssapi

    from server.client.auth import ClientAuth

logger = logging.getLogger(__name__)

_CHALLENGE = {"WWW-Authenticate": "Negotiate"}
# A realm follows the last @ that no backslash makes part of a name.
_PRINCIPAL = re.compile(r"(?P<name>(?:[^@\\]|\\.)+)@(?P<realm>[^@]+)")


class _Accepted(NamedTuple):
    principal: str
    service: str
    token: bytes | None


class _Refused(Exception):
    """The token is not good; the text says why, for the log."""


class Kerberos:
    """Takes tokens for one service of one keytab."""

    def __init__(self, config: Config) -> None:
        """Check that the keytab has the service; raises StartupError, which says what is missing."""
        self._gssapi = import_gssapi()
        self._keytab = _readable(config)
        self._host = config.kerberos_hostname or socket.getfqdn()
        self._strip = frozenset(config.kerberos_strip_realms)
        self._admitted = frozenset(config.kerberos_realms) | self._strip
        self._executor = Executor("kerberos", config.hash_threads, config.hash_queue_limit)
        try:
            self._credentials()
        except self._gssapi.exceptions.GSSError as error:
            raise StartupError(
                f"kerberos_auth: the keytab {self._keytab} has no key of {SERVICE}/{self._host} that can be used"
                f" ({reason(error)}); `klist -k {self._keytab}` lists what it has, [windsock] kerberos_hostname"
                " sets the host"
            ) from error

    async def accept(self, token: bytes) -> Identity:
        """Answer whose token it is; raises Forbidden, or Unavailable when the queue is full or the keytab is gone."""
        try:
            accepted = await self._executor.run(self._step, token)
            user = self._user(accepted)
        except _Refused as error:
            logger.info("a Kerberos token was refused", extra={"reason": str(error)})
            raise Forbidden("Forbidden: the Kerberos token is refused") from error
        if not accepted.token:
            return Identity(user)
        # Airflow's spelling of the scheme; clients read it in any case.
        return Identity(user, {"WWW-Authenticate": f"negotiate {base64.b64encode(accepted.token).decode()}"})

    def close(self) -> None:
        """End the threads."""
        self._executor.close()

    def _credentials(self) -> "gssapi.Credentials":
        # A name, so that no other key of the keytab takes a token.
        name = self._gssapi.Name(f"{SERVICE}@{self._host}", self._gssapi.NameType.hostbased_service)
        store = {"keytab": f"FILE:{self._keytab}"}
        credentials: gssapi.Credentials = self._gssapi.Credentials(name=name, usage="accept", store=store)
        return credentials

    def _step(self, token: bytes) -> _Accepted:
        errors = self._gssapi.exceptions
        try:
            credentials = self._credentials()
        except errors.GSSError as error:
            logger.exception("the Kerberos keytab cannot be used", extra={"keytab": str(self._keytab)})
            raise Unavailable("The server's Kerberos keytab cannot be used at the moment") from error
        try:
            context = self._gssapi.SecurityContext(creds=credentials, usage="accept")
            answer = context.step(token)
            if not context.complete:
                raise _Refused("the token is not Kerberos, or needs a further round")
            # A C string's end has been seen in names.
            principal, service = (str(name).rstrip("\0") for name in (context.initiator_name, context.target_name))
        except errors.GSSError as error:
            raise _Refused(reason(error)) from error
        except (AttributeError, TypeError, ValueError, RuntimeError) as error:
            # Bindings have answered odd tokens with these: no token that cannot be read lets anybody in.
            raise _Refused(type(error).__name__) from error
        return _Accepted(principal, service, answer)

    def _user(self, accepted: _Accepted) -> str:
        client, service = _PRINCIPAL.fullmatch(accepted.principal), _PRINCIPAL.fullmatch(accepted.service)
        if client is None or service is None or client["name"].startswith("WELLKNOWN/"):
            raise _Refused("the ticket names nobody")
        if not service["name"].startswith(f"{SERVICE}/"):
            raise _Refused("the ticket is for another service")
        realm = client["realm"]
        if realm not in (self._admitted or {service["realm"]}):
            raise _Refused(f"the realm {realm} is not admitted")
        return client["name"] if realm in self._strip else accepted.principal


KERBEROS = web.AppKey("KERBEROS", Kerberos)


async def startup(app: web.Application) -> None:
    """Check keytab and library; raises StartupError."""
    app[KERBEROS] = Kerberos(app[CONFIG])


async def cleanup(app: web.Application) -> None:
    """End the threads."""
    if KERBEROS in app:
        app[KERBEROS].close()


async def authenticate(request: web.Request) -> Identity:
    """Answer whose ticket it is: 401 without one, 403 for one that is refused."""
    sent = request.headers.getall("Authorization", ())
    if not sent or not any(sent):
        raise Unauthorized("Unauthorized: this server asks for a Kerberos ticket", _CHALLENGE)
    scheme, _, encoded = sent[0].partition(" ")
    try:
        token = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        token = b""
    if len(sent) > 1 or scheme.lower() != "negotiate" or not token:
        raise Forbidden("Forbidden: this server takes one header, `Authorization: Negotiate TOKEN`")
    return await request.app[KERBEROS].accept(token)


def client_auth(_config: Config) -> "ClientAuth":
    """Return the client's side: a ticket from the user's cache, and the server has to prove itself."""
    from server.client.negotiate import Negotiate  # noqa: PLC0415 - the server needs none of it

    return Negotiate()


def _readable(config: Config) -> str:
    keytab = config.kerberos_keytab
    if keytab is None:
        raise StartupError("kerberos_auth needs a keytab: set [kerberos] keytab")
    if not keytab.is_file() or not os.access(keytab, os.R_OK):
        raise StartupError(f"kerberos_auth: the keytab {keytab} ([kerberos] keytab) is missing or cannot be read")
    return str(keytab)
