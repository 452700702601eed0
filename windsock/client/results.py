"""What calls of both clients return and raise."""

from typing import Any, NamedTuple

Answer = dict[str, Any]


class TaskLog(NamedTuple):
    """The log of one try of a task."""

    try_number: int
    text: str


class TaskLogPart(NamedTuple):
    """Some bytes of the log of one try of a task; `size` is the size of the whole log so far."""

    try_number: int
    data: bytes
    size: int


class ClientError(Exception):
    """A call failed; the text is one line for people, and `detail` says more."""

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


class ApiError(ClientError):
    """The API refused the request or failed.

    `status` is the HTTP status, and `code` says in one word what is wrong, for programs: the local client's errors have
    the same. With a server that has no codes, `code` may be None.
    """

    def __init__(self, status: int, message: str, detail: str = "", *, code: str | None = None) -> None:
        super().__init__(message, detail)
        self.status = status
        self.code = code


class Unreachable(ClientError):
    """There was no answer: no connection, a broken connection, a TLS error, a timeout."""
