"""The hub's link, as a program in another process uses it."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

from remora import wiring
from remora.core.errors import Code, RemoraError, Stage
from remora.core.host.hosts import Notice
from remora.core.link.egress import EgressRequest
from remora.core.link.faults import link_missing
from remora.core.link.links import LinkName, Liveness
from remora.core.link.meanings import Meaning, describe_change
from remora.core.server.launch_plan import LaunchRequest
from remora.core.server.probes import FolderFacts
from remora.core.settings import HostSettings
from remora.flows.link.linked import LinkAccess, open_linked_server
from remora.flows.server.launch import Ahead
from remora.flows.thread.run import RunServer
from remora.hub_client.client import HubClient, config_name, own_hub
from remora.hub_client.find import known_links
from remora.hub_client.meanings import Meanings
from remora.ports import ByteStream, Dialogue, RemoteHost, World
from remora.wire.reports.links import EgressBody, ForwardBody, LinkBody

_HUB_TROUBLE: Final = frozenset({Stage.HUB, Stage.LINK})
_LINK_TROUBLE: Final = _HUB_TROUBLE | {Stage.ROUTE, Stage.HANDSHAKE}
"""What goes wrong there says nothing about the host: dialling may still do."""


@dataclass(frozen=True, slots=True)
class Serverless:
    """A connected host on which no app server runs."""

    host: RemoteHost


class HubLink:
    """See :class:`remora.flows.link.linked.LinkAccess`. `link` is what the hub said of it first: its socket stays.

    `meaning` is that of its name: another link that gets the name later is not this one.
    """

    def __init__(self, client: HubClient, link: LinkBody, meaning: Meaning) -> None:
        self.meaning = meaning
        self._client = client
        self._alias = link.host
        self._ssh_config = link.ssh_config
        self._socket = link.socket

    async def body(self) -> LinkBody:
        """See :class:`remora.flows.link.linked.LinkAccess`."""
        for link in await self._client.links(self._alias, self._ssh_config):
            if link.mark == self.meaning.mark:
                return link
        raise link_missing(self._alias, "was dropped")

    async def open_server(self) -> ByteStream:
        """See :class:`remora.flows.link.linked.LinkAccess`."""
        return await wiring.local_sockets().connect(self._socket)

    async def find_folder(self, folder: str | None) -> FolderFacts:
        """See :class:`remora.flows.link.linked.LinkAccess`."""
        return await self._client.find_folder(self._alias, self._ssh_config, self.meaning.mark, folder)

    async def open_forward(self, port: int, local_port: int | None) -> tuple[ForwardBody, bool]:
        """See :class:`remora.flows.link.linked.LinkAccess`."""
        return await self._client.forward_open(
            self._alias, self._ssh_config, self.meaning.mark, port, local_port=local_port
        )

    async def open_egress(self, request: EgressRequest) -> tuple[EgressBody, bool]:
        """See :class:`remora.flows.link.linked.LinkAccess`."""
        return await self._client.egress_open(self._alias, self._ssh_config, self.meaning.mark, request)

    async def stop_forward(self, port: int) -> None:
        """See :class:`remora.flows.link.linked.LinkAccess`."""
        await self._client.forward_stop(self._alias, self._ssh_config, self.meaning.mark, port)


@asynccontextmanager
async def reach_server(
    alias: str,
    ssh_config: str | None,
    launch: LaunchRequest,
    world: World,
    dialogue: Dialogue,
    ahead: Ahead,
    *,
    host: HostSettings,
) -> AsyncIterator[RunServer]:
    """The app server on `alias`, through the hub's link when there is one, else over a connection of our own.

    A link that was made when the name meant something else is none, and a notice says so.
    """
    async with AsyncExitStack() as stack:
        access, left = await _access(alias, ssh_config, world, dialogue, host)
        server: RunServer | None = None
        if access is not None:
            linked = open_linked_server(access, launch.folder, clock=world.clock, limits=world.limits, ahead=ahead)
            try:
                server = await stack.enter_async_context(linked)
            except RemoraError as error:
                if error.stage not in _LINK_TROUBLE:
                    raise
        if server is None:
            from remora.flows.server.connect import connect_server

            own = await stack.enter_async_context(connect_server(alias, launch, world, dialogue, ahead))
            server = own if left is None else replace(own, notices=(left, *own.notices))
        yield server


@asynccontextmanager
async def reach_running(
    alias: str, ssh_config: str | None, world: World, dialogue: Dialogue, *, host: HostSettings
) -> AsyncIterator[RunServer | Serverless]:
    """The app server that runs on `alias`, or the host where none does. Starts none, and brings no link back."""
    launch = LaunchRequest(codex=host.codex, may_start=False)
    async with AsyncExitStack() as stack:
        access = await _live(alias, ssh_config, world, host)
        if access is not None:
            linked = open_linked_server(access, None, clock=world.clock, limits=world.limits)
            try:
                server = await stack.enter_async_context(linked)
            except RemoraError as error:
                if error.stage not in _LINK_TROUBLE:
                    raise
            else:
                yield server
                return
        from remora.flows.host.dial import connect_host
        from remora.flows.server.launch import open_app_server

        remote = await stack.enter_async_context(connect_host(alias, world, dialogue))
        opening = open_app_server(remote, launch, clock=world.clock, limits=world.limits, nonce=world.nonce)
        try:
            own = await stack.enter_async_context(opening)
        except RemoraError as error:
            error.belongs_to(alias)
            if error.code is not Code.SERVER_ABSENT:
                raise
            yield Serverless(remote)
        else:
            yield own


@asynccontextmanager
async def link_for(
    alias: str, ssh_config: str | None, world: World, dialogue: Dialogue, *, host: HostSettings
) -> AsyncIterator[LinkAccess]:
    """The hub's link when there is one, else a link of this process, gone on leaving."""
    access, _ = await _access(alias, ssh_config, world, dialogue, host)
    if access is not None:
        yield access
        return
    from remora.flows.link.link import Link
    from remora.flows.link.own_link import own_link
    from remora.flows.link.targets import Aim

    sockets = wiring.local_sockets()
    link = Link(
        LinkName(alias, config_name(ssh_config)),
        Aim(alias, world, host.transport),
        sockets,
        socket_path=str(wiring.runtime_folder() / f"own-{os.getpid()}-{world.nonce()[:8]}.sock"),
        launch=LaunchRequest(codex=host.codex),
        policy=host.reconnect,
    )
    async with own_link(link, sockets, dialogue) as own:
        yield own


async def _live(alias: str, ssh_config: str | None, world: World, host: HostSettings) -> HubLink | None:
    """The hub's link to what `alias` means now, when it is live."""
    links = await known_links(alias, ssh_config, world.limits)
    if not links:
        return None
    meaning = await Meanings(ssh_config, world.limits).of(alias, host)
    link = next((each for each in links if each.mark == meaning.mark and each.liveness == Liveness.LIVE), None)
    return None if link is None else HubLink(own_hub(world.limits), link, meaning)


async def _access(
    alias: str, ssh_config: str | None, world: World, dialogue: Dialogue, host: HostSettings
) -> tuple[HubLink | None, Notice | None]:
    """The hub's link to what `alias` means now, live; `None` when there is none, and perhaps a notice of one that was
    made for another meaning. Raises what keeps the host out of reach.

    A link that rests is brought back rather than left beside a second connection: who waits at it comes back, too.
    One that was made to the same machine by another way gets the new way, once the machine there has proven to be it.
    """
    links = await known_links(alias, ssh_config, world.limits)
    if not links:
        return None, None
    meaning = await Meanings(ssh_config, world.limits).of(alias, host)
    link = next((each for each in links if each.mark == meaning.mark), None)
    if link is None and (meaning.machine is None or all(each.machine != meaning.machine for each in links)):
        return None, _notice_of(links[-1], meaning)
    client = own_hub(world.limits)
    if link is None or link.liveness != Liveness.LIVE:
        try:
            link = (await client.connect(alias, ssh_config, meaning, host=host, dialogue=dialogue)).link
        except RemoraError as error:
            if error.stage in _HUB_TROUBLE:
                return None, Notice(error.code, f"{error.message} This command uses a separate connection.")
            raise
    return HubLink(client, link, meaning), None


def _notice_of(link: LinkBody, now: Meaning) -> Notice:
    said = describe_change(link.host, made=link.leads_to or "", now=now.place)
    return Notice(
        Code.ALIAS_CHANGED,
        f"{said} This command uses a separate connection; to make a new link: remora connect {link.host}",
    )
