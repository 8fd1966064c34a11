"""The SSH connection over asyncssh; nothing outside this package knows that library."""

import asyncio
import importlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from remora.adapters.asyncssh_host.laps import Laps
from remora.adapters.asyncssh_host.transport import SocketWay, open_way
from remora.adapters.ssh.ssh_failures import only_through_ssh
from remora.core.host.hosts import Route
from remora.core.host.ssh_options import only_openssh
from remora.core.settings import DEFAULT_LIMITS, Limits
from remora.ports import Dialogue, RemoteHost, ShellMemory

__all__ = ["AsyncsshDialler"]


class AsyncsshDialler:
    """The :class:`remora.ports.Dialler` of this package. It reads no SSH configuration: the route says everything.

    The library takes longer to load than a packet to come back, so it is loaded while the first host answers. Without
    `short_way` nothing of it is replaced (docs/short-way.md).
    """

    def __init__(
        self, limits: Limits = DEFAULT_LIMITS, *, short_way: bool = True, shells: ShellMemory | None = None
    ) -> None:
        self._limits = limits
        self._short_way = short_way
        self._shells = shells

    @asynccontextmanager
    async def dial(self, route: Route, dialogue: Dialogue) -> AsyncIterator[RemoteHost]:
        """See :class:`remora.ports.Dialler`."""
        for host in (*route.jumps, route.target):
            for reason in only_openssh(host):
                raise only_through_ssh(host, reason)
        first = route.jumps[0] if route.jumps else route.target
        async with AsyncExitStack() as stack:
            limit = first.connect_timeout or self._limits.connect
            laps = Laps()
            early = asyncio.ensure_future(open_way(stack, first, limit=limit, laps=laps))
            stack.push_async_callback(_settle, early)
            dialler = await asyncio.to_thread(importlib.import_module, f"{__name__}.dialler")
            logging_in = dialler.log_in(
                route, dialogue, self._limits, early, laps, short_way=self._short_way, shells=self._shells
            )
            yield await stack.enter_async_context(logging_in)


async def _settle(early: "asyncio.Future[SocketWay]") -> None:
    early.cancel()
    await asyncio.gather(early, return_exceptions=True)
