"""Links: made, ended, watched."""

import asyncio
from typing import Final, NoReturn

from remora.core.link.links import LinkName
from remora.flows.kit.timeout import dismiss
from remora.hub.registry import Registry
from remora.hub.service.callers import Caller, Handlers
from remora.ports import Clock
from remora.wire.hub import control
from remora.wire.reports.links import HubBody

_REFRESH_LIMIT: Final = 1.0
"""Seconds that a status waits for hosts that are asked."""
_REFRESH_PAUSE: Final = 3.0
"""Seconds between two questions to hosts while somebody watches."""


class LinkService:
    """Connects, disconnects, and tells how links are."""

    def __init__(self, registry: Registry, hub: HubBody, clock: Clock) -> None:
        self._registry = registry
        self._hub = hub
        self._clock = clock
        self.handlers: Handlers = {
            control.Connect: self._connect,
            control.Disconnect: self._disconnect,
            control.GetStatus: self._tell_status,
            control.Watch: self._watch,
            control.GetLinks: self._tell_links,
            control.FindFolder: self._find_folder,
        }

    async def _connect(self, request: control.Connect, caller: Caller) -> None:
        if not request.asks:
            caller.dialogue.hang_up()
        connected = await self._registry.connect(request, caller.dialogue)
        try:
            await caller.lines.send(connected)
            if request.hold:
                await self._tell_changes(caller)
        finally:
            if request.hold:
                await self._registry.unhold(request.meant_name)

    async def _disconnect(self, request: control.Disconnect, caller: Caller) -> None:
        await caller.lines.send(await self._registry.disconnect(request))

    async def _tell_status(self, request: control.GetStatus, caller: Caller) -> None:
        await self._registry.refresh(_REFRESH_LIMIT)
        await caller.lines.send(self._status())

    async def _tell_links(self, request: control.GetLinks, caller: Caller) -> None:
        links = self._registry.named(LinkName(request.alias, request.ssh_config))
        await caller.lines.send(control.NamedLinks(links=links))

    async def _find_folder(self, request: control.FindFolder, caller: Caller) -> None:
        name = LinkName(request.alias, request.ssh_config)
        found = await self._registry.find_folder(name, request.mark, request.folder)
        await caller.lines.send(control.Folder(path=found.path, brings=found.brings))

    async def _watch(self, request: control.Watch, caller: Caller) -> None:
        """As long as somebody watches, hosts are asked what they do not tell by themselves."""
        refreshing = asyncio.create_task(self._refresh_for_ever())
        try:
            await self._tell_changes(caller)
        finally:
            await dismiss(refreshing)

    async def _refresh_for_ever(self) -> NoReturn:
        while True:
            await self._registry.refresh(_REFRESH_LIMIT)
            await self._clock.sleep(_REFRESH_PAUSE)

    async def _tell_changes(self, caller: Caller) -> NoReturn:
        seen = -1
        told = b""
        while True:
            seen = await self._registry.news.since(seen)
            status = self._status()
            if (line := control.encode(status)) != told:
                told = line
                await caller.lines.send(status)

    def _status(self) -> control.Status:
        return control.Status(hub=self._hub, links=self._registry.bodies())
