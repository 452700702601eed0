"""How servers of other releases word their errors, for servers in the process of the test."""

from collections.abc import Callable

import pytest

from server.http import answers

AS_IT_IS, REWORDED, WITHOUT_CODES = "as it is", "reworded", "without codes"


@pytest.fixture(params=[AS_IT_IS, REWORDED, WITHOUT_CODES])
def wording(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let every error have its text and code, another text, or no code, as in Airflow 1.10."""
    changed: str = request.param
    if changed != AS_IT_IS:
        monkeypatch.setattr(answers, "json_answer", _changed(answers.json_answer, changed))
    return changed


def _changed(answer: Callable[..., object], changed: str) -> Callable[..., object]:
    def say(value: object, *arguments: object) -> object:
        if isinstance(value, dict) and "error" in value:
            new = {"error": "Something else"} if changed == REWORDED else {"code": None}
            value = {name: text for name, text in {**value, **new}.items() if text is not None}
        return answer(value, *arguments)

    return say
