"""Finds what is set, where Airflow would find it: in `airflow.cfg`, in the environment, from `_cmd` programs."""

import configparser
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from windsock.config.options import OPTIONS, Option
from windsock.errors import ConfigError

_COMMAND_TIMEOUT = 60
_DATABASE = ("core", "database")


@dataclass(frozen=True, slots=True)
class Found:
    """A text that is set, and where it is set, in words."""

    text: str
    place: str


class Sources:
    """The configuration file and the environment, as read once."""

    def __init__(self, env: Mapping[str, str]) -> None:
        """Find and parse `airflow.cfg`; raises ConfigError if it cannot be read."""
        home = Path(env.get("AIRFLOW_HOME") or "~/airflow").expanduser().absolute()
        self.env = {**env, "AIRFLOW_HOME": str(home)}
        named = env.get("AIRFLOW_CONFIG")
        self.path = Path(named).expanduser().absolute() if named else home / "airflow.cfg"
        self._file = _parse(self.path, must_exist=bool(named))

    def leave_airflow(self) -> Path | None:
        """Forget all but `[windsock]` of a file that names a database, because it is an Airflow's; return its path.

        This is for standalone, which has nothing to do with that Airflow's DAG folder, port and backends.
        """
        if not any(self._text(section, f"sql_alchemy_conn{end}") for section in _DATABASE for end in ("", "_cmd")):
            return None
        for section in self._file.sections():
            if section != "windsock":
                self._file.remove_section(section)
        return self.path

    def find(self, option: Option, *, ours_only: bool = False) -> Found | None:
        """Return what is set for `option`; `[windsock]` wins, then the environment, then the file.

        Raises ConfigError if a `_cmd` program fails.
        """
        ours = [pair for pair in option.keys if pair[0] == "windsock"]
        theirs = [] if ours_only else [pair for pair in option.keys if pair[0] != "windsock"]
        for pairs in (ours, theirs):
            for look in (self._in_environment, self._in_file):
                for section, key in pairs:
                    found = look(section, key, commands=option.sensitive)
                    if found is not None:
                        return found
        return None

    def unknown(self) -> Iterator[str]:
        """Yield a warning for each unknown key of `[windsock]`."""
        known = set()
        for option in OPTIONS.values():
            for section, key in option.keys:
                if section == "windsock":
                    known |= {key, f"{key}_cmd"} if option.sensitive else {key}
        prefix = "AIRFLOW__WINDSOCK__"
        for name in self.env:
            if name.startswith(prefix) and name[len(prefix) :].lower() not in known:
                yield f"{name}: there is no such option; it is ignored"
        if self._file.has_section("windsock"):
            for key in self._file["windsock"]:
                if key not in known and key not in self._file.defaults():
                    yield f"{self.path} [windsock] {key}: there is no such option; it is ignored"

    def expand(self, text: str) -> str:
        """Replace `$NAME` and `${NAME}` with the environment's values, as Airflow does; unknown names stay."""
        return re.sub(r"\$(?:(\w+)|\{(\w+)\})", lambda m: self.env.get(m[1] or m[2], m[0]), text)

    def _in_environment(self, section: str, key: str, *, commands: bool) -> Found | None:
        name = f"AIRFLOW__{section.upper()}__{key.upper()}"
        if text := self.env.get(name, "").strip():
            return Found(self.expand(text), name)
        if commands and (command := self.env.get(f"{name}_CMD")):
            return self._run(command, f"{name}_CMD")
        return None

    def _in_file(self, section: str, key: str, *, commands: bool) -> Found | None:
        place = f"{self.path} [{section}] {key}"
        if text := self._text(section, key):
            return Found(self.expand(text), place)
        if commands and (command := self._text(section, f"{key}_cmd")):
            return self._run(command, f"{place}_cmd")
        return None

    def _text(self, section: str, key: str) -> str:
        # Airflow's own parser interpolates, so its users had to double each percent sign.
        return self._file.get(section, key, fallback="").strip().replace("%%", "%")

    def _run(self, command: str, place: str) -> Found | None:
        """Return what `command` prints; neither its output nor its errors are ever shown."""
        try:
            done = subprocess.run(  # noqa: S603 - running it is what `_cmd` asks for
                shlex.split(command), env=self.env, stdin=subprocess.DEVNULL, capture_output=True, check=True,
                timeout=_COMMAND_TIMEOUT,
            )  # fmt: skip
            text = done.stdout.decode().strip()
        except subprocess.CalledProcessError as error:
            reason = f"exit status {error.returncode}"
        except subprocess.TimeoutExpired:
            reason = f"no answer within {_COMMAND_TIMEOUT} seconds"
        except OSError as error:
            reason = error.strerror or "it cannot be started"
        except UnicodeDecodeError:
            reason = "its output is not UTF-8"
        except (ValueError, IndexError):
            reason = "it is not a command line"
        else:
            if text:
                return Found(text, place)
            reason = "it printed nothing"
        message = f"{place}: the command failed: {reason}"
        raise ConfigError(message)


def _parse(path: Path, *, must_exist: bool) -> configparser.ConfigParser:
    """Parse the file; messages name lines but never quote them, because a line may hold a password."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        if not must_exist:
            return parser
        reason = "AIRFLOW_CONFIG names this file, but it does not exist"
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        reason = "is not UTF-8 text"
    except configparser.DuplicateSectionError as error:
        reason = f"line {error.lineno}: the section [{error.section}] appears twice"
    except configparser.DuplicateOptionError as error:
        reason = f"line {error.lineno}: [{error.section}] {error.option} appears twice"
    except configparser.MissingSectionHeaderError as error:
        reason = f"line {error.lineno}: expected a section such as [core] before it"
    except configparser.ParsingError as error:
        reason = f"line {', '.join(str(line) for line, _ in error.errors)}: expected `key = value`"
    else:
        return parser
    message = f"{path}: {reason}"
    raise ConfigError(message)
