"""What breaks things: signals to all of a Postgres, and a network that is slow or cut."""

import asyncio
import os
import subprocess

from server.standalone.postgres import EmbeddedPostgres


def signal_all(postgres: EmbeddedPostgres, number: int) -> None:
    """Signal the postmaster and its children."""
    pid = postgres.pid
    assert pid is not None
    children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=True).stdout.split()
    for each in (pid, *map(int, children)):
        os.kill(each, number)


class Network:
    """Between service and Postgres: slow, or cut."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.delay = 0.0
        self.cut = False
        self._writers: set[asyncio.StreamWriter] = set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Join a client with Postgres."""
        try:
            if self.cut:
                raise ConnectionRefusedError
            upstream, up = await asyncio.open_unix_connection(self.target)
        except OSError:
            writer.close()
            return
        self._writers |= {writer, up}
        await asyncio.gather(self._pump(reader, up), self._pump(upstream, writer))
        self._writers -= {writer, up}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                await asyncio.sleep(self.delay)
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        writer.close()

    def break_all(self) -> None:
        """Cut what is under way."""
        for writer in list(self._writers):
            writer.transport.abort()
