"""Ports of hosts, reached through ports of this machine. They are gone with their link."""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial

from remora.core.errors import Code, LaunchProblem, RemoraError
from remora.flows.doors import show_in
from remora.hub.held import HeldLink
from remora.ports import ByteStream, LocalSockets
from remora.wire.reports.links import ForwardBody


@dataclass(slots=True)
class _Forward:
    held: HeldLink
    body: ForwardBody
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def visit(self, client: ByteStream) -> None:
        """Carry one client's bytes."""
        self.body.clients += 1
        try:
            await show_in(client, partial(self.held.link.open_port, self.body.remote_port))
        finally:
            self.body.clients -= 1


class Forwards:
    """All forwarded ports, by link and remote port."""

    def __init__(self, sockets: LocalSockets) -> None:
        self._sockets = sockets
        self._open: dict[tuple[HeldLink, int], _Forward] = {}

    def of(self, held: HeldLink | None = None) -> list[ForwardBody]:
        """Those of one link, or all."""
        return [forward.body for forward in self._open.values() if held is None or forward.held is held]

    async def open(self, held: HeldLink, port: int, local_port: int | None) -> tuple[ForwardBody, bool]:
        """The forward to `port`, and whether it is new.

        One that is there is used again unless another `local_port` is wanted. Without a wish the same number is
        taken, or any when that one is taken. Raises ``port-taken`` for a wish that cannot be fulfilled.
        """
        there = self._open.get((held, port))
        if there is not None and local_port in (None, there.body.local_port):
            return there.body, False
        forward = _Forward(held, ForwardBody(host=held.name.alias, remote_port=port, local_port=0))
        forward.body.local_port = await self._listen(forward, port, local_port)
        if there is not None:
            await there.stack.aclose()
        self._open[held, port] = forward
        return forward.body, True

    async def stop(self, held: HeldLink, port: int | None = None) -> list[ForwardBody]:
        """Stop the forward to `port`, or all of this link; those that were there."""
        chosen = [key for key in self._open if key[0] is held and port in (None, key[1])]
        stopped = [self._open.pop(key) for key in chosen]
        for forward in stopped:
            await forward.stack.aclose()
        return [forward.body for forward in stopped]

    async def _listen(self, forward: _Forward, port: int, local_port: int | None) -> int:
        for candidate in (port, 0) if local_port is None else (local_port,):
            try:
                return await forward.stack.enter_async_context(self._sockets.serve_port(candidate, forward.visit))
            except RemoraError as error:
                if error.code is not Code.PORT_TAKEN or local_port is not None:
                    raise
        raise LaunchProblem(
            Code.PORT_TAKEN, "This machine has no free port.", next_step="End a program that listens on one."
        )
