"""Works side by side: what they tell is one stream, and none outlives it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import pytest
from tests.support.base.loop import run

from remora.flows.kit.side_by_side import SideBySide


class Works:
    """Works whose order a test decides; `ended` has those that are over, however they ended."""

    def __init__(self) -> None:
        self.side_by_side: SideBySide[str] = SideBySide()
        self.ended: list[str] = []

    async def work(self, name: str, until: Callable[[], Awaitable[object]]) -> None:
        self.side_by_side.tell(f"{name} begins")
        try:
            await until()
            self.side_by_side.tell(f"{name} is done")
        finally:
            self.ended.append(name)


async def at_once() -> None:
    """Wait for nothing."""


async def failing() -> None:
    raise LookupError


async def for_ever() -> None:
    await asyncio.Event().wait()


def test_what_works_tell_is_heard_in_order_and_the_last_word_of_each_too() -> None:
    async def heard() -> list[str]:
        works, second = Works(), asyncio.Event()
        both = (works.work("one", second.wait), works.work("two", at_once))
        said = []
        async with aclosing(works.side_by_side.run(both)) as news:
            async for word in news:
                said.append(word)
                if word == "two is done":
                    second.set()
        return said

    assert run(heard()) == ["one begins", "two begins", "two is done", "one is done"]


def test_a_work_that_fails_ends_the_others() -> None:
    works = Works()

    async def read() -> None:
        both = (works.work("one", for_ever), works.work("two", failing))
        async with aclosing(works.side_by_side.run(both)) as news:
            async for _ in news:
                pass

    with pytest.raises(LookupError):
        run(read())
    assert works.ended == ["two", "one"]


def test_nothing_is_left_running_when_nobody_reads_any_more() -> None:
    works = Works()

    async def read() -> None:
        async with aclosing(works.side_by_side.run((works.work("one", for_ever),))) as news:
            await anext(news)

    run(read())
    assert works.ended == ["one"]
