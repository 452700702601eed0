"""Functions that `example_python_operator.yaml` names."""


def count_words(text: str) -> int:
    """Count the words; what a function returns is the task's result."""
    words = len(text.split())
    print(f"{words} words: {text}")  # noqa: T201 - a task's output is its log
    return words


def check(words: str, at_least: str) -> None:
    """Fail the task where there are fewer words; templates hand over text."""
    if int(words) < int(at_least):
        message = f"{words} words are not enough, {at_least} are needed"
        raise ValueError(message)
