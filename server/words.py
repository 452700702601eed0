"""Numbers of things, in words."""


def count(number: float, noun: str) -> str:
    """Write a number of things, one of them in the singular."""
    shown = f"{number:g}" if isinstance(number, float) else str(number)
    return f"{shown} {noun}" if number == 1 else f"{shown} {noun}s"
