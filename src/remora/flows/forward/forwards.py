"""Ports of a host, reached through ports of this machine."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from remora.core.errors import Code, LaunchProblem, RemoraError, UsageProblem
from remora.flows.forward.listeners import show_in
from remora.ports import ByteStream, Far, LocalSockets, Near
from remora.wire.reports.links import ForwardBody


class PortReach(Protocol):
    """The ports of one host, over a link."""

    async def open_port(self, port: int) -> ByteStream:
        """One connection to a port of the host; waits while the link is down."""
        ...

    def carry_port(self, port: int, near: Near, *, left: Callable[[], None]) -> Far | None:
        """The same for `near`, without waiting; `None` where that cannot be. `left` is called once, at its end."""
        ...

    def flush(self) -> None:
        """Let go what was told to connections that are carried."""
        ...


@dataclass(slots=True)
class _Forward:
    """One port. A client is carried at once where the link can do that; else it is a visit, which can wait."""

    ports: PortReach
    body: ForwardBody
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def visit(self, client: ByteStream) -> None:
        """Carry one client's bytes."""
        self.body.clients += 1
        try:
            await show_in(client, partial(self.ports.open_port, self.body.remote_port))
        finally:
            self._leave()

    def open(self, near: Near) -> Far | None:
        """See :class:`remora.ports.Line`."""
        far = self.ports.carry_port(self.body.remote_port, near, left=self._leave)
        if far is not None:
            self.body.clients += 1
        return far

    def flush(self) -> None:
        """See :class:`remora.ports.Line`."""
        self.ports.flush()

    def _leave(self) -> None:
        self.body.clients -= 1


class ForwardedPorts:
    """The forwarded ports of one link, by the host's port. Gone with :meth:`stop`."""

    def __init__(self, sockets: LocalSockets, ports: PortReach, *, host: str) -> None:
        self._sockets = sockets
        self._ports = ports
        self._host = host
        self._open: dict[int, _Forward] = {}

    @property
    def bodies(self) -> list[ForwardBody]:
        """All of them, in the order they were opened."""
        return [forward.body for forward in self._open.values()]

    async def open(self, port: int, local_port: int | None) -> tuple[ForwardBody, bool]:
        """The forward to `port`, and whether it is new.

        One that is there is used again unless another `local_port` is wanted; then it moves. Without a wish the same
        number is taken, or any when that one is taken. Raises ``port-taken`` when no port is free.
        """
        for number in (port, local_port or port):
            if not 0 < number < 65536:
                raise UsageProblem(Code.USAGE, f"Invalid port {number}.", next_step="Name a port from 1 to 65535.")
        there = self._open.get(port)
        if there is not None and local_port in (None, there.body.local_port):
            return there.body, False
        forward = _Forward(self._ports, ForwardBody(host=self._host, remote_port=port, local_port=0))
        forward.body.local_port = await self._listen(forward, port, local_port)
        if there is not None:
            await there.stack.aclose()
        self._open[port] = forward
        return forward.body, True

    async def stop(self, port: int | None = None, local_port: int | None = None) -> list[ForwardBody]:
        """Stop the forward to `port`, and from `local_port`, or all; gives those. Their clients are let go."""
        meant = [
            key
            for key, forward in self._open.items()
            if port in (None, key) and local_port in (None, forward.body.local_port)
        ]
        stopped = [self._open.pop(key) for key in meant]
        for forward in stopped:
            await forward.stack.aclose()
        return [forward.body for forward in stopped]

    async def _listen(self, forward: _Forward, port: int, local_port: int | None) -> int:
        for candidate in (port, 0) if local_port is None else (local_port,):
            try:
                serving = self._sockets.serve_port(candidate, forward.visit, forward)
                return await forward.stack.enter_async_context(serving)
            except RemoraError as error:
                if error.code is not Code.PORT_TAKEN or local_port is not None:
                    raise
        raise LaunchProblem(
            Code.PORT_TAKEN, "This machine has no free port.", next_step="End a program that listens on a port."
        )
