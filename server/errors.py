"""What can go wrong, and the HTTP status and the code for it.

Every error is answered as `{"code": code, "error": message}`; only `server.api.middleware` does this mapping.
Nothing outside of these classes chooses the status of a failure. Programs decide by the code, which stays the same;
the message is for people, and may be reworded.
"""

from collections.abc import Mapping
from typing import NamedTuple, Self

from windsock.protocol import Code


class Restricted(NamedTuple):
    """The end of a message, for those alone who may read all these resources (the names that Airflow's roles have)."""

    text: str
    resources: tuple[str, ...]
    of_the_dag: bool
    """Whether it is enough to read those of the DAG that the request names; if not, only those of all DAGs are."""


class WindsockError(Exception):
    """An error that the caller may read; `status` is the HTTP status, and `headers` are added to the answer.

    Each class has a `code`, and a raise may say a more exact one. `logged` replaces the message in the access log, if
    the message quotes something that must not be logged.
    """

    restricted: Restricted | None = None

    status = 500
    code = Code.INTERNAL_ERROR
    logged: str | None = None

    def __init__(self, message: str, headers: Mapping[str, str] | None = None, *, code: Code | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.headers: Mapping[str, str] = headers or {}
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        """Return the message as it is now."""
        return self.message

    def adding(self, restricted: Restricted | None) -> Self:
        """Add to the message what not everybody may read; nothing if it is None."""
        if restricted is not None:
            self.message += restricted.text
            self.restricted = restricted
        return self

    def without_restricted(self) -> Self:
        """Take out again what was added."""
        if self.restricted is not None:
            self.message = self.message.removesuffix(self.restricted.text)
        return self


class BadRequest(WindsockError):
    """400: the request cannot be understood or is not allowed; the message says what would be right."""

    status = 400
    code = Code.INVALID_REQUEST


class BadConf(BadRequest):
    """400: the `conf` is refused. The message quotes it, and it may hold secrets, so the log omits the message."""

    logged = "`conf` is refused"
    code = Code.INVALID_CONF


class Unauthorized(WindsockError):
    """401: no usable credentials; `headers` carry the challenge (`WWW-Authenticate`)."""

    status = 401
    code = Code.UNAUTHORIZED


class Forbidden(WindsockError):
    """403: the credentials are refused, or the request comes from a place from which it is not allowed."""

    status = 403
    code = Code.FORBIDDEN


class PermissionMissing(Forbidden):
    """403: the caller is known, and lacks a permission, which the message names; nothing was looked at."""

    code = Code.PERMISSION_MISSING

    def __init__(self, permission: object) -> None:
        super().__init__(f"Forbidden: this needs {permission}")


class NotFound(WindsockError):
    """404: what `code` names does not exist."""

    status = 404

    def __init__(self, message: str, code: Code) -> None:
        super().__init__(message, code=code)


class MethodNotAllowed(WindsockError):
    """405: the operator has switched this off, so `Allow` is empty (RFC 9110, 10.2.1). The message names a way."""

    status = 405
    code = Code.METHOD_NOT_ALLOWED

    def __init__(self, message: str) -> None:
        super().__init__(message, {"Allow": ""})


class RequestTimeout(WindsockError):
    """408: the body of the request did not arrive in time."""

    status = 408
    code = Code.REQUEST_TIMEOUT


class Conflict(WindsockError):
    """409: the state of the database does not allow it now; nothing was changed."""

    status = 409

    def __init__(self, message: str, code: Code) -> None:
        super().__init__(message, code=code)


class PayloadTooLarge(WindsockError):
    """413: the body is larger than `[windsock] max_body_size`."""

    status = 413
    code = Code.BODY_TOO_LARGE


class UnsupportedMediaType(WindsockError):
    """415: the body has a Content-Encoding (gzip, ...); Windsock reads plain JSON only."""

    status = 415
    code = Code.UNSUPPORTED_ENCODING


class RangeNotSatisfiable(WindsockError):
    """416: the requested part begins after the end; `Content-Range` has the size of the whole."""

    status = 416
    code = Code.RANGE_NOT_SATISFIABLE

    def __init__(self, message: str, size: int) -> None:
        super().__init__(message, {"Content-Range": f"bytes */{size}"})


class TooManyRequests(WindsockError):
    """429: too many credentials were refused; `Retry-After` is in seconds."""

    status = 429
    code = Code.TOO_MANY_REFUSALS

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message, {"Retry-After": str(retry_after)})


class NotSupported(WindsockError):
    """501: it cannot be done safely with this release of Airflow; the message says what to do instead."""

    status = 501
    code = Code.NOT_SUPPORTED


class Unavailable(WindsockError):
    """503: the database is away, or a queue is full, for the moment; `Retry-After` is in seconds."""

    status = 503
    code = Code.UNAVAILABLE

    def __init__(self, message: str, retry_after: int = 1, *, code: Code | None = None) -> None:
        super().__init__(message, {"Retry-After": str(retry_after)}, code=code)


class SchemaChanged(Unavailable):
    """503: the database is being migrated, or was migrated since the service looked at it; nothing was done."""

    code = Code.SCHEMA_CHANGED

    def __init__(self, message: str) -> None:
        super().__init__(message, 5)


class Locked(Unavailable):
    """503: another transaction holds a row that the request needs; nothing was done."""

    code = Code.LOCKED


class StartupError(Exception):
    """The server refuses to start; the message is one line for its user."""


class NoDatabase(StartupError):
    """The database cannot be reached; the message names it, without its password."""
