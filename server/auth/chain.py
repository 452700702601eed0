"""The chain of backends: the scheme word of a request's `Authorization` says which one authenticates it."""

import re
from collections.abc import Mapping, Sequence
from typing import cast

from aiohttp import hdrs, web
from multidict import CIMultiDict

from server.auth.backends import ALIASES, load_backend
from server.auth.contract import ANY_SCHEME, Backend, Identity
from server.errors import StartupError, Unauthorized, WindsockError

_SCHEME = re.compile(r"[a-z0-9!#$%&'+.^_`|~-]+|\*")
_ALONE = ("auth_backends.default", "auth_backends.deny_all")
_HOOKS = ("startup", "cleanup")


class Chain:
    """The backends that are configured, by the dotted names of their modules, in their order."""

    def __init__(self, backends: Mapping[str, Backend]) -> None:
        """Use these; raises StartupError if it is not clear which of them is for a request."""
        self.backends = backends
        self.check_host = any(getattr(backend, "CHECK_HOST", False) for backend in backends.values())
        self._only: tuple[str, Backend] | None = next(iter(backends.items())) if len(backends) == 1 else None
        self._by_scheme = {} if self._only else _by_scheme(backends)

    async def authenticate(self, request: web.Request) -> Identity:
        """Return who the caller is; raises Unauthorized with the challenges of all backends, and what they raise."""
        if self._only is None:
            return await self._by_word(request)
        name, backend = self._only
        return _named(await backend.authenticate(request), name)

    async def stamp(self, app: web.Application, identity: Identity) -> str | None:
        """Return the text that sessions of this identity depend on; None if its backend does not know it any more."""
        backend = self.backends.get(identity.backend)
        if backend is None or identity.user is None:
            return None
        if not hasattr(backend, "session_stamp"):
            return ""
        return cast("str | None", await backend.session_stamp(app, identity.user))

    def install(self, app: web.Application) -> None:
        """Let the hooks of all backends run with the application."""
        for backend in self.backends.values():
            for hook, signal in zip(_HOOKS, (app.on_startup, app.on_cleanup), strict=True):
                if hasattr(backend, hook):
                    signal.append(getattr(backend, hook))

    async def _by_word(self, request: web.Request) -> Identity:
        sent: Sequence[str] = request.headers.getall(hdrs.AUTHORIZATION, ())
        if not any(sent):
            return await self._without(request)
        word = sent[0].lstrip().partition(" ")[0].lower()
        name = self._by_scheme.get(word) or self._by_scheme.get(ANY_SCHEME)
        if len(sent) > 1 or name is None:
            why = f"this server takes {self._words()}"
            if len(sent) > 1:
                why = "there is more than one Authorization header"
            raise Unauthorized(f"Unauthorized: {why}", await self._challenges(request))
        try:
            return _named(await self.backends[name].authenticate(request), name)
        except Unauthorized as error:
            error.headers = await self._challenges(request)
            raise

    async def _without(self, request: web.Request) -> Identity:
        """Ask each backend: one may look at something else than `Authorization`, such as another header."""
        challenges = CIMultiDict[str]()
        for name, backend in self.backends.items():
            try:
                return _named(await backend.authenticate(request), name)
            except Unauthorized as error:
                challenges.extend(error.headers)
        raise Unauthorized(f"Unauthorized: this server asks for credentials: {self._words()}", challenges)

    async def _challenges(self, request: web.Request) -> Mapping[str, str]:
        """Return what the backends say to the request without its credentials."""
        bare = request.clone(headers={name: value for name, value in request.headers.items() if _is_kept(name, value)})
        challenges = CIMultiDict[str]()
        for backend in self.backends.values():
            try:
                await backend.authenticate(bare)
            except WindsockError as error:
                if isinstance(error, Unauthorized):
                    challenges.extend(error.headers)
        return challenges

    def _words(self) -> str:
        return " or ".join(word.title() for word in self._by_scheme if word != ANY_SCHEME)


def load_chain(names: Sequence[str]) -> Chain:
    """Import the backends with these names or aliases; raises StartupError, which says what is wrong with them."""
    found: dict[str, Backend] = {}
    for name in names:
        path = ALIASES.get(name, name)
        if path in found:
            raise StartupError(f"[api] auth_backend = {', '.join(names)}: {path} is in it twice; leave one of them out")
        found[path] = load_backend(name)
    if len(found) > 1 and (alone := next((path for path in _ALONE if path in found), None)):
        word, others = alone.rpartition(".")[2], "everybody" if alone == _ALONE[0] else "nobody"
        raise StartupError(
            f"[api] auth_backend = {', '.join(names)}: {word} lets {others} in, so there can be no other backend"
            " beside it; name either it or the others"
        )
    return Chain(found)


def _by_scheme(backends: Mapping[str, Backend]) -> Mapping[str, str]:
    """Return the names of the backends by their scheme words."""
    found: dict[str, str] = {}
    for name, backend in backends.items():
        for word in _schemes(name, backend):
            if word in found:
                what = "every other scheme" if word == ANY_SCHEME else f"the scheme {word}"
                raise StartupError(
                    f"[api] auth_backend: both {found[word]} and {name} are for {what} (SCHEMES), so it is not clear"
                    " which one a request is for; use one of them"
                )
            found[word] = name
    return found


def _schemes(name: str, backend: Backend) -> Sequence[str]:
    if not hasattr(backend, "SCHEMES"):
        raise StartupError(
            f"[api] auth_backend: {name} can only be used alone, because it does not say which requests are for it:"
            ' it lacks SCHEMES, such as SCHEMES = ("bearer",); see docs/authentication.md'
        )
    words = backend.SCHEMES
    if not isinstance(words, (tuple, list, set, frozenset)) or not all(
        isinstance(word, str) and _SCHEME.fullmatch(word) for word in words
    ):
        raise StartupError(
            f"[api] auth_backend: SCHEMES of {name} must be a tuple of scheme words in lower case, such as"
            ' ("bearer",), or "*" for any other'
        )
    return sorted(words)


def _is_kept(name: str, value: str) -> bool:
    # aiohttp makes bytes of a clone's headers, and fails for what is not UTF-8.
    return name.title() != hdrs.AUTHORIZATION and value.isprintable() and name.isascii()


def _named(identity: Identity, backend: str) -> Identity:
    if identity.backend == backend:
        return identity
    return Identity(identity.user, identity.headers, backend, identity.realm)
