"""How many logins are under way at once: sshd turns away a crowd, and a crowd of ours is nobody else's fault."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random
from typing import Final

from remora.core.errors import Code, Stage, Unreachable
from remora.core.host.hosts import Route
from remora.core.settings import Limits
from remora.ports import Dialler, Dialogue, RemoteHost

_TRIES: Final = 6
_PAUSE: Final = 0.5
"""Seconds before the second try in a crowd; each later one waits for twice as long."""
_AFTERGLOW: Final = 1.0
"""For so long sshd may still count a login of ours that is over."""


class DialGate:
    """Lets logins through, a few at a time for each server and for all together.

    A login that the server turns away unheard is tried again when others of ours were at the same door: it is told to
    slow down. One that was alone fails at once, and whoever asked decides when to come back.
    """

    def __init__(self, limits: Limits, random: Random) -> None:
        self._limits = limits
        self._random = random
        self._all = asyncio.Semaphore(limits.dial_parallel)
        self._servers: dict[Hashable, _Server] = {}

    @asynccontextmanager
    async def dial(self, dialler: Dialler, route: Route, dialogue: Dialogue) -> AsyncIterator[RemoteHost]:
        """As ``dialler.dial``; only the login waits for its turn, not what is done on the connection."""
        server = self._servers.setdefault(_door(route), _Server(self._limits.dial_parallel_server))
        async with AsyncExitStack() as stack:
            yield await self._log_in(server, stack, dialler, route, dialogue)

    async def _log_in(
        self, server: "_Server", stack: AsyncExitStack, dialler: Dialler, route: Route, dialogue: Dialogue
    ) -> RemoteHost:
        for number in range(_TRIES):
            async with server.visit(), self._all:
                try:
                    return await stack.enter_async_context(dialler.dial(route, dialogue))
                except Unreachable as error:
                    last = number == _TRIES - 1
                    unheard = error.code is Code.CONNECTION_CLOSED and error.stage is not Stage.AUTHENTICATION
                    if not unheard or last or not server.is_crowded():
                        raise
            await asyncio.sleep(_PAUSE * 2**number * self._random.uniform(0.5, 1.0))
        raise AssertionError("the last try returns or raises")


class _Server:
    """One door, and our logins there."""

    def __init__(self, places: int) -> None:
        self._places = asyncio.Semaphore(places)
        self._here = 0
        self._left_at = float("-inf")

    @asynccontextmanager
    async def visit(self) -> AsyncIterator[None]:
        self._here += 1
        try:
            async with self._places:
                yield
        finally:
            self._here -= 1
            self._left_at = asyncio.get_running_loop().time()

    def is_crowded(self) -> bool:
        """Whether others of ours are here, or were a moment ago."""
        return self._here > 1 or asyncio.get_running_loop().time() - self._left_at < _AFTERGLOW


def _door(route: Route) -> Hashable:
    """What our packets meet first: a proxy's command, or an address and port."""
    first = route.jumps[0] if route.jumps else route.target
    return first.proxy_command or (first.hostname, first.port)
