"""`python -m tests.documents.ci FILE ...` runs the shell steps of a Jenkinsfile or of a workflow of GitHub's."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import yaml

_SHELL = re.compile(r"^ *sh '''\n(.*?)'''", re.MULTILINE | re.DOTALL)
_TEXT = re.compile(r"^ *(\w+) = '(.*)'$", re.MULTILINE)
_CREDENTIALS = re.compile(r"^ *(\w+) = credentials\('\w+'\)$", re.MULTILINE)
_EXPRESSION = re.compile(r"\$\{\{ (?:vars|secrets)\.(\w+) \}\}")


class Step(NamedTuple):
    """A script, the program that runs it, and the variables that it has besides."""

    command: tuple[str, ...]
    script: str
    variables: Mapping[str, str]


def of_jenkins(text: str) -> Iterator[Step]:
    """Take the `sh` steps of a declarative pipeline; the address is that of the service here."""
    variables = dict(_TEXT.findall(text)) | {"BUILD_TAG": "jenkins-report-1"}
    for name in _CREDENTIALS.findall(text):
        variables |= {
            f"{name}_USR": os.environ["WINDSOCK_USERNAME"],
            f"{name}_PSW": os.environ["WINDSOCK_PASSWORD"],
        }
    for script in _SHELL.findall(text):
        assert "\\" not in script, "Groovy would read a backslash"
        yield Step(("sh", "-xe"), script, {**variables, "WINDSOCK_URL": os.environ["WINDSOCK_URL"]})


def of_github(text: str) -> Iterator[Step]:
    """Take the `run` steps of every job; variables and secrets are those of the environment here."""
    given = {"GITHUB_RUN_ID": "17", "GITHUB_RUN_ATTEMPT": "1", "GITHUB_SHA": "3cf2535"}
    for job in yaml.safe_load(text)["jobs"].values():
        for step in job["steps"]:
            if "run" in step:
                named = {
                    name: _EXPRESSION.sub(lambda found: os.environ[found[1]], value)
                    for name, value in step.get("env", {}).items()
                }
                yield Step(("bash", "-e"), step["run"], {**given, **named})


def main(files: list[str]) -> None:
    """Run all steps; the first that fails is the end."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("WINDSOCK")}
    for file in files:
        text = Path(file).read_text("utf-8")
        steps = list(of_jenkins(text) if file.endswith("Jenkinsfile") else of_github(text))
        assert steps, f"{file} has no shell step"
        for step in steps:
            subprocess.run([*step.command, "-c", step.script], env={**plain, **step.variables}, check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
