"""Time that a test moves by hand."""

import asyncio
import heapq
import itertools
from typing import Final

_PASSES: Final = 20


class ManualClock:
    """A :class:`remora.ports.Clock` that stands still until :meth:`advance`."""

    def __init__(self, now: float = 0.0) -> None:
        self._now = now
        self._asleep = 0.0
        self._number = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    @property
    def sleepers(self) -> int:
        """How many waits are pending."""
        return sum(not future.done() for _, _, future in self._sleepers)

    def monotonic(self) -> float:
        """See :class:`remora.ports.Clock`."""
        return self._now

    def wall(self) -> float:
        """See :class:`remora.ports.Clock`; 2001 and what has passed since, asleep or awake."""
        return 1_000_000_000.0 + self._now + self._asleep

    def suspend(self, seconds: float) -> None:
        """The machine sleeps: the wall clock goes on, the monotonic one does not."""
        self._asleep += seconds

    async def sleep(self, seconds: float) -> None:
        """See :class:`remora.ports.Clock`."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._number), future))
        await future

    async def advance(self, seconds: float) -> None:
        """Let time pass: every wait that falls due ends in its order, and what it wakes runs before the next."""
        end = self._now + seconds
        await self.settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                self._now = max(self._now, due)
                future.set_result(None)
                await self.settle()
        self._now = end

    async def settle(self) -> None:
        """Let everything run that needs no time."""
        for _ in range(_PASSES):
            await asyncio.sleep(0)
