"""The hub's control socket: each caller says hello, asks one thing, and is served by the service it belongs to."""

import asyncio
import logging
import os
from collections.abc import Callable
from typing import Final

from remora.core.errors import RemoraError, own_failure
from remora.core.link.faults import REPORT_LOGGED
from remora.core.settings import DEFAULT_LIMITS
from remora.core.text import neutralise
from remora.flows.kit.timeout import dismiss
from remora.hub.registry import Registry
from remora.hub.service.callers import Caller, Handlers
from remora.hub.service.forwards import ForwardService
from remora.hub.service.links import LinkService
from remora.hub.shared.lines import LineStream
from remora.hub.shared.questions import CallerDialogue
from remora.ports import ByteStream, Clock
from remora.wire.hub import control
from remora.wire.reports.links import HubBody

_log: Final = logging.getLogger(__name__)


class HubServer:
    """Serves callers, each in a visit of its own: what one of them does or leaves undone holds up no other.

    `stop` is called when the hub is asked to end. A caller has `greeting` seconds to say hello and what it asks.
    """

    def __init__(
        self,
        registry: Registry,
        hub: HubBody,
        *,
        clock: Clock,
        stop: Callable[[], None],
        greeting: float = DEFAULT_LIMITS.hub_answer,
    ) -> None:
        self._registry = registry
        self._version = hub.version or ""
        self._stop = stop
        self._greeting = greeting
        self._handlers: Handlers = {
            **LinkService(registry, hub, clock).handlers,
            **ForwardService(registry).handlers,
            control.Stop: self._end,
        }

    async def visit(self, stream: ByteStream) -> None:
        """Serve one caller until it leaves or has its reply. A :data:`~remora.ports.Visitor`."""
        lines = LineStream(stream, control.read_from_caller, limit=control.REQUEST_LIMIT)
        try:
            async with asyncio.timeout(self._greeting):
                await lines.send(control.Hello(protocol=control.PROTOCOL, program=self._version, pid=os.getpid()))
                hello, request = await lines.receive(), await lines.receive()
        except control.Unreadable as error:
            _log.info("a caller sent something else: %s", neutralise(str(error), limit=200, one_line=True))
            return
        except TimeoutError:
            return
        if not isinstance(hello, control.Hello):
            return
        if hello.protocol != control.PROTOCOL and not isinstance(request, control.Stop):
            return  # it has read our hello and knows
        if type(request) in self._handlers:
            await self._serve(request, Caller(lines, CallerDialogue(lines.send)))

    async def _serve(self, request: object, caller: Caller) -> None:
        """Reply, unless the caller leaves before. What it asked for to be done is done all the same."""
        working = asyncio.create_task(self._reply(request, caller))
        listening = asyncio.create_task(caller.listen())
        try:
            await asyncio.wait({working, listening}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
        finally:
            await dismiss(working, listening)

    async def _reply(self, request: object, caller: Caller) -> None:
        try:
            await self._handlers[type(request)](request, caller)
        except RemoraError as error:
            await caller.lines.send(control.failed(error))
        except Exception as error:  # noqa: BLE001 - the caller is told, and everybody else goes on
            _log.error("a request failed", exc_info=error)
            await caller.lines.send(control.failed(own_failure("The hub", error, next_step=REPORT_LOGGED)))

    async def _end(self, request: control.Stop, caller: Caller) -> None:
        await caller.lines.send(control.Stopping(links=len(self._registry.bodies())))
        self._stop()
