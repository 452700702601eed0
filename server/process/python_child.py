"""Python processes of our own: a module of Windsock as the program of a child.

What a child must know, such as the configuration, may be secret. It goes through a file without a name that is in
memory only: others can read command lines, and a pipe would hold up whoever starts the child until it reads.
"""

import os
import pickle
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from server.process.parent_death import end_with_parent
from server.process.spawn import ChildProcess, spawn


def start_module(
    module: str, *arguments: str, stdin: int, env: Mapping[str, str], pass_fds: Sequence[int] = (),
    stdout: int | None = None,
) -> ChildProcess:  # fmt: skip
    """Run `python -m module arguments` in a session of its own; see `spawn`. A terminal's Ctrl-C does not reach it."""
    # -P: do not import from the current folder.
    command = [sys.executable, "-P", "-m", module, *arguments]
    return spawn(command, stdin=stdin, stdout=stdout, env=env, pass_fds=pass_fds)


def start_with(
    given: object, module: str, *arguments: str, env: Mapping[str, str], pass_fds: Sequence[int] = ()
) -> ChildProcess:
    """Run a module that calls `take_over`, which returns `given` there. Raises OSError."""
    file = os.memfd_create("given")
    try:
        data = pickle.dumps((os.getpid(), given))
        while data:
            data = data[os.write(file, data) :]
        os.lseek(file, 0, os.SEEK_SET)
        return start_module(module, *arguments, stdin=file, env=env, pass_fds=pass_fds)
    finally:
        os.close(file)


def take_over() -> Any:  # noqa: ANN401 - whatever the parent gives
    """Return what the parent gave to this process, which from now on gets SIGTERM when the parent ends."""
    # The parent made it just before, and nobody else has it.
    parent, given = pickle.load(sys.stdin.buffer)  # noqa: S301 - see above
    end_with_parent(signal.SIGTERM, parent)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, sys.stdin.fileno())
    os.close(nothing)
    return given
