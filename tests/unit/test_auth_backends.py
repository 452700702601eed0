"""Loading backends: each name that Airflow has, and every way in which one does not fit."""

import sys
from pathlib import Path

import pytest

from server.auth import ALIASES, load_backend, load_chain
from server.errors import StartupError

GOOD = "async def authenticate(request):\n    raise NotImplementedError\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that modules are imported from."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    return tmp_path


def test_every_alias_leads_to_a_backend() -> None:
    """The five of ours, by all of their names."""
    assert {load_backend(name).__name__ for name in ALIASES} == {  # type: ignore[attr-defined]
        "auth_backends.default", "auth_backends.deny_all", "auth_backends.password_auth", "auth_backends.kerberos_auth",
        "auth_backends.token_auth",
    }  # fmt: skip


def test_a_module_of_ones_own(folder: Path) -> None:
    """By its dotted path."""
    (folder / "company").mkdir()
    (folder / "company" / "sso.py").write_text(GOOD)
    assert load_backend("company.sso")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("", r"stranger\.py\) lacks `async def authenticate"),
        ("def authenticate(request): pass", "must be an `async def`"),
        ("async def authenticate(): pass", r"must take the arguments \(request\)"),
        (GOOD + "def startup(app): pass", "`startup` must be an `async def`"),
        (GOOD + "async def cleanup(): pass", r"`cleanup` must take the arguments \(app\)"),
        (GOOD + "async def session_stamp(app): pass", r"must take the arguments \(app, user\)"),
        (GOOD + "def roles(app, user): pass", "`roles` must be an `async def`"),
        (GOOD + "async def roles(user): pass", r"`roles` must take the arguments \(app, user\)"),
        (GOOD + "KIND = 'user'", "`KIND` must be one of users, principals, tokens, anyone"),
        ("def init_app(app): pass\ndef requires_authentication(f): return f", "Airflow's Flask application"),
        ("import no_such_thing", r"stranger\.py\) failed: it needs the module no_such_thing"),
        ("raise SystemExit(0)", r"stranger\.py\) failed: SystemExit"),
        ("1 / 0", r"stranger\.py\) failed: ZeroDivisionError"),
        ("def (", r"failed: SyntaxError"),
    ],
)
def test_what_does_not_fit_is_named(folder: Path, source: str, reason: str) -> None:
    """Module, file and what is missing, in one line."""
    (folder / "stranger.py").write_text(source)
    with pytest.raises(StartupError, match=reason) as caught:
        load_backend("stranger")
    assert "[api] auth_backend = stranger" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["no_such_module", "auth_backends.nope", "..", "a..b", " "])
def test_a_name_of_nothing(name: str) -> None:
    """It never falls back to another; the choices are named."""
    with pytest.raises(StartupError, match="password_auth"):
        load_backend(name)


OWN = GOOD + "SCHEMES = {}\n"


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (("password_auth", "default"), "default lets everybody in, so there can be no other"),
        (("airflow.api.auth.backend.deny_all", "kerberos_auth"), "deny_all lets nobody in, so there can be no other"),
        (("password_auth", "airflow.api.auth.backend.basic_auth"), "auth_backends.password_auth is in it twice"),
        (("kerberos_auth", "mute"), "mute can only be used alone.* it lacks SCHEMES"),
        (("bearer", "plain", "again"), "both bearer and again are for the scheme bearer"),
        (("password_auth", "rest"), "both auth_backends.password_auth and rest are for every other scheme"),
        (("password_auth", "text"), "SCHEMES of text must be a tuple of scheme words in lower case"),
        (("password_auth", "upper"), "SCHEMES of upper must be a tuple"),
        (("password_auth", "no_such"), "there is no module no_such"),
    ],
)
def test_what_cannot_stand_together_is_named(folder: Path, names: tuple[str, ...], reason: str) -> None:
    """In one line, before anything is served."""
    modules = {
        "mute": GOOD, "bearer": OWN.format("('bearer',)"), "plain": OWN.format("['token']"),
        "again": OWN.format("('bearer', 'x-mine')"), "rest": OWN.format("('*',)"), "text": OWN.format("'bearer'"),
        "upper": OWN.format("('Bearer',)"),
    }  # fmt: skip
    for name, source in modules.items():
        (folder / f"{name}.py").write_text(source)
    with pytest.raises(StartupError, match=reason) as caught:
        load_chain(names)
    assert "[api] auth_backend" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_alone_needs_no_schemes(folder: Path) -> None:
    """All requests are for it, as before."""
    (folder / "mute.py").write_text(GOOD)
    assert list(load_chain(["mute"]).backends) == ["mute"]
    assert list(load_chain(["kerberos_auth", "password_auth"]).backends) == [
        "auth_backends.kerberos_auth", "auth_backends.password_auth",
    ]  # fmt: skip
