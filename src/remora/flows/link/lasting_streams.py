"""Streams of one program to the app server that outlive the connection, and whoever on this machine holds that."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any, Final, TypeVar

from remora.core.backoff import Backoff
from remora.core.errors import RemoraError
from remora.core.settings import Limits
from remora.flows.kit.timeout import dismiss
from remora.flows.relay.relay import RelaySession
from remora.ports import ByteStream, Clock

T = TypeVar("T")

_FOR_EVER: Final = float("inf")
_PAUSES: Final = Backoff(first=0.1, quick=6, growth=2.0, floor=10.0, total=180.0)
"""Between ways that end at once."""
_OF_USE: Final = 2.0
"""A way that stood for so many seconds was none of those; one that is held because the host is away stands, too."""


class LastingStreams:
    """A relay session of this program alone, inside that of whoever holds the connection.

    `reach` gives a way to the relay, each time a new one; what it raises ends :meth:`keep`.
    """

    def __init__(
        self,
        reach: Callable[[], Awaitable[ByteStream]],
        *,
        clock: Clock,
        limits: Limits,
        nonce: Callable[[], str],
        chance: Callable[[], float],
    ) -> None:
        self._reach = reach
        self._clock = clock
        self._chance = chance
        # A way is held while the host is away. The session on the host loses its way only when nobody here wants it any
        # more, or when the one outside is over: a killed hub cuts nothing there.
        terms = replace(limits, handshake=_FOR_EVER, lease=limits.lease_idle)
        self._relay = RelaySession(clock=clock, limits=terms, nonce=nonce)

    async def open_server(self) -> ByteStream:
        """One connection to the app server's control socket; at once, whatever stands."""
        return self._relay.open("server")

    async def keep(self) -> None:
        """Carry the streams over one way after the other. Raises why there can be none any more."""
        failed, since = 0, self._clock.monotonic()
        while True:
            way = await self._reach()
            began = self._clock.monotonic()
            try:
                async with self._relay.attach(way) as attachment:
                    error = await attachment.wait_lost()
            except RemoraError as caught:
                error = caught
            now = self._clock.monotonic()
            if now - began >= _OF_USE:
                failed, since = 0, now
            failed += 1
            pause = _PAUSES.delay(failed, elapsed=now - since, chance=self._chance())
            if pause is None:
                raise error
            await self._clock.sleep(pause)

    async def leave(self) -> None:
        """End them all, on the host too when it can be reached."""
        await self._relay.leave()


async def while_kept(streams: LastingStreams, work: Coroutine[Any, Any, T]) -> T:
    """Do `work` while `streams` are kept, and leave them. Raises what `work` does, and why they can be kept no more."""
    working, keeping = asyncio.ensure_future(work), asyncio.ensure_future(streams.keep())
    try:
        await asyncio.wait({working, keeping}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            keeping.result()
        return working.result()
    finally:
        await dismiss(working)
        await streams.leave()
        await dismiss(keeping)
