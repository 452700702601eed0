"""How one signs in to the page, as it follows from the backends."""

from collections.abc import Mapping

from server.auth.contract import ANYONE, NOBODY, Backend

# The page has a form for these, and the browser does the third by itself.
_BY_SCHEME = {"basic": "password", "bearer": "token", "negotiate": "kerberos"}


def ways(backends: Mapping[str, Backend]) -> list[str]:
    """Return what the backends offer, each once and sorted.

    These are `password`, `token`, `kerberos`, `none` (nobody has to sign in), `closed` (nobody may call the API) and
    `other` (a backend that has its own way, such as a header that a proxy sets).
    """
    return sorted({way for backend in backends.values() for way in _ways_of(backend)})


def _ways_of(backend: Backend) -> list[str]:
    kind = getattr(backend, "KIND", None)
    if kind in {ANYONE, NOBODY}:
        return ["none" if kind == ANYONE else "closed"]
    schemes = getattr(backend, "SCHEMES", ())
    return [_BY_SCHEME[word] for word in schemes if word in _BY_SCHEME] or ["other"]
