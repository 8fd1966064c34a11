"""Ports of the host that lead here, on each connection of a link anew."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from remora.core.errors import Code, LaunchProblem, RemoraError
from remora.core.link_faults import link_missing
from remora.core.settings import Limits
from remora.flows.waiting import dismiss
from remora.ports import Clock, RemoteHost, Visitor

_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 4.0


class HostPort:
    """One of them. `wanted` is what it was first, and is asked for first each time; 0 until it is known."""

    def __init__(self, wanted: int, visitor: Visitor) -> None:
        self.wanted = wanted
        self.visitor = visitor
        self.port: int | None = None
        """Where it is now; `None` while nobody listens."""
        self.error: RemoraError | None = None
        """Why nobody does although the host is there."""
        self.task: asyncio.Task[None] | None = None
        self.known = False
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class HostPorts:
    """The ports of one link. `changed` is called when one of them is there or is gone."""

    def __init__(self, alias: str, clock: Clock, limits: Limits, changed: Callable[[], None]) -> None:
        self._alias = alias
        self._clock = clock
        self._limits = limits
        self._changed = changed
        self._host: RemoteHost | None = None
        self._ports: list[HostPort] = []

    @property
    def wanted(self) -> bool:
        """Whether anybody wants one."""
        return bool(self._ports)

    async def add(self, port: int, visitor: Visitor) -> HostPort:
        """Have `port`, 0 for any, from now on. Raises ``egress-refused``, ``link-missing`` when the link is down."""
        if self._host is None:
            raise link_missing(self._alias, "is down, so nothing can be opened on the host")
        added = HostPort(port, visitor)
        self._ports.append(added)
        self._begin(added, self._host)
        try:
            await asyncio.shield(added.opened)
        except BaseException:
            await self.remove(added)
            raise
        return added

    async def remove(self, port: HostPort) -> None:
        """Have it no more; who is connected is let go."""
        self._ports = [other for other in self._ports if other is not port]
        if port.task is not None:
            await dismiss(port.task)
        self._changed()

    @asynccontextmanager
    async def on(self, host: RemoteHost) -> AsyncIterator[None]:
        """Have all of them on `host`, beside whatever is done inside."""
        self._host = host
        for port in self._ports:
            self._begin(port, host)
        try:
            yield
        finally:
            self._host = None
            await dismiss(*(port.task for port in self._ports if port.task is not None))

    def _begin(self, port: HostPort, host: RemoteHost) -> None:
        port.error = None
        port.task = asyncio.create_task(self._hold(port, host))

    async def _hold(self, port: HostPort, host: RemoteHost) -> None:
        try:
            async with AsyncExitStack() as stack:
                port.port = await self._listen(port, host, stack)
                if not port.known:
                    port.known, port.wanted = True, port.port
                self._tell(port, None)
                await asyncio.Event().wait()
        except RemoraError as error:
            self._tell(port, error)
        finally:
            port.port = None
            if not port.opened.done():
                port.opened.set_exception(link_missing(self._alias, "was lost meanwhile"))
                port.opened.exception()

    def _tell(self, port: HostPort, error: RemoraError | None) -> None:
        port.error = error
        if not port.opened.done():
            if error is None:
                port.opened.set_result(None)
            else:
                port.opened.set_exception(error)
                port.opened.exception()  # seen here: nobody may be waiting any more
        self._changed()

    async def _listen(self, port: HostPort, host: RemoteHost, stack: AsyncExitStack) -> int:
        """Listen where it was before; another port only when that one stays taken.

        What runs on the host knows that number, and the connection before may hold it for a while yet.
        """
        until = self._clock.monotonic() + self._limits.egress_port
        pause = _FIRST_PAUSE
        while True:
            try:
                return await stack.enter_async_context(host.serve_port(port.wanted, port.visitor))
            except RemoraError as error:
                if error.code is not Code.CHANNEL_REFUSED:
                    raise
                if not port.known or self._clock.monotonic() >= until:
                    return await self._take_any(port, host, stack, error)
            await self._clock.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _take_any(self, port: HostPort, host: RemoteHost, stack: AsyncExitStack, refusal: RemoraError) -> int:
        """Another port than the one that was refused. It also tells a taken port from a host that allows none."""
        if port.wanted == 0:
            raise _refused(self._alias, refusal)
        try:
            any_port = await stack.enter_async_context(host.serve_port(0, port.visitor))
        except RemoraError:
            raise _refused(self._alias, refusal) from None
        if not port.known:
            raise _taken(self._alias, port.wanted, refusal)
        return any_port


def _refused(alias: str, error: RemoraError) -> LaunchProblem:
    return LaunchProblem(
        Code.EGRESS_REFUSED,
        f"{alias} does not let us listen on a port of its loopback, so nothing there can reach this machine.",
        next_step="Have its sshd allow that: AllowTcpForwarding yes (or remote), no DisableForwarding, a PermitListen "
        "that fits.",
        seen=error.seen,
        host=alias,
    )


def _taken(alias: str, port: int, error: RemoraError) -> LaunchProblem:
    return LaunchProblem(
        Code.EGRESS_REFUSED,
        f"Port {port} of {alias} cannot be had: it is taken, or its sshd lets us have other ports only.",
        next_step="Name another port with --port, or none for any that is free.",
        seen=error.seen,
        host=alias,
    )
