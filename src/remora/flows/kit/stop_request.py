"""The wish to stop, first politely and then at once."""

import asyncio
from typing import Final

from remora.core.errors import RemoraError

_TIMES: Final = 2


class InterruptSwitch:
    """Counts interrupts: the first stops the turn on the host, the second leaves without waiting.

    :meth:`interrupt` may be called from a signal handler of the running loop, any number of times.
    """

    def __init__(self) -> None:
        self._reached = [asyncio.Event() for _ in range(_TIMES)]
        self.reason: RemoraError | None = None
        """What came with the first interrupt: why the run had to stop, when nobody wished it."""

    def interrupt(self, reason: RemoraError | None = None) -> None:
        """Somebody wants to stop, or wants it even more.

        With a `reason`, such as a time limit, a run that did not end otherwise reports that and its exit code.
        """
        if self.count == 0:
            self.reason = reason
        for event in self._reached:
            if not event.is_set():
                event.set()
                return

    @property
    def count(self) -> int:
        """How often it was wished, at most twice."""
        return sum(event.is_set() for event in self._reached)

    async def wait(self, times: int) -> None:
        """Return when it was wished `times` times."""
        await self._reached[times - 1].wait()
