"""Real time that a test can let leap ahead: for what takes minutes while real programs go on beside it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

_PASSES: Final = 20
"""Turns of the loop in which what has waited begins."""


class LeapingClock:
    """A :class:`remora.ports.Clock`: the machine's own, and what was leapt. To our own code both have passed."""

    def __init__(self) -> None:
        self._leapt = 0.0
        self._leap = asyncio.Event()
        self._due: list[float] = []

    def monotonic(self) -> float:
        """See :class:`remora.ports.Clock`."""
        return time.monotonic() + self._leapt

    def wall(self) -> float:
        """See :class:`remora.ports.Clock`."""
        return time.time() + self._leapt

    async def sleep(self, seconds: float) -> None:
        """See :class:`remora.ports.Clock`."""
        due = self.monotonic() + seconds
        self._due.append(due)
        try:
            while (left := due - self.monotonic()) > 0:
                leap = self._leap
                try:
                    async with asyncio.timeout(left):
                        await leap.wait()
                except TimeoutError:
                    pass
        finally:
            self._due.remove(due)

    async def leap(self, seconds: float, *, settled: Callable[[], Awaitable[None]]) -> None:
        """Let so much time pass, from one wait's end to the next; after each, what was due does its work: `settled`."""
        end = self.monotonic() + seconds
        while (left := end - self.monotonic()) > 0:
            self._leapt += min(left, max(0.0, min(self._due, default=end) - self.monotonic()))
            leap, self._leap = self._leap, asyncio.Event()
            leap.set()
            for _ in range(_PASSES):
                await asyncio.sleep(0)
            await settled()
