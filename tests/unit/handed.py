"""A child that waits, or that starts such a child and tells its process id: `python -m tests.unit.handed start`."""

import asyncio
import sys
import time

from server.process.python_child import start_with, take_over


async def _start() -> None:
    child = start_with({"secret": "s3cret" * 100_000}, "tests.unit.handed", env={"PYTHONPATH": "."})
    sys.stdout.write(f"{child.pid}\n")
    sys.stdout.flush()
    await child.wait()


if __name__ == "__main__":
    if sys.argv[1:] == ["start"]:
        asyncio.run(_start())
    else:
        given = take_over()
        sys.stdout.write(f"{len(given['secret'])}\n")
        sys.stdout.flush()
        time.sleep(600)
