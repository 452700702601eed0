"""The parent's questions and a worker's answers, each a line of JSON, over a pair of sockets."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable

import msgspec

LIMIT = 2**22
"""The longest line in bytes; at worst, a snapshot of all routes and statuses has some hundred kilobytes."""


class Question(msgspec.Struct):
    """What the parent wants to know: `snapshot`, `ready` or `scheduler`."""

    number: int
    about: str


class Answer(msgspec.Struct):
    """`number` is the question's, or 0 for a message that nobody asked for: `started`, `failed`, `unreachable`."""

    number: int
    about: str
    value: msgspec.Raw


class Asker:
    """The parent's end of the channel."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._numbers = itertools.count(1)
        self._pending: dict[int, asyncio.Future[bytes]] = {}

    async def ask(self, about: str, seconds: float) -> bytes:
        """Return the answer as JSON; raises TimeoutError, and ConnectionError if the worker is gone."""
        if self._writer.is_closing():
            raise ConnectionResetError("the worker is gone")
        number = next(self._numbers)
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._pending[number] = future
        try:
            async with asyncio.timeout(seconds):
                self._writer.write(msgspec.json.encode(Question(number, about)) + b"\n")
                await self._writer.drain()
                return await future
        finally:
            self._pending.pop(number, None)

    async def listen(self, tell: Callable[[str, bytes], None]) -> None:
        """Hand out answers until the worker is gone; `tell(about, value)` gets the messages that nobody asked for."""
        try:
            while line := await self._reader.readline():
                answer = msgspec.json.decode(line, type=Answer)
                if answer.number == 0:
                    tell(answer.about, bytes(answer.value))
                elif (future := self._pending.get(answer.number)) and not future.done():
                    future.set_result(bytes(answer.value))
        except ConnectionError:
            pass
        for future in self._pending.values():
            if not future.done():
                future.set_exception(ConnectionResetError("the worker is gone"))

    def close(self) -> None:
        """Close the channel, which ends the worker."""
        self._writer.close()


class Answerer:
    """The worker's end of the channel."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def tell(self, about: str, value: object, number: int = 0) -> None:
        """Send an answer, or with number 0 a message that nobody asked for."""
        raw = msgspec.Raw(msgspec.json.encode(value))
        self._writer.write(msgspec.json.encode(Answer(number, about, raw)) + b"\n")
        await self._writer.drain()

    async def listen(self, answer: Callable[[str], Awaitable[object]]) -> None:
        """Answer questions until the parent is gone."""
        async with asyncio.TaskGroup() as tasks:
            while line := await self._reader.readline():
                question = msgspec.json.decode(line, type=Question)
                tasks.create_task(self._answer(question, answer))

    async def _answer(self, question: Question, answer: Callable[[str], Awaitable[object]]) -> None:
        await self.tell(question.about, await answer(question.about), question.number)
