"""The releases of Airflow that Windsock is tried beside, and how each is installed: as of its own time.

Those of `LOCKED` have lock files, which `make lock` writes from what this prints; the others take nothing newer than
their day, and what was published by then does not change any more.
"""

from typing import NamedTuple


class Release(NamedTuple):
    """One release and how it is installed: pins of its time, and nothing newer than a day."""

    version: str
    pythons: tuple[str, ...]
    before: str
    extra: tuple[str, ...] = ()

    @property
    def generation(self) -> int:
        """1, 2 or 3."""
        return int(self.version[0])

    @property
    def packages(self) -> tuple[str, ...]:
        """What is asked for; the rest follows."""
        return (f"apache-airflow=={self.version}", "psycopg2-binary", *self.extra)


# SQLAlchemy 1.4 came out days before 1.10.15, which it breaks.
_OLD = ("SQLAlchemy<1.4", "setuptools<66")
RELEASES = {
    "1.10.15": Release("1.10.15", ("3.8",), "2021-03-20", _OLD),
    "2.7.0": Release("2.7.0", ("3.11",), "2023-09-01"),
    "2.7.3": Release("2.7.3", ("3.11",), "2023-11-30"),
    "2.8.4": Release("2.8.4", ("3.11",), "2024-04-05"),
    "2.9.3": Release("2.9.3", ("3.11",), "2024-07-30"),
    "2.10.5": Release("2.10.5", ("3.11",), "2025-03-01"),
    "2.11.2": Release("2.11.2", ("3.11",), "2026-05-01"),
    "3.0.0": Release("3.0.0", ("3.11",), "2025-05-05", ("asyncpg",)),
    "3.0.6": Release("3.0.6", ("3.11",), "2025-10-01", ("asyncpg",)),
    "3.1.0": Release("3.1.0", ("3.11",), "2025-10-10", ("asyncpg",)),
    "3.1.8": Release("3.1.8", ("3.11",), "2026-05-01", ("asyncpg",)),
    "3.2.0": Release("3.2.0", ("3.11",), "2026-04-30", ("asyncpg",)),
    "3.3.2": Release("3.3.2", ("3.11",), "2026-11-30", ("asyncpg",)),
}
# All tests run beside these unless WINDSOCK_AIRFLOWS names others.
TRIED = ("1.10.15", "2.11.2", "3.3.2")
# Each migrates the database of the one before.
UPGRADES = ("2.9.3", "2.11.2", "3.1.8", "3.3.2")
LOCKED = tuple(sorted({*TRIED, *UPGRADES}))

if __name__ == "__main__":
    for release in map(RELEASES.__getitem__, LOCKED):
        print(release.version, release.pythons[0], release.before, *release.packages)  # noqa: T201 - for scripts/lock.sh
