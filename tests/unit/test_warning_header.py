"""Warnings reach the caller whose request they are about, in a header that any HTTP library takes."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from server.wire.warning_header import begin, joined, warn
from windsock.protocol import WARNING_HEADER
from windsock.text import header_safe


def test_there_is_no_header_where_nothing_was_said() -> None:
    begin()
    assert joined() is None


def test_warnings_are_joined_each_of_them_once() -> None:
    begin()
    for text in ("one", "two", "one"):
        warn(text)
    assert joined() == "one; two"
    begin()
    assert joined() is None


@given(st.lists(st.text(st.characters() | st.sampled_from("\r\n\0\x7f\x85\u2028\ud800\U0001f600"), max_size=2000)))
def test_whatever_the_text_it_is_one_line_of_ascii_of_bounded_length(texts: list[str]) -> None:
    """DAG ids, parameters and files end up in warnings: none of them may end the line or fill a proxy's buffer."""
    begin()
    for text in texts:
        warn(text)
    header = joined() or ""
    assert header.isascii()
    assert header.isprintable()
    assert len(header) <= 1000


def test_what_is_cut_says_so() -> None:
    assert header_safe("a" * 2000, 20) == "a" * 17 + "..."
    assert header_safe("żółw\r\nX: y") == "\\u017c\\xf3\\u0142w\\r\\nX: y"


async def test_a_shared_statement_warns_nobody() -> None:
    """Its task began in the context of one of those who share it: no warning is better than a stranger's."""
    begin()

    async def statement() -> None:
        warn("about somebody's row")

    await asyncio.create_task(statement())
    assert joined() is None


async def test_concurrent_requests_keep_their_warnings_apart() -> None:
    async def request(name: str) -> str | None:
        begin()
        await asyncio.sleep(0)
        warn(name)
        await asyncio.sleep(0)
        return joined()

    assert await asyncio.gather(*map(request, "abc")) == ["a", "b", "c"]
    assert WARNING_HEADER == "X-Windsock-Warning"
