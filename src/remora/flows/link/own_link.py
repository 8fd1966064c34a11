"""A link that this process holds itself, for as long as it is used."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from remora.core.link.egress import EgressRequest
from remora.core.server.probes import FolderFacts
from remora.flows.forward.forwards import ForwardedPorts
from remora.flows.kit.timeout import dismiss
from remora.flows.link.link import Link
from remora.ports import ByteStream, Dialogue, LocalSockets
from remora.wire.reports.links import EgressBody, ForwardBody, LinkBody


class OwnLink:
    """See :class:`remora.flows.link.linked.LinkAccess`."""

    def __init__(self, link: Link, sockets: LocalSockets) -> None:
        self._link = link
        self._forwards = ForwardedPorts(sockets, link, host=link.name.alias)

    async def body(self) -> LinkBody:
        """See :class:`remora.flows.link.linked.LinkAccess`."""
        body = self._link.body()
        body.forwards = self._forwards.bodies
        return body

    async def open_server(self) -> ByteStream:
        """See :class:`remora.flows.link.linked.LinkAccess`."""
        return await self._link.open_server()

    async def find_folder(self, folder: str | None) -> FolderFacts:
        """See :class:`remora.flows.link.linked.LinkAccess`."""
        return await self._link.find_folder(folder)

    async def open_forward(self, port: int, local_port: int | None) -> tuple[ForwardBody, bool]:
        """See :class:`remora.flows.link.linked.LinkAccess`."""
        return await self._forwards.open(port, local_port)

    async def open_egress(self, request: EgressRequest) -> tuple[EgressBody, bool]:
        """See :class:`remora.flows.link.linked.LinkAccess`."""
        return await self._link.egresses.open(request)

    async def stop_forward(self, port: int | None = None) -> None:
        """See :class:`remora.flows.link.linked.LinkAccess`; without `port` all of them."""
        await self._forwards.stop(port)
        await self._link.egresses.stop(port)


@asynccontextmanager
async def own_link(link: Link, sockets: LocalSockets, dialogue: Dialogue) -> AsyncIterator[OwnLink]:
    """Run `link` and bring it up. On leaving it is gone; the app server goes on.

    Raises what stops the first connection; afterwards the link reconnects as its policy says.
    """
    running = asyncio.ensure_future(link.run())
    access = OwnLink(link, sockets)
    try:
        rising = asyncio.ensure_future(link.bring_up(dialogue))
        try:
            await asyncio.wait({running, rising}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
            await rising
        finally:
            await dismiss(rising)
        yield access
    finally:
        await access.stop_forward()
        await link.stop()
        await dismiss(running)
