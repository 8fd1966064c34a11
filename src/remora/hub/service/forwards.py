"""Ports in both directions."""

from remora.core.link.egress import EgressRequest
from remora.core.link.links import LinkName
from remora.hub.registry import Registry
from remora.hub.service.callers import Caller, Handlers
from remora.wire.hub import control


class ForwardService:
    """Opens, stops and lists forwarded ports and egresses."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.handlers: Handlers = {
            control.OpenForward: self._open_forward,
            control.OpenEgress: self._open_egress,
            control.StopForward: self._stop,
            control.ListForwards: self._list,
        }

    async def _open_forward(self, request: control.OpenForward, caller: Caller) -> None:
        name = LinkName(request.alias, request.ssh_config)
        body, changed = await self._registry.open_forward(name, request.mark, request.port, request.local_port)
        await caller.lines.send(control.ForwardList(forwards=[body], changed=changed))

    async def _open_egress(self, request: control.OpenEgress, caller: Caller) -> None:
        name = LinkName(request.alias, request.ssh_config)
        wanted = EgressRequest(
            destinations=tuple(request.destinations),
            to=request.to,
            port=request.port,
            password=request.password,
            proxy=request.proxy,
            no_proxy=request.no_proxy,
        )
        body, changed = await self._registry.open_egress(name, request.mark, wanted)
        await caller.lines.send(control.ForwardList(forwards=[], egresses=[body], changed=changed))

    async def _stop(self, request: control.StopForward, caller: Caller) -> None:
        name = LinkName(request.alias, request.ssh_config)
        forwards, egresses = await self._registry.stop_forward(name, request.mark, request.port, request.local_port)
        stopped = control.ForwardList(forwards=forwards, egresses=egresses, changed=bool(forwards or egresses))
        await caller.lines.send(stopped)

    async def _list(self, request: control.ListForwards, caller: Caller) -> None:
        forwards, egresses = self._registry.forwards()
        await caller.lines.send(control.ForwardList(forwards=forwards, egresses=egresses))
