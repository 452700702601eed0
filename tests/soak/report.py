"""What came of a soak, to read."""

from collections import defaultdict
from collections.abc import Iterator
from statistics import median

from tests.soak.figures import pairs
from tests.soak.ledger import Ledger, Window
from tests.soak.run import Outcome


def report(outcome: Outcome) -> str:
    """The summary: figures first, then what is wrong."""
    return "\n".join(_lines(outcome))


def _lines(outcome: Outcome) -> Iterator[str]:
    ledger = outcome.ledger
    total = sum(ledger.statuses.values())
    yield f"\n{total} requests in {outcome.seconds / 60:.1f} minutes; {len(ledger.answered)} triggers, all looked up"
    yield from _requests(ledger)
    yield from _recoveries(ledger.windows)
    yield "\nWhat long-lived processes held when warm, and at the end"
    yield from (f"  {first}\n    -> {last}" for first, last in pairs(outcome.held))
    yield "\nAt rest"
    yield from (f"  {one}" for one in outcome.rests)
    problems = outcome.problems()
    yield "\nFAILED" if problems else "\npassed: no leak, no stuck request, no lost trigger"
    yield from (f"  {one}" for one in problems)


def _requests(ledger: Ledger) -> Iterator[str]:
    yield f"\n{'kind':16}{'median':>9}{'p99':>9}{'longest':>9}  statuses (0: the connection broke)"
    statuses: dict[str, list[str]] = defaultdict(list)
    for (kind, status), number in sorted(ledger.statuses.items()):
        statuses[kind].append(f"{status}: {number}")
    for kind, each in statuses.items():
        times = sorted(ledger.seconds.get(kind, [0.0]))
        figures = (median(times), times[int(len(times) * 0.99)], times[-1])
        yield f"{kind:16}" + "".join(f"{figure * 1000:7.0f}ms" for figure in figures) + "  " + ", ".join(each)


def _recoveries(windows: list[Window]) -> Iterator[str]:
    yield f"\n{'fault':24}{'times':>6}{'recovery: median':>18}{'longest':>9}"
    by_name: dict[str, list[float]] = defaultdict(list)
    for window in windows:
        by_name[window.fault].append(window.recovery)
    for name, times in sorted(by_name.items()):
        yield f"{name:24}{len(times):6}{median(times):17.2f}s{max(times):8.2f}s"
