"""Real time."""

import asyncio
import time


class SystemClock:
    """The :class:`remora.ports.Clock` of this machine."""

    def monotonic(self) -> float:
        """See :class:`remora.ports.Clock`."""
        return time.monotonic()

    def wall(self) -> float:
        """See :class:`remora.ports.Clock`."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """See :class:`remora.ports.Clock`."""
        await asyncio.sleep(seconds)
