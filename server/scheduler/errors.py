"""How a try can end other than well, and what it leaves for other tasks all the same."""

from collections.abc import Mapping
from typing import Any


class TaskFailed(Exception):
    """The try failed, for the reason that the message gives; `final`: another try would not help."""

    def __init__(self, message: str, xcoms: Mapping[str, Any] | None = None, *, final: bool = False) -> None:
        super().__init__(message)
        self.xcoms = xcoms or {}
        self.final = final


class TaskSkipped(Exception):
    """The task says itself that it is to be skipped."""

    def __init__(self, message: str, xcoms: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.xcoms = xcoms or {}
