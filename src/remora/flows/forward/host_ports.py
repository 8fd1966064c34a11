"""Ports of the host that lead here, on each connection of a link anew."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress

from remora.core.errors import Code, LaunchProblem, RemoraError
from remora.core.link.faults import link_missing
from remora.flows.forward.port_holder import PortHolder, find_holder
from remora.flows.kit.own_faults import log_fault
from remora.flows.kit.timeout import dismiss
from remora.ports import RemoteHost, Visitor, World

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
        self.lost = False
        """Whether another account has, or may have, taken it: it is not opened again, nor is its password used."""
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class HostPorts:
    """The ports of one link. `changed` is called when one of them is there or is gone."""

    def __init__(self, alias: str, world: World, changed: Callable[[], None]) -> None:
        self._alias = alias
        self._world = world
        self._clock = world.clock
        self._limits = world.limits
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

    def enter(self, host: RemoteHost) -> None:
        """Have all of them on `host` from now on, which has shown who it is."""
        if self._host is host:
            return
        self._host = host
        for port in self._ports:
            if not port.lost:
                self._begin(port, host)

    async def leave(self) -> None:
        """The host is gone, or is to be left: have none of them."""
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
        except Exception as error:  # noqa: BLE001 - a fault of ours must not leave others waiting
            self._tell(port, log_fault(self._alias, "a port of the host", error))
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
        """Listen where it was before, and nowhere else: what runs on the host goes there, with its password.

        Our own connection before may hold it for a while yet. Another account that has it hears that password, so the
        port is lost at once; so it is when nobody tells who has it, and it stays taken.
        """
        until = self._clock.monotonic() + self._limits.egress_port
        pause = _FIRST_PAUSE
        while True:
            try:
                return await stack.enter_async_context(host.serve_port(port.wanted, port.visitor))
            except RemoraError as error:
                if error.code is not Code.CHANNEL_REFUSED:
                    raise
                refusal = error
            if not port.known:
                raise await self._explain(port, host, stack, refusal)
            holder = await self._find_holder(port.wanted, host)
            late = self._clock.monotonic() >= until
            if holder is None or not holder.is_own:
                port.lost = holder is not None or late
            if port.lost:
                raise _lost(self._alias, port.wanted, holder)
            if late:
                self._tell(port, _held(self._alias, port.wanted))
            await self._clock.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _find_holder(self, port: int, host: RemoteHost) -> PortHolder | None:
        with suppress(RemoraError):
            return await find_holder(host, port, self._world)
        return None

    async def _explain(
        self, port: HostPort, host: RemoteHost, stack: AsyncExitStack, refusal: RemoraError
    ) -> LaunchProblem:
        """Why the port was refused: any other one tells a taken port from a host that allows none."""
        if port.wanted == 0:
            return _refused(self._alias, refusal)
        try:
            await stack.enter_async_context(host.serve_port(0, port.visitor))
        except RemoraError:
            return _refused(self._alias, refusal)
        return _taken(self._alias, port.wanted, await self._find_holder(port.wanted, host), refusal)


def _refused(alias: str, error: RemoraError) -> LaunchProblem:
    return LaunchProblem(
        Code.EGRESS_REFUSED,
        f"{alias} does not allow listening on a loopback port, so its programs cannot reach this machine.",
        next_step="Allow it in its sshd_config: AllowTcpForwarding yes (or remote), no DisableForwarding, a matching "
        "PermitListen.",
        seen=error.seen,
        host=alias,
    )


def _taken(alias: str, port: int, holder: PortHolder | None, error: RemoraError) -> LaunchProblem:
    who = (
        "it is in use, or the host's sshd allows only other ports"
        if holder is None
        else f"{_whose(holder)} listens there"
    )
    return LaunchProblem(
        Code.EGRESS_REFUSED,
        f"Port {port} of {alias} is not free: {who}.",
        next_step="Name another port with --port, or omit --port to use any free port.",
        seen=error.seen,
        host=alias,
    )


def _lost(alias: str, port: int, holder: PortHolder | None) -> LaunchProblem:
    who = "another account" if holder is None else _whose(holder)
    return LaunchProblem(
        Code.EGRESS_REFUSED,
        f"Port {port} of {alias} is lost: {who} listens on it since the connection broke. It may have received the "
        "password, which is now invalid.",
        next_step="Open the egress again, and give its new password to the programs that use it.",
        host=alias,
    )


def _held(alias: str, port: int) -> LaunchProblem:
    return LaunchProblem(
        Code.EGRESS_REFUSED,
        f"Port {port} of {alias} is in use by a program of the same account: the previous connection, or an egress "
        "from another machine.",
        next_step="End that program on the host, or on the other machine. remora retries until the port is free.",
        host=alias,
    )


def _whose(holder: PortHolder) -> str:
    if not holder.is_own:
        return f"the account {holder.account}"
    return f"a program of the same account ({holder.account}), such as an egress from another machine,"
