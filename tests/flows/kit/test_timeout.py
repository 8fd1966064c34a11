"""Waiting with a limit: an error where the result is needed, and none where it is not."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from tests.support.base.loop import run

from remora.core.errors import Code, TimeLimit
from remora.flows.kit.timeout import within, within_or_none
from remora.testing.manual_clock import ManualClock

LATE = TimeLimit(Code.TIME_LIMIT, "The host was too slow.", next_step="Wait.")


class Work:
    """Ends when it is told to; remembers that it was cancelled."""

    def __init__(self) -> None:
        self.end = asyncio.Event()
        self.cancelled = False

    async def __call__(self) -> str:
        try:
            await self.end.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return "done"


def limited(scene: Callable[[ManualClock, Work], Awaitable[None]]) -> None:
    async def go() -> None:
        await scene(ManualClock(), Work())

    run(go())


def test_work_that_ends_in_time_gives_its_result_either_way() -> None:
    async def scene(clock: ManualClock, work: Work) -> None:
        work.end.set()
        assert await within(clock, 1.0, work(), error=LATE) == "done"
        assert await within_or_none(clock, 1.0, work()) == "done"
        assert clock.sleepers == 0

    limited(scene)


def test_when_the_time_is_up_the_work_is_cancelled_and_the_error_raised_or_none_given() -> None:
    async def scene(clock: ManualClock, work: Work) -> None:
        for limit in (within(clock, 1.0, work(), error=LATE), within_or_none(clock, 1.0, work())):
            work.cancelled = False
            waiting = asyncio.ensure_future(limit)
            await clock.settle()
            await clock.advance(1.0)
            (ended,) = await asyncio.gather(waiting, return_exceptions=True)
            assert ended in (LATE, None)
            assert work.cancelled

    limited(scene)


def test_an_error_of_the_work_is_not_taken_for_the_end_of_the_time() -> None:
    async def failing() -> None:
        raise ValueError("broken")

    async def scene(clock: ManualClock, work: Work) -> None:
        with pytest.raises(ValueError, match="broken"):
            await within_or_none(clock, 1.0, failing())

    limited(scene)


def test_who_cancels_the_wait_cancels_the_work() -> None:
    async def scene(clock: ManualClock, work: Work) -> None:
        waiting = asyncio.ensure_future(within_or_none(clock, 1.0, work()))
        await clock.settle()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert work.cancelled

    limited(scene)
