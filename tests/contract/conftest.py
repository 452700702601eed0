"""The recorded cases are replayed both ways."""

from tests.ways import fast_path

__all__ = ["fast_path"]
