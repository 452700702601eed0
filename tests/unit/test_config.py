"""Where options come from, which of them wins, and what is said of those that cannot be used."""

import dataclasses
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from windsock.config import Config, ConfigError, check_exposure, load_config

Write = Callable[[str], dict[str, str]]
DSN = "postgresql://u:p@h/db"


@pytest.fixture(autouse=True)
def _no_airflow_at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep away the ~/airflow/airflow.cfg of whoever runs the tests."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def cfg(tmp_path: Path) -> Write:
    """Return a function that writes airflow.cfg and returns the environment that finds it."""

    def write(text: str) -> dict[str, str]:
        (tmp_path / "airflow.cfg").write_text(text, encoding="utf-8")
        return {"AIRFLOW_HOME": str(tmp_path)}

    return write


def load(env: dict[str, str], **more: object) -> Config:
    """Load without asking for a database."""
    return load_config(env, database="none", **more)  # type: ignore[arg-type]


def refused(env: dict[str, str]) -> str:
    """Return the message of the ConfigError that loading `env` raises."""
    with pytest.raises(ConfigError) as caught:
        load_config(env)
    return str(caught.value)


class TestPlaces:
    """Airflow's places, in Airflow's order; [windsock] first of all."""

    def test_no_file_gives_the_defaults(self, tmp_path: Path) -> None:
        """Without a file and variables the documented defaults hold."""
        config = load({"AIRFLOW_HOME": str(tmp_path)})
        assert (config.host, config.port, config.base_path) == ("127.0.0.1", 8080, "")
        assert config.dags_folder == tmp_path / "dags"
        assert (config.auth_backend, config.auth_backend_explicit) == (("default",), False)
        assert (config.max_body_size, config.default_timezone, config.secret_key) == (1048576, "UTC", None)
        assert config.warnings == ()

    def test_file_of_airflow_home(self, cfg: Write) -> None:
        """$AIRFLOW_HOME/airflow.cfg is read."""
        assert load(cfg("[webserver]\nweb_server_port = 9\n")).port == 9

    def test_airflow_config_wins_over_airflow_home(self, cfg: Write, tmp_path: Path) -> None:
        """$AIRFLOW_CONFIG names the file itself."""
        other = tmp_path / "other.cfg"
        other.write_text("[webserver]\nweb_server_port = 7\n")
        assert load(cfg("[webserver]\nweb_server_port = 9\n") | {"AIRFLOW_CONFIG": str(other)}).port == 7

    def test_home_is_the_default(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without both variables ~/airflow/airflow.cfg is read."""
        monkeypatch.setenv("HOME", str(tmp_path))
        (tmp_path / "airflow").mkdir()
        (tmp_path / "airflow" / "airflow.cfg").write_text("[webserver]\nweb_server_port = 5\n")
        assert load({}).port == 5

    def test_named_file_must_exist(self, tmp_path: Path) -> None:
        """A mistyped $AIRFLOW_CONFIG does not silently give the defaults."""
        missing = tmp_path / "no.cfg"
        assert refused({"AIRFLOW_CONFIG": str(missing)}).startswith(f"{missing}: AIRFLOW_CONFIG names this file")

    def test_environment_wins_over_the_file(self, cfg: Write) -> None:
        """AIRFLOW__SECTION__KEY overrides the file, and an empty one does not."""
        env = cfg("[webserver]\nweb_server_port = 9\n")
        assert load(env | {"AIRFLOW__WEBSERVER__WEB_SERVER_PORT": "10"}).port == 10
        assert load(env | {"AIRFLOW__WEBSERVER__WEB_SERVER_PORT": ""}).port == 9

    def test_windsock_wins_over_airflow(self, cfg: Write) -> None:
        """[windsock] in the file wins even over Airflow's key in the environment."""
        env = cfg("[windsock]\nport = 8081\n[api]\nport = 8082\n") | {"AIRFLOW__WEBSERVER__WEB_SERVER_PORT": "8083"}
        assert load(env).port == 8081
        assert load(env | {"AIRFLOW__WINDSOCK__PORT": "8084"}).port == 8084

    def test_newer_generation_wins(self, cfg: Write) -> None:
        """A file that was upgraded has both spellings; the newer Airflow's counts, as it does there."""
        text = "[core]\nsql_alchemy_conn = sqlite:////old\n[database]\nsql_alchemy_conn = postgresql://new/db\n"
        assert str(load_config(cfg(text)).dsn) == "postgresql://new/db"
        assert load(cfg("[webserver]\nweb_server_port = 1\n[api]\nport = 2\n")).port == 2

    def test_old_name_in_the_environment_wins_over_the_file(self, cfg: Write) -> None:
        """The environment as a whole comes before the file, whatever the spelling."""
        env = cfg("[database]\nsql_alchemy_conn = postgresql://file/db\n")
        env["AIRFLOW__CORE__SQL_ALCHEMY_CONN"] = "postgresql://env/db"
        assert str(load_config(env).dsn) == "postgresql://env/db"

    def test_overrides_win_and_defaults_lose(self, cfg: Write) -> None:
        """The command line wins over all, a command's own default loses against all; None is no override."""
        env = cfg("[windsock]\nport = 1\n")
        assert load(env, overrides={"port": "2"}).port == 2
        assert load(env, overrides={"port": 3}).port == 3
        assert load(env, overrides={"port": None}).port == 1
        paused = {"dags_are_paused_at_creation": "False"}
        assert load(env, defaults=paused).dags_are_paused_at_creation is False
        env = cfg("[core]\ndags_are_paused_at_creation = True\n")
        assert load(env, defaults=paused).dags_are_paused_at_creation is True

    def test_override_of_an_unknown_field_is_a_mistake_of_ours(self) -> None:
        """A field that does not exist cannot be overridden."""
        with pytest.raises(TypeError, match="prot"):
            load({}, overrides={"prot": 1})

    def test_bad_override_names_the_option(self) -> None:
        """What is wrong on the command line is said of the command line."""
        with pytest.raises(ConfigError, match=r"^--port = x: expected a whole number from 0 to 65535$"):
            load({}, overrides={"port": "x"})

    def test_sources_say_where(self, cfg: Write, tmp_path: Path) -> None:
        """Each option that was set knows where."""
        env = cfg("[windsock]\nport = 1\n") | {"AIRFLOW__WINDSOCK__HOST": "::1"}
        sources = load(env, overrides={"workers": 2}).sources
        assert sources["port"] == f"{tmp_path}/airflow.cfg [windsock] port"
        assert (sources["host"], sources["workers"]) == ("AIRFLOW__WINDSOCK__HOST", "--workers")
        assert "base_path" not in sources

    def test_config_can_be_sent_to_another_process(self) -> None:
        """Workers get the configuration that their parent has read."""
        config = load_config({"AIRFLOW__CORE__SQL_ALCHEMY_CONN": DSN})
        assert pickle.loads(pickle.dumps(config)) == config  # noqa: S301 - our own


class TestTexts:
    """How the file and the variables are read."""

    def test_percent_signs(self, cfg: Write) -> None:
        """Airflow's file doubles percent signs, a hand-written one need not; variables are taken as they are."""
        for password in ("a%%40b", "a%40b"):
            dsn = load_config(cfg(f"[core]\nsql_alchemy_conn = postgresql://u:{password}@h/db\n")).dsn
            assert dsn.connect_arguments()["password"] == "a@b"
        env = {"AIRFLOW__CORE__SQL_ALCHEMY_CONN": "postgresql://u:a%40b@h/db"}
        assert load_config(env).dsn.connect_arguments()["password"] == "a@b"

    def test_nothing_is_interpolated(self, cfg: Write) -> None:
        """%(...)s in any section is only text."""
        env = cfg("[logging]\nlog_format = %(asctime)s %(x\n[webserver]\nweb_server_port = 9\n")
        assert load(env).port == 9

    def test_variables_are_expanded(self, cfg: Write) -> None:
        """$NAME and ${NAME} are the environment's, as in Airflow; what is not there stays."""
        env = cfg("[core]\nsql_alchemy_conn = postgresql://$U:${P}@h/$NO\n") | {"U": "me", "P": "secret"}
        arguments = load_config(env).dsn.connect_arguments()
        assert (arguments["user"], arguments["password"], arguments["database"]) == ("me", "secret", "$NO")

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("sql_alchemy_conn = secret\n", "line 1: expected a section such as [core] before it"),
            ("[core]\nx = 1\nsecret\n", "line 3: expected `key = value`"),
            ("[core]\nx = 1\nx = secret\n", "line 3: [core] x appears twice"),
            ("[core]\nx = 1\n[core]\n", "line 3: the section [core] appears twice"),
        ],
    )
    def test_broken_file(self, cfg: Write, tmp_path: Path, text: str, reason: str) -> None:
        """A file that cannot be parsed is refused with the line's number and without its text."""
        assert refused(cfg(text)) == f"{tmp_path}/airflow.cfg: {reason}"

    def test_file_that_is_no_text(self, cfg: Write, tmp_path: Path) -> None:
        """Bytes that are not UTF-8 are refused."""
        env = cfg("")
        (tmp_path / "airflow.cfg").write_bytes(b"[core]\nx = \xff\n")
        assert refused(env).endswith("is not UTF-8 text")

    def test_file_that_is_a_folder(self, tmp_path: Path) -> None:
        """What cannot be opened is refused with the reason."""
        assert refused({"AIRFLOW_CONFIG": str(tmp_path)}) == f"{tmp_path}: cannot be read: Is a directory"


class TestCommands:
    """`_cmd`: a program prints the secret."""

    def test_program_of_the_file(self, cfg: Write) -> None:
        """The output without blanks around it is the value, and is not expanded."""
        env = cfg("[core]\nsql_alchemy_conn_cmd = echo 'postgresql://u:$P@h/db'\n") | {
            "P": "no",
            "PATH": "/usr/bin:/bin",
        }
        assert load_config(env).dsn.connect_arguments()["password"] == "$P"

    def test_program_of_the_environment(self, cfg: Write) -> None:
        """AIRFLOW__..._CMD wins over the file's plain value."""
        env = cfg("[webserver]\nsecret_key = from the file, long enough\n")
        env |= {"AIRFLOW__WEBSERVER__SECRET_KEY_CMD": "echo sixteen characters", "PATH": "/usr/bin:/bin"}
        assert load(env).secret_key == "sixteen characters"

    def test_plain_value_wins_over_the_program(self, cfg: Write) -> None:
        """In one place the plain value comes first and the program is not run."""
        env = cfg(f"[core]\nsql_alchemy_conn = {DSN}\nsql_alchemy_conn_cmd = false\n")
        assert load_config(env).dsn

    @pytest.mark.parametrize(
        ("command", "reason"),
        [
            (f"{sys.executable} -c \"print('hidden'); raise SystemExit(3)\"", "exit status 3"),
            ("/nowhere/to/be/found", "No such file or directory"),
            ("true", "it printed nothing"),
            ('echo "', "it is not a command line"),
            ("printf '\\377'", "its output is not UTF-8"),
        ],
    )
    def test_failure(self, cfg: Write, tmp_path: Path, command: str, reason: str) -> None:
        """A program that fails is named by its place; neither its words nor its output are shown."""
        env = cfg(f"[core]\nsql_alchemy_conn_cmd = {command}\n") | {"PATH": "/usr/bin:/bin"}
        place = f"{tmp_path}/airflow.cfg [core] sql_alchemy_conn_cmd"
        assert refused(env) == f"{place}: the command failed: {reason}"

    def test_only_secrets_have_programs(self, cfg: Write) -> None:
        """A port is never asked of a program."""
        assert load(cfg("[webserver]\nweb_server_port_cmd = echo 9\n")).port == 8080

    def test_program_is_not_run_without_need(self, cfg: Write) -> None:
        """A client over HTTP does not run what gives the server its database."""
        assert not load(cfg("[core]\nsql_alchemy_conn_cmd = false\n")).dsn

    def test_program_is_run_once_for_a_client(self, cfg: Write, tmp_path: Path) -> None:
        """For one that works straight on the database; one over HTTP does not run it."""
        count = tmp_path / "count"
        program = f"sh -c 'echo x >> {count}; echo {DSN}'"
        env = cfg(f"[core]\nsql_alchemy_conn_cmd = {program}\n") | {"PATH": "/usr/bin:/bin"}
        assert load_config(env, database="client").dsn
        assert count.read_text() == "x\n"
        assert not load_config(env, database="client", overrides={"api_client": "json"}).dsn
        assert not load_config({**env, "AIRFLOW__CLI__API_CLIENT": "json"}, database="client").dsn
        assert count.read_text() == "x\n"


class TestClients:
    """`[cli] api_client` says what a client needs."""

    def test_the_local_client_needs_a_database(self, cfg: Write) -> None:
        """It is the default."""
        with pytest.raises(ConfigError, match="no database is configured"):
            load_config(cfg(""), database="client")

    def test_another_name_is_refused(self, cfg: Write) -> None:
        """By its place."""
        with pytest.raises(ConfigError, match="api_client = xml: expected"):
            load_config(cfg("[cli]\napi_client = xml\n"), database="client")

    def test_what_stands_in_for_a_database_goes_as_a_whole(self, cfg: Write, tmp_path: Path) -> None:
        """The logs of a default database are not those of another one that is set."""
        defaults = {"dsn": "postgresql://here/x", "base_log_folder": str(tmp_path)}
        found = load_config(cfg(""), database="client", defaults=defaults)
        assert (found.dsn.connect_arguments()["host"], found.base_log_folder) == (["here"], tmp_path)
        found = load_config(cfg(f"[core]\nsql_alchemy_conn = {DSN}\n"), database="client", defaults=defaults)
        assert found.dsn.connect_arguments()["host"] == ["h"]
        assert found.base_log_folder != tmp_path


class TestDatabaseUse:
    """Who needs which database."""

    def test_server_needs_one(self, cfg: Write) -> None:
        """Without a database the message names the option and the other way to run."""
        message = refused(cfg(""))
        assert "[core] sql_alchemy_conn" in message
        assert "windsock standalone" in message

    def test_server_refuses_others(self, cfg: Write, tmp_path: Path) -> None:
        """Airflow's default, SQLite, is refused with a clear sentence."""
        message = refused(cfg("[core]\nsql_alchemy_conn = sqlite:////home/me/airflow.db\n"))
        assert message.startswith(f"{tmp_path}/airflow.cfg [core] sql_alchemy_conn: expected a PostgreSQL URL")
        assert "sqlite databases are not supported" in message
        assert "/home/me" not in message

    def test_standalone_ignores_an_airflows(self, cfg: Write) -> None:
        """Standalone never takes the database of an Airflow, only one that [windsock] names."""
        env = cfg("[core]\nsql_alchemy_conn = postgresql://production/airflow\n")
        env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = "postgresql://production/airflow"
        assert not load_config(env, database="windsock").dsn
        env["AIRFLOW__WINDSOCK__SQL_ALCHEMY_CONN"] = "postgresql://mine/db"
        assert str(load_config(env, database="windsock").dsn) == "postgresql://mine/db"

    def test_standalone_reads_windsock_alone_of_an_airflows_file(self, cfg: Write, tmp_path: Path) -> None:
        """A file that names a database is an Airflow's; one that names none is read as a whole."""
        text = "[webserver]\nweb_server_port = 9\n[windsock]\nworkers = 2\n"
        config = load_config(cfg(text), database="windsock")
        assert (config.port, config.workers, config.warnings) == (9, 2, ())
        for database in ("[core]\nsql_alchemy_conn = x\n", "[database]\nsql_alchemy_conn_cmd = false\n"):
            config = load_config(cfg(text + database), database="windsock")
            assert (config.port, config.workers) == (8080, 2)
            assert config.warnings[0].startswith(f"{tmp_path}/airflow.cfg belongs to an Airflow")

    def test_override(self) -> None:
        """The embedded database is handed over as an override."""
        config = load_config({}, overrides={"dsn": "postgresql:///db?host=/run/x"}, database="windsock")
        assert config.dsn.connect_arguments()["host"] == ["/run/x"]

    def test_password_is_in_no_text(self) -> None:
        """Neither the configuration nor the DSN shows secrets when printed."""
        env = {
            "AIRFLOW__CORE__SQL_ALCHEMY_CONN": "postgresql://u:hidden@h/db",
            "AIRFLOW__WEBSERVER__SECRET_KEY": "hidden and long enough",
            "AIRFLOW__CLI__ENDPOINT_URL": "http://u:hidden@h",
        }
        config = load_config(env)
        assert "hidden" not in f"{config!r} {config} {config.dsn!r} {config.dsn}"


class TestValues:
    """What each kind of option takes."""

    @pytest.mark.parametrize(
        ("name", "text", "value"),
        [
            ("WEBSERVER__RBAC", "True", True),
            ("WEBSERVER__RBAC", "t # comment", True),
            ("WEBSERVER__RBAC", "0", False),
            ("CORE__DEFAULT_TIMEZONE", "utc", "UTC"),
            ("CORE__DEFAULT_TIMEZONE", "System", "system"),
            ("CORE__DEFAULT_TIMEZONE", "Europe/Amsterdam", "Europe/Amsterdam"),
            ("WINDSOCK__HOST", "[::1]", "::1"),
            ("WINDSOCK__BASE_PATH", "/", ""),
            ("WINDSOCK__BASE_PATH", "/a/b-c/", "/a/b-c"),
            ("WEBSERVER__BASE_URL", "https://airflow.example.com/x/", "https://airflow.example.com/x"),
            ("WINDSOCK__BODY_TIMEOUT", "0.5", 0.5),
            ("WINDSOCK__LOG_LEVEL", "warn", "WARNING"),
            ("WINDSOCK__LOG_FORMAT", "JSON", "json"),
            ("LOGGING__LOGGING_LEVEL", "debug", "DEBUG"),
            ("KERBEROS__KEYTAB", "/etc/x.keytab", Path("/etc/x.keytab")),
            ("KERBEROS__KEYTAB", "airflow.keytab", None),
        ],
    )
    def test_taken(self, name: str, text: str, value: object) -> None:
        """The text becomes the typed value."""
        config = load({f"AIRFLOW__{name}": text})
        (field,) = config.sources
        assert getattr(config, field) == value

    @pytest.mark.parametrize(
        ("name", "text", "right"),
        [
            ("WINDSOCK__PORT", "70000", "a whole number from 0 to 65535"),
            ("WINDSOCK__PORT", "-1", "a whole number from 0 to 65535"),
            ("WINDSOCK__PORT", "٣", "a whole number from 0 to 65535"),
            ("WINDSOCK__WORKERS", "0", "a whole number from 1 to 256"),
            ("WINDSOCK__BODY_TIMEOUT", "nan", "a number of seconds from 0.1 to 3600"),
            ("WEBSERVER__RBAC", "maybe", "True or False"),
            ("CORE__DEFAULT_TIMEZONE", "Mars/Olympus", "utc, system or an IANA name"),
            ("CORE__DEFAULT_TIMEZONE", "../../etc/passwd", "utc, system or an IANA name"),
            ("CORE__DEFAULT_TIMEZONE", "Europe", "utc, system or an IANA name"),
            ("CORE__DAGS_FOLDER", "dags", "an absolute path"),
            ("WINDSOCK__HOST", "http://localhost", "an IP address or a host name"),
            ("WINDSOCK__BASE_PATH", "windsock", "a path such as /windsock"),
            ("WINDSOCK__BASE_PATH", "/a/../b", "a path such as /windsock"),
            ("WINDSOCK__BASE_PATH", "/a//b", "a path such as /windsock"),
            ("WEBSERVER__BASE_URL", "localhost:8080", "a URL such as http://localhost:8080"),
            ("WEBSERVER__BASE_URL", "http://h:port", "a URL such as http://localhost:8080"),
            ("WEBSERVER__BASE_URL", "http://[h", "a URL such as http://localhost:8080"),
            ("WINDSOCK__LOG_LEVEL", "loud", "one of DEBUG, INFO, WARNING, ERROR, CRITICAL"),
            ("WINDSOCK__LOG_FORMAT", "xml", "one of auto, json, console"),
            ("CLI__API_CLIENT", "two words", "one word without blanks"),
        ],
    )
    def test_refused(self, name: str, text: str, right: str) -> None:
        """What cannot be used is refused, with its place, its text and what would be right."""
        with pytest.raises(ConfigError) as caught:
            load({f"AIRFLOW__{name}": text})
        assert str(caught.value).startswith(f"AIRFLOW__{name} = {text}: expected {right}")

    def test_file_section_and_key_are_named(self, cfg: Write, tmp_path: Path) -> None:
        """What is wrong in the file is found there at once."""
        place = f"{tmp_path}/airflow.cfg [windsock] batch_size"
        assert refused(cfg("[windsock]\nbatch_size = many\n")) == (
            f"{place} = many: expected a whole number from 1 to 10000"
        )

    def test_pool_sizes_fit(self, cfg: Write, tmp_path: Path) -> None:
        """A pool cannot keep more connections than it may have."""
        message = refused(cfg("[windsock]\npool_max_size = 2\npool_min_size = 3\n"))
        assert message.startswith(f"{tmp_path}/airflow.cfg [windsock] pool_min_size: expected pool_min_size (3)")

    @pytest.mark.parametrize(
        "key", ["temporary_key", "a25mQ1FHTUh3MnFRSk5KMEIyVVU2YmN0VGRyYTVXY08=", "fifteen chars.."]
    )
    def test_weak_secret_counts_as_unset(self, key: str) -> None:
        """A published or short secret key is none, and that is said without showing it."""
        config = load({"AIRFLOW__WEBSERVER__SECRET_KEY": key})
        assert config.secret_key is None
        (warning,) = config.warnings
        assert warning.startswith("AIRFLOW__WEBSERVER__SECRET_KEY: ")
        assert key not in warning

    def test_long_secret(self) -> None:
        """Sixteen characters are enough."""
        config = load({"AIRFLOW__WEBSERVER__SECRET_KEY": "sixteen chars..."})
        assert (config.secret_key, config.warnings) == ("sixteen chars...", ())

    def test_unknown_keys_of_ours_are_warned_of(self, cfg: Write, tmp_path: Path) -> None:
        """A mistyped option of [windsock] is told, wherever it is; Airflow's own options are its business."""
        env = cfg(
            "[DEFAULT]\nx = 1\n[windsock]\nprot = 1\nsecret_key_cmd = echo sixteen characters\n[core]\nexecutor = no\n"
        )
        env |= {"AIRFLOW__WINDSOCK__HOTS": "x", "AIRFLOW__CORE__FOO": "x", "PATH": "/usr/bin:/bin"}
        assert load(env).warnings == (
            "AIRFLOW__WINDSOCK__HOTS: there is no such option; it is ignored",
            f"{tmp_path}/airflow.cfg [windsock] prot: there is no such option; it is ignored",
        )


class TestBackend:
    """The names of every generation's backends."""

    def test_raw_name_is_kept(self) -> None:
        """Aliases are the business of whoever loads the backend."""
        config = load({"AIRFLOW__API__AUTH_BACKEND": "airflow.contrib.auth.backends.password_auth"})
        assert config.auth_backend == ("airflow.contrib.auth.backends.password_auth",)
        assert config.auth_backend_explicit

    def test_one_that_is_called_session_may_be_your_own(self) -> None:
        """Only Airflow's session backend is without meaning."""
        assert load({"AIRFLOW__API__AUTH_BACKEND": "mine.session"}).auth_backend == ("mine.session",)

    def test_a_list_counts_but_for_what_has_no_meaning(self, cfg: Write) -> None:
        """A 2.x list may run over lines; what is left aside is told."""
        text = "[api]\nauth_backends =\n  airflow.api.auth.backend.session,\n  airflow.api.auth.backend.basic_auth\n"
        config = load(cfg(text))
        assert config.auth_backend == ("airflow.api.auth.backend.basic_auth",)
        assert config.warnings[0].endswith(
            "airflow.api.auth.backend.basic_auth is used; not used: airflow.api.auth.backend.session"
        )

    @pytest.mark.parametrize(
        "text", ["kerberos_auth, mine.sso,password_auth", "kerberos_auth mine.sso\n password_auth,"]
    )
    def test_all_count(self, text: str, cfg: Write) -> None:
        """In their order, whatever separates them, under every name of the option."""
        for key in ("[api]\nauth_backend", "[api]\nauth_backends", "[windsock]\nauth_backend"):
            config = load(cfg(f"{key} = {text}\n"))
            assert (config.auth_backend, config.warnings) == (("kerberos_auth", "mine.sso", "password_auth"), ())

    def test_ours_wins(self, cfg: Write) -> None:
        """Whatever Airflow's file says, [windsock] and then the singular name are obeyed."""
        env = cfg("[api]\nauth_backends = airflow.api.auth.backend.session\nauth_backend = deny_all\n")
        assert load(env).auth_backend == ("deny_all",)
        assert load(env | {"AIRFLOW__WINDSOCK__AUTH_BACKEND": "default"}).auth_backend == ("default",)

    @pytest.mark.parametrize(
        ("section", "key", "name"),
        [
            ("api", "auth_backends", "airflow.api.auth.backend.session"),
            ("fab", "auth_backends", "airflow.providers.fab.auth_manager.api.auth.backend.session"),
            ("core", "auth_manager", "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"),
            ("core", "auth_manager", "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"),
        ],
    )
    def test_theirs_without_a_meaning_is_refused(self, cfg: Write, section: str, key: str, name: str) -> None:
        """Browser sessions and managers are refused with the choices, never replaced by an open API."""
        message = refused(cfg(f"[{section}]\n{key} = {name}\n"))
        assert f"[{section}] {key} = {name}: {name} has no meaning here; set [windsock] auth_backend" in message
        assert "default, deny_all, password_auth, kerberos_auth, token_auth" in message


class TestExposure:
    """The open default stays on this machine."""

    @pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost", "::ffff:127.0.0.1"])
    def test_loopback_needs_no_backend(self, host: str) -> None:
        """On loopback addresses the default is served."""
        check_exposure(load({"AIRFLOW__WINDSOCK__HOST": host}))

    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "0", "192.0.2.1", "::ffff:192.0.2.1"])  # noqa: S104 - refused
    def test_other_addresses_do(self, host: str) -> None:
        """On any other the message names the choices and how to insist."""
        config = load({"AIRFLOW__WEBSERVER__WEB_SERVER_HOST": host})
        with pytest.raises(ConfigError) as caught:
            check_exposure(config)
        message = str(caught.value)
        assert message.startswith(f"AIRFLOW__WEBSERVER__WEB_SERVER_HOST = {host}: ")
        assert "deny_all, password_auth, kerberos_auth, token_auth" in message
        assert "[api] auth_backend = airflow.api.auth.backend.default" in message
        assert "\n" not in message

    def test_empty_address_is_every_address(self) -> None:
        """An empty host, however it got there, listens everywhere."""
        config = dataclasses.replace(load({}), host="")
        with pytest.raises(ConfigError, match="everyone could call the API"):
            check_exposure(config)

    def test_insisting(self) -> None:
        """Whoever names the default explicitly gets it on any address."""
        env = {"AIRFLOW__WINDSOCK__HOST": "0.0.0.0", "AIRFLOW__API__AUTH_BACKEND": "airflow.api.auth.backend.default"}  # noqa: S104
        check_exposure(load(env))

    def test_name_that_means_nothing(self) -> None:
        """A host that cannot be resolved is refused by name."""
        with pytest.raises(ConfigError, match=r"^no\.such\.host\.invalid: expected"):
            check_exposure(load({"AIRFLOW__WINDSOCK__HOST": "no.such.host.invalid"}))
