"""SQLAlchemy's URLs mean to asyncpg what they mean to psycopg2."""

import inspect
import re
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from asyncpg import connect_utils
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from windsock.config import ConfigError, Dsn


def seen(text: str) -> Any:  # noqa: ANN401 - a named tuple of asyncpg's own
    """Return the addresses and parameters that asyncpg makes of a URL."""
    arguments = Dsn.parse(text).connect_arguments()
    parse: Any = vars(connect_utils)["_parse_connect_dsn_and_args"]
    names = inspect.signature(parse).parameters
    return parse(**{name: arguments.get(name) for name in names})


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGSSLMODE", "PGSERVICE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    "scheme",
    ["postgresql", "postgres", "postgresql+psycopg2", "postgresql+asyncpg", "postgresql+psycopg", "postgres+psycopg2"],
)
def test_drivers(scheme: str) -> None:
    """Every driver's URL of PostgreSQL is the same database."""
    addresses, parameters = seen(f"{scheme}://me:pw@db.example:5433/airflow")
    assert addresses == [("db.example", 5433)]
    assert (parameters.user, parameters.password, parameters.database) == ("me", "pw", "airflow")


@pytest.mark.parametrize(
    ("written", "password"),
    [
        ("p%40ss", "p@ss"),
        ("p@ss", "p@ss"),
        ("p%2Fs", "p/s"),
        ("p/s", "p/s"),
        ("p:s", "p:s"),
        ("p#s", "p#s"),
        ("p?s", "p?s"),
        ("p+s", "p+s"),
        ("p%20s%25", "p s%"),
        ("p%C3%A9", "p\u00e9"),
        ("50%", "50%"),
    ],
)
def test_passwords(written: str, password: str) -> None:
    """Percent signs are decoded once, and what SQLAlchemy takes unescaped is taken."""
    addresses, parameters = seen(f"postgresql+psycopg2://me:{written}@h:1/db?sslmode=disable")
    assert addresses == [("h", 1)]
    assert (parameters.password, parameters.database) == (password, "db")


@pytest.mark.parametrize(
    ("url", "addresses"),
    [
        ("postgresql://h/db", [("h", 5432)]),
        ("postgresql://[::1]:5433/db", [("::1", 5433)]),
        ("postgresql://[fe80::1%eth0]/db", [("fe80::1%eth0", 5432)]),
        ("postgresql://a,b:2/db", [("a", 5432), ("b", 2)]),
        ("postgresql://%2Frun%2Fpg/db", ["/run/pg/.s.PGSQL.5432"]),
        ("postgresql:///db?host=/run/pg", ["/run/pg/.s.PGSQL.5432"]),
        ("postgresql://me:pw@/db?host=/run/pg&port=5433", ["/run/pg/.s.PGSQL.5433"]),
        ("postgresql://me@:5433/db?host=/run/pg", ["/run/pg/.s.PGSQL.5433"]),
        ("postgresql://h:1/db?host=a:1&host=b:2", [("a", 1), ("b", 2)]),
        ("postgresql://h/db?host=a,b&port=1,2", [("a", 1), ("b", 2)]),
    ],
)
def test_addresses(url: str, addresses: list[object]) -> None:
    """Hosts, lists of hosts and sockets, before the path or as parameters, which win."""
    assert seen(url)[0] == addresses


def test_no_host_means_the_local_socket() -> None:
    """Without a host the usual sockets are tried, as libpq does."""
    addresses, _ = seen("postgresql+psycopg2://me@/db")
    assert addresses[0] == "/run/postgresql/.s.PGSQL.5432"


def test_parameters_reach_the_server() -> None:
    """application_name and options are settings of the session."""
    _, parameters = seen("postgresql://h/db?application_name=mine&options=-c%20search_path%3Da%2Cb")
    assert parameters.server_settings == {"application_name": "mine", "options": "-c search_path=a,b"}
    assert seen("postgresql://h/db")[1].server_settings == {"application_name": "windsock"}
    assert seen("postgresql://h/db?fallback_application_name=x")[1].server_settings == {"application_name": "x"}


def test_user_password_and_database_as_parameters() -> None:
    """Parameters win over the rest of the URL, as in psycopg2."""
    _, parameters = seen("postgresql://a:b@h/c?user=d&password=e&dbname=f")
    assert (parameters.user, parameters.password, parameters.database) == ("d", "e", "f")


@pytest.mark.parametrize(
    ("mode", "verifies", "checks_name"),
    [
        ("require", ssl.CERT_REQUIRED, False),
        ("verify-ca", ssl.CERT_REQUIRED, False),
        ("verify-full", ssl.CERT_REQUIRED, True),
    ],
)
def test_tls(tmp_path: Path, mode: str, verifies: ssl.VerifyMode, checks_name: bool) -> None:  # noqa: FBT001
    """Sslmode and sslrootcert come through, with blanks and plus signs in the file's name."""
    file = tmp_path / "a c+d.pem"
    file.write_bytes(_certificate())
    quoted = str(file).replace(" ", "%20").replace("+", "%2B")
    _, parameters = seen(f"postgresql://h/db?sslmode={mode}&sslrootcert={quoted}")
    assert (parameters.ssl.verify_mode, parameters.ssl.check_hostname) == (verifies, checks_name)
    assert parameters.database == "db"


def _certificate() -> bytes:
    """Return a certificate of our own, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(datetime(2020, 1, 1, tzinfo=UTC)).not_valid_after(
        datetime(2040, 1, 1, tzinfo=UTC)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def test_tls_off() -> None:
    """Sslmode=disable turns it off, and so does SQLAlchemy's own spelling for asyncpg."""
    assert seen("postgresql://h/db?sslmode=disable")[1].ssl is False
    assert seen("postgresql+asyncpg://h/db?ssl=disable")[1].ssl is False


def test_arguments_of_connect() -> None:
    """Timeout and statement cache are arguments of asyncpg's connect."""
    arguments = Dsn.parse("postgresql://h/db?connect_timeout=3&prepared_statement_cache_size=0").connect_arguments()
    assert (arguments["timeout"], arguments["statement_cache_size"]) == (3, 0)
    assert "timeout" not in Dsn.parse("postgresql://h/db?connect_timeout=0").connect_arguments()


@pytest.mark.parametrize("query", ["keepalives=1&keepalives_idle=30", "client_encoding=utf8", "gssencmode=disable"])
def test_needless_parameters_are_dropped(query: str) -> None:
    """What changes nothing for us is no reason to refuse."""
    assert Dsn.parse(f"postgresql://h/db?{query}") == Dsn.parse("postgresql://h/db")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mysql://u:hidden@h/db", "mysql databases are not supported"),
        ("mysql+mysqldb://u:hidden@h/db", "mysql databases are not supported"),
        ("sqlite:////hidden.db", "sqlite databases are not supported"),
        ("hidden", "expected a database URL such as postgresql://user:password@host:5432/airflow"),
        ("host=h password=hidden", "expected a database URL such as"),
        ("postgresql://u:hidden@h:port/db", "expected host or host:port"),
        ("postgresql://u:hidden@::1/db", "expected host or host:port"),
        ("postgresql://u:hidden@a,,b/db", "expected no empty host"),
        ("postgresql://u:hidden@a,b,c/db?port=1,2", "expected one port, or as many as there are hosts"),
        ("postgresql://u:hidden%ff@h/db", "expected UTF-8"),
        ("postgresql://u:hidden@h/db?sslmode=hidden", "expected one of allow, disable, prefer, require, verify-ca"),
        ("postgresql://u@h/db?sslrootcert=/hidden", "the file that sslrootcert in the database URL names"),
        ("postgresql://u@h/db?hidden_not=1", "the parameter hidden_not of the database URL"),
        ("postgresql://u:hidden@h/db?gssencmode=require", "the parameter gssencmode of the database URL"),
        ("postgresql://u:hidden@h/db?connect_timeout=soon", "expected a whole number as connect_timeout"),
        ("postgresql://u:hidden@h/db?target_session_attrs=best", "expected one of any, prefer-standby, primary"),
    ],
)
def test_refused(url: str, reason: str) -> None:
    """What asyncpg cannot do as asked is refused at the start, without a word of the password."""
    with pytest.raises(ValueError, match=re.escape(reason)) as caught:
        Dsn.parse(url)
    assert "hidden" not in str(caught.value).replace("hidden_not", "")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql+psycopg2://me:hidden@h:5433/db?sslmode=disable", "postgresql://me:***@h:5433/db"),
        ("postgresql://h/db?user=me&password=hidden", "postgresql://me:***@h/db"),
        ("postgresql:///db?host=/run/pg&sslpassword=hidden", "postgresql:///run/pg/db"),
        ("postgresql://[::1]/db", "postgresql://[::1]/db"),
        ("postgresql://a,b/db?port=1", "postgresql://a:1,b:1/db"),
    ],
)
def test_redacted(url: str, shown: str) -> None:
    """Messages may show where the database is, never the password."""
    dsn = Dsn.parse(url)
    assert dsn.redacted() == str(dsn) == shown
    assert "hidden" not in repr(dsn)


def test_unset() -> None:
    """An unset DSN is false, and says what to set when it is used."""
    assert not Dsn.parse("")
    assert not Dsn()
    with pytest.raises(ConfigError, match="no database is configured"):
        Dsn().connect_arguments()


def test_what_is_handed_out_is_a_copy() -> None:
    """Whoever adds to the arguments changes them for nobody else."""
    dsn = Dsn.parse("postgresql://h/db")
    dsn.connect_arguments()["host"] = ["elsewhere"]
    assert dsn.connect_arguments()["host"] == ["h"]
