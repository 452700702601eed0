"""Whether an earlier try of a trigger made the run, if the server lists more than was asked for, as Airflow does."""

import pytest

from windsock.client.repeats import made_before

DATE = "2020-01-05T00:00:00+00:00"
RUNS = [
    {"run_id": "other", "execution_date": "2020-01-04T00:00:00+00:00"},
    {"run_id": "r", "execution_date": DATE},
]


@pytest.mark.parametrize("date", [None, DATE, "2020-01-05T00:00:00Z", "2020-01-05T05:30:00+05:30"])
def test_the_run_is_found_among_others(date: str | None) -> None:
    """By its run_id and, if the caller named one, its date."""
    made = made_before("d", "r", date, RUNS, filtered=False)
    assert made == {
        "execution_date": DATE,
        "message": f"Created <DagRun d @ {DATE}: r, externally triggered: True>",
        "run_id": "r",
    }


@pytest.mark.parametrize(
    ("run_id", "date"),
    [("s", None), ("r", "2020-01-06T00:00:00+00:00"), ("r", "2020-01-05T00:00:00"), ("r", "today"), ("r", "")],
)
def test_a_run_of_somebody_else_is_not(run_id: str, date: str | None) -> None:
    """Nor is one whose date may be another: the client cannot know what the server makes of it."""
    assert made_before("d", run_id, date, RUNS, filtered=False) is None


def test_a_server_that_filters_has_compared_the_dates() -> None:
    """It knows what the date means; the run_id is compared all the same."""
    assert made_before("d", "r", "today", RUNS, filtered=True) is not None
    assert made_before("d", "s", "today", RUNS, filtered=True) is None
