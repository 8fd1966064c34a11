"""Run one coroutine in a loop of its own, and fail when it leaves tasks behind."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from tests.support.base.until import LIMIT

T = TypeVar("T")

_SETTLING_PASSES = 10
_WHOLE_LIMIT = LIMIT + 60
"""What a test awaits inside says for itself what did not come, before all of it is given up."""


def run(work: Coroutine[Any, Any, T], *, limit: float = _WHOLE_LIMIT) -> T:
    """The result of `work`; an assertion fails when tasks that it started are still there at its end.

    `limit` seconds is the most it may take. What `work` raises goes through unchanged.
    """
    return asyncio.run(_watched(work, limit))


async def _watched(work: Coroutine[Any, Any, T], limit: float) -> T:
    async with asyncio.timeout(limit):
        result = await work
    for _ in range(_SETTLING_PASSES):
        if not _others():
            return result
        await asyncio.sleep(0)  # callbacks of finished work need a pass of the loop, no time
    names = "\n".join(f"  {task!r}" for task in _others())
    raise AssertionError(f"tasks left running:\n{names}")


def _others() -> set[asyncio.Task[Any]]:
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}
