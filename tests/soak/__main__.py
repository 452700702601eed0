"""`python -m tests.soak --minutes 60`: exit status 1 when anything was not as it should be."""

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.soak.report import report
from tests.soak.run import Outcome, Plan, soak


async def _soak(folder: Path, plan: Plan) -> Outcome:
    task = asyncio.ensure_future(soak(folder, plan))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


def main() -> int:
    """Run a soak and print what came of it."""
    parser = argparse.ArgumentParser(prog="make soak", description="Mixed load with a fault a minute.")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--every", type=float, default=60, help="seconds from fault to fault")
    parser.add_argument("--rate", type=float, default=60, help="requests a second, about")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="windsock-soak-"))
    print(f"seed {given.seed}, logs in {folder}", flush=True)
    outcome = asyncio.run(_soak(folder, Plan(given.minutes * 60, given.every, 300, given.rate, given.seed)))
    print(report(outcome), flush=True)
    return 1 if outcome.problems() else 0


if __name__ == "__main__":
    sys.exit(main())
