"""Kerberos through SPNEGO: Airflow's `airflow.api.auth.backend.kerberos_auth`.

pyspnego reads what a browser, curl or requests-kerberos sends in SPNEGO, and bare Kerberos; the system's GSSAPI
verifies the Kerberos token in it. Only the key of `airflow/HOST` in the configured keytab accepts tokens, and with the
page that of `HTTP/HOST`, the only one for which browsers ask. The keytab is read again for each token, so a new one
takes effect at once.
"""

import base64
import binascii
import logging
import os
import re
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from aiohttp import hdrs, web

from server.auth import Identity
from server.auth.executor import Executor
from server.errors import Forbidden, StartupError, Unauthorized, Unavailable
from server.http.keys import CONFIG, PROXIES
from server.http.proxies import network
from windsock.config import Config
from windsock.kerberos import SERVICE, import_spnego, reason

if TYPE_CHECKING:
    import spnego

    from windsock.client.auth import ClientAuth

logger = logging.getLogger(__name__)

SCHEMES = ("negotiate",)
KIND = "principals"

_BROWSERS_SERVICE = "HTTP"

_CHALLENGE = {"WWW-Authenticate": "Negotiate"}
# The realm follows the last @ that is not escaped by a backslash.
_PRINCIPAL = re.compile(r"(?P<name>(?:[^@\\]|\\.)+)@(?P<realm>[^@]+)")

# How a first token begins: with the OID of Kerberos or Microsoft's, or SPNEGO and the fields of a NegTokenInit.
_LENGTH = rb"(?:[\x00-\x7f]|\x81.|\x82..|\x83...)"
_KERBEROS = rb"\x06\x09\x2a\x86\x48[\x82\x86]\xf7\x12\x01\x02\x02"
_SPNEGO = rb"\x06\x06\x2b\x06\x01\x05\x05\x02\xa0%b\x30%b" % (_LENGTH, _LENGTH)
_FIRST_TOKEN = re.compile(rb"\x60%b(?:%b|(?P<fields>%b))" % (_LENGTH, _KERBEROS, _SPNEGO), re.DOTALL)
_MECHANISMS, _LONGEST_LIST = 0xA0, 127


class _Accepted(NamedTuple):
    principal: str
    service: str
    token: bytes | None


class _Refused(Exception):
    """The token is refused; the text says why, for the log."""


class Kerberos:
    """Accepts tokens for the service, and with the page for that of browsers, with one keytab."""

    def __init__(self, config: Config) -> None:
        """Check that the keytab has a key of the service; raises StartupError, which says what is missing."""
        self._spnego = import_spnego()
        self._keytab = _readable(config)
        self._host = config.kerberos_hostname or socket.getfqdn()
        self._strip = frozenset(config.kerberos_strip_realms)
        self._admitted = frozenset(config.kerberos_realms) | self._strip
        self._executor = Executor("kerberos", config.hash_threads, config.hash_queue_limit)
        # Airflow does the same: pyspnego has no other way to name an acceptor's keytab.
        os.environ["KRB5_KTNAME"] = f"FILE:{self._keytab}"
        self._services = (SERVICE, _BROWSERS_SERVICE) if config.page else (SERVICE,)
        if unusable := self._unusable(SERVICE):
            raise StartupError(
                f"kerberos_auth: the keytab {self._keytab} has no usable key of {SERVICE}/{self._host}"
                f" ({unusable}); `klist -k {self._keytab}` lists its keys, [windsock] kerberos_hostname"
                " sets the host"
            )
        if config.page and (unusable := self._unusable(_BROWSERS_SERVICE)):
            logger.warning(
                "browsers cannot sign in with Kerberos: the keytab has no usable key of their service",
                extra={"keytab": self._keytab, "service": f"{_BROWSERS_SERVICE}/{self._host}", "reason": unusable},
            )

    async def accept(self, token: bytes, client: str) -> Identity:
        """Return the identity of the token that `client` sent; raises Forbidden.

        Raises Unavailable if the queue is full or the keytab is gone.
        """
        try:
            accepted = await self._executor.run(client, self._step, token)
            user, realm = self._user(accepted)
        except _Refused as error:
            logger.info("a Kerberos token was refused", extra={"reason": str(error)})
            raise Forbidden("Forbidden: the Kerberos token is refused") from error
        if not accepted.token:
            return Identity(user, realm=realm)
        # Airflow spells the scheme like this; clients accept upper and lower case.
        proof = {"WWW-Authenticate": f"negotiate {base64.b64encode(accepted.token).decode()}"}
        return Identity(user, proof, realm=realm)

    def close(self) -> None:
        """End the threads."""
        self._executor.close()

    def _context(self, protocol: str, service: str) -> "spnego.ContextProxy":
        # A full name, so that no other key of the keytab accepts tokens: host and service alone do not exclude other
        # keys.
        name = self._spnego.CredentialCache(f"{service}@{self._host}")
        context: spnego.ContextProxy = self._spnego.server(self._host, service, protocol=protocol, credentials=name)
        return context

    def _unusable(self, service: str) -> str | None:
        """Return why the keytab has no usable key of a service, or None if it has one."""
        try:
            self._context("kerberos", service)
        except (self._spnego.exceptions.SpnegoError, ImportError) as error:
            return reason(error)
        return None

    def _step(self, token: bytes) -> _Accepted:
        refusals = []
        for service in self._services:
            try:
                _check(token)
                return _accepted(self._context("negotiate", service), token)
            except Exception as error:  # noqa: BLE001 - malformed tokens led to many kinds: none lets anybody in
                refusals.append(error)
        raise self._refusal(refusals)

    def _refusal(self, errors: Sequence[Exception]) -> Exception:
        if unusable := self._unusable(SERVICE):
            logger.error("the Kerberos keytab cannot be used", extra={"keytab": self._keytab, "reason": unusable})
            return Unavailable("The server's Kerberos keytab cannot be used at the moment")
        known = (_Refused, self._spnego.exceptions.SpnegoError)
        said = [reason(each) if isinstance(each, known) else type(each).__name__ for each in errors]
        return _Refused("; ".join(dict.fromkeys(said)))

    def _user(self, accepted: _Accepted) -> tuple[str, str]:
        """Return the name of the user, and the realm."""
        client, service = _PRINCIPAL.fullmatch(accepted.principal), _PRINCIPAL.fullmatch(accepted.service)
        if client is None or service is None or client["name"].startswith("WELLKNOWN/"):
            raise _Refused("the ticket names nobody")
        if service["name"].partition("/")[0] not in self._services:
            raise _Refused("the ticket is for another service")
        realm = client["realm"]
        if realm not in (self._admitted or {service["realm"]}):
            raise _Refused(f"the realm {realm} is not admitted")
        return client["name"] if realm in self._strip else accepted.principal, realm


def _check(token: bytes) -> None:
    """Raise _Refused if this is not a first token, or if it would take long to read.

    pyspnego is written in Python, and takes quadratic time for long lists and numbers: a header of 64 KB could cost a
    second.
    """
    begin = _FIRST_TOKEN.match(token)
    if begin is None:
        raise _Refused("the token is neither SPNEGO nor Kerberos")
    tag, end = 0, begin.end() if begin["fields"] else len(token)
    while end < len(token):
        last, tag, size, start = tag, token[end], token[end + 1], end + 2
        if size & 0x80:
            start += size & 0x7F
            size = int.from_bytes(token[end + 2 : start])
        if tag <= last or (tag == _MECHANISMS and size > _LONGEST_LIST):
            raise _Refused("the token is not well-formed, or has too many mechanisms")
        end = start + size


def _accepted(context: "spnego.ContextProxy", token: bytes) -> _Accepted:
    try:
        answer = context.step(token)
    except AttributeError as error:
        # gssapi keeps an error to itself if there is a token for the client (a replay, a wrong clock), and pyspnego
        # then fails.
        raise _Refused(reason(_below(context)._last_err)) from error  # noqa: SLF001 - where gssapi's docs say it is
    if not context.complete or context.negotiated_protocol != "kerberos":
        raise _Refused("the token is not Kerberos, or needs a further round")
    # A C string's terminating NUL was seen in names.
    principal, service = (str(name).rstrip("\0") for name in (context.client_principal, _below(context).target_name))
    return _Accepted(principal, service, answer)


def _below(context: Any) -> Any:  # noqa: ANN401 - a gssapi.SecurityContext
    """Return GSSAPI's own context: pyspnego tells neither the service of a ticket nor why it was refused."""
    return context._context._context  # noqa: SLF001 - there is no other way


KERBEROS = web.AppKey("KERBEROS", Kerberos)


async def startup(app: web.Application) -> None:
    """Check the keytab and the library; raises StartupError."""
    app[KERBEROS] = Kerberos(app[CONFIG])


async def cleanup(app: web.Application) -> None:
    """End the threads."""
    if KERBEROS in app:
        app[KERBEROS].close()


async def authenticate(request: web.Request) -> Identity:
    """Return whose ticket it is; 401 if there is none, 403 if it is refused."""
    sent = request.headers.getall(hdrs.AUTHORIZATION, ())
    if not sent or not any(sent):
        raise Unauthorized("Unauthorized: this server asks for a Kerberos ticket", _CHALLENGE)
    scheme, _, encoded = sent[0].partition(" ")
    try:
        token = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        token = b""
    if len(sent) > 1 or scheme.lower() != "negotiate" or not token:
        raise Forbidden("Forbidden: this server takes one header, `Authorization: Negotiate TOKEN`")
    app = request.app
    return await app[KERBEROS].accept(token, network(app[PROXIES].address(request)))


def client_auth(_config: Config) -> "ClientAuth":
    """Return the client's side: a ticket from the user's cache; the server must prove itself."""
    from windsock.client.negotiate import Negotiate  # noqa: PLC0415 - the server needs none of it

    return Negotiate()


def _readable(config: Config) -> str:
    keytab = config.kerberos_keytab
    if keytab is None:
        raise StartupError("kerberos_auth needs a keytab: set [kerberos] keytab")
    if not keytab.is_file() or not os.access(keytab, os.R_OK):
        raise StartupError(f"kerberos_auth: the keytab {keytab} ([kerberos] keytab) is missing or cannot be read")
    return str(keytab)
