"""How a try can end other than well."""


class TaskFailed(Exception):
    """The try failed, for the reason that the message gives; `final`: another try would not help."""

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.final = final


class TaskSkipped(Exception):
    """The task says itself that it is to be skipped."""
