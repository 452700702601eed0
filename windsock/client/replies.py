"""What a reply of the API, or of whatever answers in its place, says."""

import json
from typing import Any, NamedTuple

from windsock.client import old_servers
from windsock.client.results import Answer, ApiError, ClientError, Unreachable
from windsock.client.transport import Reply
from windsock.protocol import WARNING_HEADER, Code
from windsock.text import header_safe

_SHOWN = 500
_OK, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _NOT_ALLOWED = 200, 401, 403, 404, 405
_REDIRECTS, _SERVER_ERRORS = range(300, 400), range(500, 600)


class Answers:
    """Reads the answers of one server; `origin` and `base_path` are its address, for people.

    Every method raises what the reply means: Unreachable if what answers there is not the API, else ApiError.
    """

    def __init__(self, origin: str, base_path: str) -> None:
        self._origin = origin
        self._place = origin + base_path

    def value(self, reply: Reply) -> object:
        """Return the JSON of a good answer."""
        self.require(reply, _OK)
        try:
            value: object = json.loads(reply.body)
        except ValueError as error:
            raise self.no_api(reply) from error
        return value

    def object_of(self, reply: Reply, *names: str) -> dict[str, Any]:
        """Return the object of a good answer, which has at least these `names`."""
        value = self.value(reply)
        if isinstance(value, dict) and value.keys() >= set(names):
            return value
        raise self.no_api(reply)

    def list_of(self, reply: Reply) -> list[Answer]:
        """Return the objects of a good answer's list."""
        return self.objects(reply, self.value(reply))

    def objects(self, reply: Reply, value: object) -> list[Answer]:
        """Return `value`, a part of the reply, if it is a list of objects."""
        if isinstance(value, list) and all(isinstance(one, dict) for one in value):
            return value
        raise self.no_api(reply)

    def number(self, reply: Reply, header: str) -> int:
        """Return the number at the end of the header."""
        try:
            return int(reply.headers[header].rpartition("/")[2])
        except (AttributeError, TypeError, ValueError) as error:
            raise self.no_api(reply) from error

    def require(self, reply: Reply, *statuses: int) -> None:
        """Raise what the reply means unless it has one of these statuses."""
        if reply.status not in statuses:
            raise self._failure(reply)

    def known(self, reply: Reply) -> Reply:
        """Return the reply of an endpoint that older servers, and Airflow, do not have; raises ApiError for these."""
        status, (text, code, _) = reply.status, error_of(reply)
        if status == _NOT_ALLOWED or (status == _NOT_FOUND and (text is None or code == Code.ENDPOINT_NOT_FOUND)):
            raise self.too_old(reply)
        return reply

    def too_old(self, reply: Reply) -> ApiError:
        """Build the error for what older servers, and Airflow, do not have."""
        what = f"the server at {self._place} cannot do this: it is an older Windsock, or Airflow itself"
        return ApiError(max(reply.status, _NOT_FOUND), what, shown(reply.body), code=Code.ENDPOINT_NOT_FOUND)

    def no_api(self, reply: Reply) -> Unreachable:
        """Build the error for an answer that the API does not give."""
        return Unreachable(
            f"what answers at {self._place} is not this API; check [cli] endpoint_url", shown(reply.body)
        )

    def _failure(self, reply: Reply) -> ClientError:
        status, (text, code, _) = reply.status, error_of(reply)
        if status in _REDIRECTS:
            elsewhere = reply.headers.get("Location", "another place")
            return Unreachable(f"{self._origin} redirects to {elsewhere}; set [cli] endpoint_url to that server")
        if status == _UNAUTHORIZED:
            return ApiError(status, f"{text or 'Unauthorized'}; {advice_on_credentials(reply)}", code=code)
        if status == _FORBIDDEN:
            return ApiError(status, text or "Forbidden", code=code)
        if status == _NOT_FOUND and (text is None or code == Code.ENDPOINT_NOT_FOUND):
            return self.no_api(reply)
        if status in _SERVER_ERRORS and (text is None or status == _SERVER_ERRORS.start):
            number = reply.headers.get("X-Request-ID", "unknown")
            said = text or f"status {status}"
            return ApiError(status, f"{said}: the server failed; its log says why (request id {number})", code=code)
        return ApiError(status, text or f"The server answered with status {status}", shown(reply.body), code=code)


def shown(body: bytes) -> str:
    """Return the beginning of the answer, on one line."""
    return header_safe(body[:_SHOWN].decode(errors="replace"))


def warning_of(reply: Reply) -> str | None:
    """Return the warning that the reply has, if any, on one line."""
    text = reply.headers.get(WARNING_HEADER)
    return None if text is None else header_safe(text)


class Said(NamedTuple):
    """An error as the API says it: the text is for people, the code for programs.

    The text is None if whatever answers is not the API. If the server `has_codes`, it is a Windsock of today.
    """

    text: str | None
    code: str | None
    has_codes: bool


def error_of(reply: Reply) -> Said:
    """Read the API's error. Without a code from the server, the text that the server is known for stands for one."""
    try:
        body = json.loads(reply.body)
        text, code = body["error"], body.get("code")
    except (ValueError, TypeError, KeyError, AttributeError):
        return Said(None, None, has_codes=False)
    if not isinstance(text, str):
        return Said(None, None, has_codes=False)
    if isinstance(code, str):
        return Said(text, code, has_codes=True)
    return Said(text, old_servers.code_of(reply.status, text), has_codes=False)


# How to give what a server may ask for, by the scheme of its challenge.
_WAYS = {
    "negotiate": "the server wants a Kerberos ticket: run kinit, and set [api] auth_backend = kerberos_auth here too",
    "basic": "set WINDSOCK_USERNAME and WINDSOCK_PASSWORD, or [cli] username and password, or use ~/.netrc",
    "bearer": "set WINDSOCK_TOKEN, or [windsock] token, to a token",
}


def advice_on_credentials(reply: Reply) -> str:
    """Say which credentials the server wants, and where to put them."""
    challenges = reply.headers.get_all("WWW-Authenticate") or []
    wanted = {challenge.partition(" ")[0].lower() for challenge in challenges}
    ways = [way for scheme, way in _WAYS.items() if scheme in wanted] or [_WAYS["basic"]]
    return "; or ".join(ways)
