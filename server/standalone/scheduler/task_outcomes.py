"""How a try can fail or skip itself; it may leave results all the same."""

from collections.abc import Mapping
from typing import Any


class TaskFailed(Exception):
    """The try failed, and the message gives the reason; `final`: another try would not help."""

    def __init__(self, message: str, xcoms: Mapping[str, Any] | None = None, *, final: bool = False) -> None:
        super().__init__(message)
        self.xcoms = xcoms or {}
        self.final = final


class TaskSkipped(Exception):
    """The task asks to be skipped."""

    def __init__(self, message: str, xcoms: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.xcoms = xcoms or {}
