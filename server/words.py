"""Numbers of things, in words."""


def count(number: int, noun: str) -> str:
    """Write a number of things, one of them in the singular."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
