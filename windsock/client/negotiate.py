"""The client's side of Kerberos: a ticket from the user's cache, and the check of the server's proof.

It uses GSSAPI itself, whose SPNEGO offers only Kerberos here; without a ticket, pyspnego's falls back to NTLM.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from windsock.client.auth import ClientAuth
from windsock.client.results import ClientError
from windsock.kerberos import SERVICE, import_gssapi, reason


class Negotiate(ClientAuth):
    """Sends a new token with each request that needs one: a server accepts no token twice."""

    def __init__(self) -> None:
        """Raises ConfigError if the Kerberos library is missing."""
        self._gssapi = import_gssapi()
        self._context: Any = None

    def authorize(self, host: str, challenges: Sequence[str]) -> Mapping[str, str]:
        """Return a token for `airflow@host` once the server asks for one; raises ClientError if there is no ticket."""
        if not any(challenge.lower().startswith("negotiate") for challenge in challenges):
            return {}
        name = self._gssapi.Name(f"{SERVICE}@{host}", self._gssapi.NameType.hostbased_service)
        spnego = self._gssapi.OID.from_int_seq("1.3.6.1.5.5.2")
        flags = self._gssapi.RequirementFlag
        try:
            self._context = self._gssapi.SecurityContext(
                name=name, mech=spnego, usage="initiate", flags=flags.mutual_authentication | flags.replay_detection
            )
            token = self._context.step()
        except self._gssapi.exceptions.GSSError as error:
            raise ClientError(
                f"the server asks for a Kerberos ticket for {SERVICE}@{host}: run kinit", reason(error)
            ) from error
        return {"Authorization": f"Negotiate {base64.b64encode(token).decode()}"}

    def verify(self, challenges: Sequence[str]) -> None:
        """Raise ClientError unless the answer has the token that only the holder of the service's key can make."""
        if self._context is None:
            return
        for challenge in challenges:
            scheme, _, encoded = challenge.partition(" ")
            if scheme.lower() == "negotiate" and encoded and self._completes(encoded):
                return
        raise ClientError("the server did not prove its identity (Kerberos mutual authentication)")

    def _completes(self, encoded: str) -> bool:
        try:
            self._context.step(base64.b64decode(encoded.strip(), validate=True))
        except (binascii.Error, self._gssapi.exceptions.GSSError):
            return False
        return bool(self._context.complete)
