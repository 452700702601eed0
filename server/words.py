"""Numbers of things in words."""


def count(number: float, noun: str) -> str:
    """Write a number and its noun, in the singular for one."""
    shown = f"{number:g}" if isinstance(number, float) else str(number)
    return f"{shown} {noun}" if number == 1 else f"{shown} {noun}s"
