"""Time moved by hand."""

import asyncio

from remora.adapters.machine.system_clock import SystemClock
from remora.testing.manual_clock import ManualClock


async def test_waits_end_in_their_order_when_time_passes_them() -> None:
    clock, ended = ManualClock(), []

    async def wait(seconds: float) -> None:
        await clock.sleep(seconds)
        ended.append((seconds, clock.monotonic()))

    async with asyncio.TaskGroup() as group:
        for seconds in (3.0, 1.0, 2.0, 0.0):
            group.create_task(wait(seconds))
        await clock.advance(0.5)
        assert ended == [(0.0, 0.0)]
        assert clock.sleepers == 3
        await clock.advance(1.5)
        assert ended[1:] == [(1.0, 1.0), (2.0, 2.0)]
        await clock.advance(10)
    assert ended[3:] == [(3.0, 3.0)]
    assert clock.monotonic() == 12.0


async def test_a_wait_started_by_a_wait_counts_from_its_own_time() -> None:
    clock, times = ManualClock(now=100.0), []

    async def tick() -> None:
        for _ in range(3):
            await clock.sleep(10)
            times.append(clock.monotonic())

    ticking = asyncio.create_task(tick())
    await clock.advance(60)
    await ticking
    assert times == [110.0, 120.0, 130.0]


async def test_a_cancelled_wait_is_forgotten() -> None:
    clock = ManualClock()
    waiting = asyncio.create_task(clock.sleep(1))
    await clock.settle()
    waiting.cancel()
    await clock.settle()
    assert clock.sleepers == 0
    await clock.advance(2)
    assert waiting.cancelled()


async def test_the_system_clock_only_grows() -> None:
    clock = SystemClock()
    before = clock.monotonic()
    await clock.sleep(0)
    assert clock.monotonic() >= before
