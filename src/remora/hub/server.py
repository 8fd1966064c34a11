"""What callers of the hub's control socket are told."""

import asyncio
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn

from remora.core.errors import RemoraError, own_failure
from remora.core.link.egress import EgressRequest
from remora.core.link.faults import REPORT_LOGGED
from remora.core.link.links import LinkName
from remora.core.settings import DEFAULT_LIMITS, Limits
from remora.core.text import neutralise
from remora.flows.kit.timeout import dismiss
from remora.hub.registry import Registry
from remora.hub.shared.lines import LineStream
from remora.hub.shared.questions import CallerDialogue
from remora.ports import ByteStream
from remora.wire.hub import control
from remora.wire.reports.links import HubBody

_log: Final = logging.getLogger(__name__)
_AGENT: Final = "SSH_AUTH_SOCK"
_PATIENCE: Final = 1.0
"""Seconds that a status waits for hosts that are asked."""
_PAUSE: Final = 3.0
"""Seconds between two questions to hosts while somebody watches."""


@dataclass(frozen=True, slots=True)
class _Caller:
    """One connection to the control socket, after both sides have said hello."""

    lines: LineStream[control.FromCaller]
    dialogue: CallerDialogue

    async def listen(self) -> None:
        """Take what the caller says meanwhile; returns when it has left."""
        try:
            while (said := await self.lines.receive()) is not None:
                if isinstance(said, control.Ping):
                    await self.lines.send(control.Pong())
                elif isinstance(said, control.Answer):
                    self.dialogue.answer(said)
        except (control.Unreadable, RemoraError):
            return
        finally:
            self.dialogue.hang_up()


class HubServer:
    """Serves callers, each in a visit of its own: what one of them does or leaves undone holds up no other.

    `stop` is called when the hub is asked to end.
    """

    def __init__(self, registry: Registry, hub: HubBody, *, stop: Callable[[], None]) -> None:
        self._registry = registry
        self._hub = hub
        self._stop = stop
        self.limits: Limits = DEFAULT_LIMITS
        """Those of the latest caller that brought some."""

    async def visit(self, stream: ByteStream) -> None:
        """Serve one caller until it leaves or has its reply. A :data:`~remora.ports.Visitor`."""
        lines = LineStream(stream, control.read_from_caller, limit=control.REQUEST_LIMIT)
        try:
            async with asyncio.timeout(self.limits.hub_answer):
                await lines.send(
                    control.Hello(protocol=control.PROTOCOL, program=self._hub.version or "", pid=os.getpid())
                )
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
        if request is None or isinstance(request, control.Hello | control.Answer | control.Ping):
            return
        await self._serve(request, _Caller(lines, CallerDialogue(lines.send)))

    async def _serve(self, request: control.Request, caller: _Caller) -> None:
        """Reply, unless the caller leaves before. What it asked for to be done is done all the same."""
        working = asyncio.create_task(self._reply(request, caller))
        listening = asyncio.create_task(caller.listen())
        try:
            await asyncio.wait({working, listening}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
        finally:
            await dismiss(working, listening)

    async def _reply(self, request: control.Request, caller: _Caller) -> None:
        try:
            await self._perform(request, caller)
        except RemoraError as error:
            await caller.lines.send(control.failed(error))
        except Exception as error:  # noqa: BLE001 - the caller is told, and everybody else goes on
            _log.error("a request failed", exc_info=error)
            await caller.lines.send(control.failed(own_failure("The hub", error, next_step=REPORT_LOGGED)))

    async def _perform(self, request: control.Request, caller: _Caller) -> None:
        registry, send = self._registry, caller.lines.send
        match request:
            case control.Connect():
                await self._connect(request, caller)
            case control.Disconnect():
                await send(await registry.disconnect(request))
            case control.GetStatus():
                await registry.refresh(_PATIENCE)
                await send(self._status())
            case control.Watch():
                await self._watch_closely(caller)
            case control.GetLinks():
                await send(control.NamedLinks(links=registry.named(LinkName(request.alias, request.ssh_config))))
            case control.FindFolder():
                name = LinkName(request.alias, request.ssh_config)
                found = await registry.find_folder(name, request.mark, request.folder)
                await send(control.Folder(path=found.path, brings=found.brings))
            case control.OpenForward() | control.OpenEgress() | control.StopForward() | control.ListForwards():
                await send(await self._forward(request))
            case control.Stop():
                await send(control.Stopping(links=len(registry.bodies())))
                self._stop()

    async def _connect(self, request: control.Connect, caller: _Caller) -> None:
        self.limits = request.limits
        if request.agent:
            os.environ[_AGENT] = request.agent
        if not request.asks:
            caller.dialogue.hang_up()
        connected = await self._registry.connect(request, caller.dialogue)
        try:
            await caller.lines.send(connected)
            if request.hold:
                await self._watch(caller)
        finally:
            if request.hold:
                await self._registry.unhold(request.meant_name)

    async def _watch_closely(self, caller: _Caller) -> None:
        """As long as somebody watches, hosts are asked what they do not tell by themselves."""
        asking = asyncio.create_task(self._ask_again())
        try:
            await self._watch(caller)
        finally:
            await dismiss(asking)

    async def _ask_again(self) -> NoReturn:
        while True:
            await self._registry.refresh(_PATIENCE)
            await asyncio.sleep(_PAUSE)

    async def _watch(self, caller: _Caller) -> NoReturn:
        seen = -1
        told = b""
        while True:
            seen = await self._registry.news.since(seen)
            status = self._status()
            if (line := control.encode(status)) != told:
                told = line
                await caller.lines.send(status)

    async def _forward(
        self, request: control.OpenForward | control.OpenEgress | control.StopForward | control.ListForwards
    ) -> control.ForwardList:
        registry = self._registry
        match request:
            case control.OpenForward():
                name = LinkName(request.alias, request.ssh_config)
                body, changed = await registry.open_forward(name, request.mark, request.port, request.local_port)
                return control.ForwardList(forwards=[body], changed=changed)
            case control.OpenEgress():
                name = LinkName(request.alias, request.ssh_config)
                egress, changed = await registry.open_egress(name, request.mark, _egress_request(request))
                return control.ForwardList(forwards=[], egresses=[egress], changed=changed)
            case control.StopForward():
                name = LinkName(request.alias, request.ssh_config)
                forwards, egresses = await registry.stop_forward(name, request.mark, request.port, request.local_port)
                return control.ForwardList(forwards=forwards, egresses=egresses, changed=bool(forwards or egresses))
            case control.ListForwards():
                forwards, egresses = registry.forwards()
                return control.ForwardList(forwards=forwards, egresses=egresses)

    def _status(self) -> control.Status:
        return control.Status(hub=self._hub, links=self._registry.bodies())


def _egress_request(request: control.OpenEgress) -> EgressRequest:
    return EgressRequest(
        destinations=tuple(request.destinations),
        to=request.to,
        port=request.port,
        password=request.password,
        proxy=request.proxy,
        no_proxy=request.no_proxy,
    )
