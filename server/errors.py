"""What can go wrong, and the status that a caller sees for it.

Every error is answered as `{"error": message}`; `server.middleware` does the mapping, once.
The table of these classes is the manual: nothing else in the server chooses a status for a failure.
"""

from collections.abc import Mapping


class WindsockError(Exception):
    """An error that a caller may read; `status` is the HTTP status, `headers` go with the answer.

    `logged` is what the access log says instead of the message, where that quotes what the log must not have.
    """

    status = 500
    logged: str | None = None

    def __init__(self, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.headers: Mapping[str, str] = headers or {}


class BadRequest(WindsockError):
    """400: what was sent cannot be understood or is not allowed; the message says what would be right."""

    status = 400


class BadConf(BadRequest):
    """400: the `conf` is refused, in words that quote it; it may hold secrets, so the log does not."""

    logged = "`conf` is refused"


class Unauthorized(WindsockError):
    """401: no usable credentials; `headers` carry the challenge (`WWW-Authenticate`)."""

    status = 401


class Forbidden(WindsockError):
    """403: credentials were refused, or the request comes from where it may not."""

    status = 403


class NotFound(WindsockError):
    """404: the DAG, run, task or pool does not exist."""

    status = 404


class MethodNotAllowed(WindsockError):
    """405: the operator has switched this off, so `Allow` is empty (RFC 9110, 10.2.1); the message names a way."""

    status = 405

    def __init__(self, message: str) -> None:
        super().__init__(message, {"Allow": ""})


class RequestTimeout(WindsockError):
    """408: the body of the request did not arrive in time."""

    status = 408


class Conflict(WindsockError):
    """409: the state of the database forbids it now; nothing was changed."""

    status = 409


class PayloadTooLarge(WindsockError):
    """413: the body is over `[windsock] max_body_size`."""

    status = 413


class UnsupportedMediaType(WindsockError):
    """415: the body is encoded (gzip, ...); Windsock reads plain JSON only."""

    status = 415


class RangeNotSatisfiable(WindsockError):
    """416: the part that was asked for begins behind the end; `Content-Range` says how long the whole is."""

    status = 416

    def __init__(self, message: str, size: int) -> None:
        super().__init__(message, {"Content-Range": f"bytes */{size}"})


class TooManyRequests(WindsockError):
    """429: too many refused credentials; `Retry-After` in seconds."""

    status = 429

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message, {"Retry-After": str(retry_after)})


class Unavailable(WindsockError):
    """503: the database, or room in a queue, is missing for the moment; `Retry-After` in seconds."""

    status = 503

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message, {"Retry-After": str(retry_after)})


class SchemaChanged(Unavailable):
    """503: the database is being migrated, or has been since it was looked at; nothing was done."""

    def __init__(self, message: str) -> None:
        super().__init__(message, 5)


class Locked(Unavailable):
    """503: another transaction holds a row that the request needs; nothing was done."""


class StartupError(Exception):
    """The server refuses to start; the message is the one line that its user needs."""


class NoDatabase(StartupError):
    """The database cannot be reached; the message names it, without its password."""
