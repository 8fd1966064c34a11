"""The way of one program through the hub's link, found again when the hub was killed and there has to be another."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial
from random import SystemRandom
from typing import Any, Final

from remora import wiring
from remora.core.errors import RemoraError, Unreachable
from remora.core.link.faults import link_missing
from remora.core.link.links import side_door
from remora.core.link.meanings import Meaning
from remora.core.server.launch_plan import BytePath
from remora.core.settings import HostSettings, Limits, Settings
from remora.flows.link.lasting_streams import LastingStreams, while_kept
from remora.hub.shared.lock import holder_of
from remora.hub.shared.places import HubPlaces
from remora.hub_client.client import HubClient
from remora.hub_client.conversation import HubEnded
from remora.hub_client.find import find_hub
from remora.ports import ByteStream
from remora.wire.reports.links import LinkBody

OpenServer = Callable[[], Awaitable[ByteStream]]
"""Gives a connection to the app server's control socket."""

_LOOK: Final = 0.05
"""Seconds between looks at what another process does."""


class LastingWay:
    """Through the link to what `alias` meant, which is there when this is made.

    A hub that was killed is started again, and the link made as it was, without asking anybody anything; `tell` hears
    why it could not be live at once. A link that was dropped and a hub that was stopped were meant to go: they raise
    ``link-missing``.
    """

    def __init__(
        self,
        alias: str,
        ssh_config: str | None,
        meaning: Meaning,
        host: HostSettings,
        limits: Limits,
        tell: Callable[[RemoraError], None],
    ) -> None:
        self._alias = alias
        self._ssh_config = ssh_config
        self._meaning = meaning
        self._host = host
        self._limits = limits
        self._tell = tell
        self._hub: int | None = None

    async def open_relay(self) -> ByteStream:
        """A new way to the relay on the host; it is held while the link is down."""
        return await self._open(aside=True)

    async def open_server(self) -> ByteStream:
        """A connection to the app server's control socket; it is held while the link is down."""
        return await self._open(aside=False)

    async def _open(self, *, aside: bool) -> ByteStream:
        while True:
            with suppress(HubEnded):
                link = await self._have_link(await self._have_hub())
                with suppress(Unreachable):  # it has just gone, or is not there yet
                    return await wiring.local_sockets().connect(side_door(link.socket) if aside else link.socket)
            await asyncio.sleep(_LOOK)

    async def _have_link(self, hub: HubClient) -> LinkBody:
        pid = (await hub.hello()).pid
        link = await self._find_link(hub)
        if link is None and pid == self._hub:
            raise link_missing(self._alias, "was dropped")
        self._hub = pid
        return link or await self._connect_again(hub)

    async def _connect_again(self, hub: HubClient) -> LinkBody:
        try:
            return (await hub.connect_again(self._alias, self._ssh_config, self._meaning, host=self._host)).link
        except HubEnded:
            raise
        except RemoraError as error:
            link = await self._find_link(hub)
            if link is None:
                raise
            self._tell(error)
            return link

    async def _find_link(self, hub: HubClient) -> LinkBody | None:
        """The link to what the name meant when this began; one that has the name now leads elsewhere."""
        links = await hub.links(self._alias, self._ssh_config)
        return next((link for link in links if link.mark == self._meaning.mark), None)

    async def _have_hub(self) -> HubClient:
        while (hub := await find_hub(self._limits)) is None:
            places = HubPlaces(wiring.runtime_folder())
            if holder_of(places.lock) is not None:
                await asyncio.sleep(_LOOK)  # it ends, or begins
            elif self._hub is not None and not places.socket.exists():
                raise link_missing(self._alias, "was ended with the hub")
            else:
                from remora.hub_client.start import start_hub

                return await start_hub(self._limits)
        return hub


async def use_lasting(
    link: LinkBody,
    meaning: Meaning,
    settings: Settings,
    work: Callable[[OpenServer], Coroutine[Any, Any, None]],
    *,
    codex: str | None = None,
    tell: Callable[[RemoraError], None] = lambda error: None,
) -> None:
    """Do `work` with connections that outlive the hub, or on a host without relay with such that do not.

    Raises what `work` does, and as :class:`LastingWay`.
    """
    limits = settings.limits
    way = LastingWay(link.host, link.ssh_config, meaning, settings.host(link.host, codex=codex), limits, tell)
    if link.byte_path != BytePath.RELAY:
        await work(way.open_server)
        return
    streams = LastingStreams(
        way.open_relay,
        clock=wiring.system_clock(),
        limits=limits,
        nonce=partial(secrets.token_hex, 16),
        chance=SystemRandom().random,
    )
    await while_kept(streams, work(streams.open_server))
