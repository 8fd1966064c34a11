"""New connections begin one after the other, never more than so many a second, whoever wants them.

This is about when a dial begins, a control master's included; how many logins are under way at once is the business
of the gate that every dialler has (:func:`remora.wiring.dial_gate`).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from remora.core.host.hosts import Route
from remora.ports import Clock, Dialler, Dialogue, RemoteHost


class Pace:
    """Gives each dial its time. A dial that takes long keeps no other from beginning.

    After a pause `burst` dials may begin at once.
    """

    def __init__(self, clock: Clock, *, burst: int = 1) -> None:
        self._clock = clock
        self._unused = burst - 1
        self._next = float("-inf")

    async def turn(self, per_second: float) -> None:
        """Wait until the next connection may begin, in the order asked."""
        now = self._clock.monotonic()
        mine = max(self._next, now - self._unused / per_second)
        self._next = mine + 1 / per_second
        if mine > now:
            await self._clock.sleep(mine - now)


class PacedDialler:
    """A :class:`~remora.ports.Dialler` whose dials keep a common pace."""

    def __init__(self, dialler: Dialler, pace: Pace, *, per_second: float) -> None:
        self._dialler = dialler
        self._pace = pace
        self._per_second = per_second

    @asynccontextmanager
    async def dial(self, route: Route, dialogue: Dialogue) -> AsyncIterator[RemoteHost]:
        """See :class:`~remora.ports.Dialler`."""
        await self._pace.turn(self._per_second)
        async with self._dialler.dial(route, dialogue) as host:
            yield host
