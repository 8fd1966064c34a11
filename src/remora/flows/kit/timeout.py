"""Waiting with a limit, on a clock that is an argument."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from remora.core.errors import RemoraError
from remora.ports import Clock

T = TypeVar("T")


async def within(clock: Clock, seconds: float, work: Coroutine[Any, Any, T], *, error: RemoraError) -> T:
    """Run `work` for at most `seconds`; then cancel it and raise `error`, which names what was awaited.

    When `work` ends at the limit, its result wins. Cancelling the caller cancels `work` and waits for it.
    """
    results = await _results(clock, seconds, work)
    if not results:
        raise error
    return results[0]


async def within_or_none(clock: Clock, seconds: float, work: Coroutine[Any, Any, T]) -> T | None:
    """As :func:`within`, but `None` when the time is up: for what may be left undone."""
    results = await _results(clock, seconds, work)
    return results[0] if results else None


async def _results(clock: Clock, seconds: float, work: Coroutine[Any, Any, T]) -> list[T]:
    """What `work` gave, or nothing when the time was up."""
    task = asyncio.ensure_future(work)
    alarm = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait({task, alarm}, return_when=asyncio.FIRST_COMPLETED)
        return [task.result()] if task.done() else []
    finally:
        await dismiss(task, alarm)


async def dismiss(*tasks: "asyncio.Future[Any]") -> None:
    """Cancel `tasks` and wait until they are gone; what they end with is not of interest any more."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
