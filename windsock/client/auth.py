"""Credentials of the JSON client.

A backend that asks for more than user and password also has the client's side, besides `authenticate`:

    def client_auth(config: windsock.config.Config) -> ClientAuth

It is called once, in the client's process, if `[api] auth_backend` names that backend and the caller has neither a
token nor, where another backend takes it, a password. The client imports the module only for this, so its top
should import nothing heavy (aiohttp, GSSAPI) that the client does not need.
"""

import re
from collections.abc import Mapping, Sequence

from windsock.errors import ConfigError

# RFC 6750, 2.1.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")


class ClientAuth:
    """What a client sends to authenticate; this base class sends nothing."""

    def authorize(self, host: str, challenges: Sequence[str]) -> Mapping[str, str]:
        """Return headers for a request to `host` (a name without the port).

        The client calls this before the first request, without challenges, and once more if the answer is a 401: then
        `challenges` are its WWW-Authenticate headers. Return no headers if there is nothing (else) to offer. Once the
        server has set a session cookie, the client calls this only after a 401. Raises ClientError, whose one line says
        what the user can do.
        """
        del host, challenges
        return {}

    def verify(self, challenges: Sequence[str]) -> None:
        """Check the server's side (mutual authentication): `challenges` came with the answer to an authorized request.

        Raises ClientError if the server is not the right one; the client then ignores the answer.
        """


class Bearer(ClientAuth):
    """A bearer token (RFC 6750)."""

    def __init__(self, token: str) -> None:
        """Raises ConfigError, which does not show the token, if it has characters that no token has."""
        if not _TOKEN.fullmatch(token):
            raise ConfigError(
                "the token has characters that a bearer token cannot have: it has letters, digits and - . _ ~ + / ="
            )
        self._token = token

    def authorize(self, host: str, challenges: Sequence[str]) -> Mapping[str, str]:
        """Send it at once; after a 401 there is nothing else to offer, unless a session has ended."""
        del host
        if challenges and not any(challenge.lower().startswith("bearer") for challenge in challenges):
            return {}
        return {"Authorization": f"Bearer {self._token}"}


class Basic(ClientAuth):
    """User and password."""

    def __init__(self, username: str, password: str) -> None:
        self._username, self._password = username, password

    def authorize(self, host: str, challenges: Sequence[str]) -> Mapping[str, str]:
        """Send them at once; after a 401 there is nothing else to offer, unless a session has ended."""
        del host
        if challenges and not any(challenge.lower().startswith("basic") for challenge in challenges):
            return {}
        from base64 import b64encode  # noqa: PLC0415 - needed where somebody has a password

        pair = f"{self._username}:{self._password}".encode(errors="surrogateescape")
        return {"Authorization": f"Basic {b64encode(pair).decode()}"}
