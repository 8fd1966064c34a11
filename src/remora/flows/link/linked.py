"""An app server behind a link that is there already: nothing to dial, nothing to launch."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from remora.core.host.hosts import Notice
from remora.core.link.egress import EgressRequest
from remora.core.link.faults import link_missing
from remora.core.link.links import HostIdentity
from remora.core.server.launch_plan import BytePath, LaunchMode
from remora.core.server.probes import FolderFacts
from remora.core.settings import Limits
from remora.flows.kit.timeout import dismiss
from remora.flows.server.launch import Ahead, nothing_ahead
from remora.flows.server.rpc import Asked, RpcClient, open_rpc
from remora.ports import ByteStream, Clock
from remora.wire.appserver.jsonrpc import Framing
from remora.wire.reports.links import EgressBody, ForwardBody, LinkBody

__all__ = ["LinkAccess", "LinkedServer", "open_linked_server"]


class LinkAccess(Protocol):
    """What a program needs of a link, whoever holds it: the hub or this process."""

    async def body(self) -> LinkBody:
        """The link as it is now."""
        ...

    async def open_server(self) -> ByteStream:
        """A connection to the app server's control socket; held while the link is down."""
        ...

    async def find_folder(self, folder: str | None) -> FolderFacts:
        """What it is on the host; `None` is the home folder. Raises ``folder-missing``."""
        ...

    async def open_forward(self, port: int, local_port: int | None) -> tuple[ForwardBody, bool]:
        """A local port that leads to `port` of the host, and whether it is new. Raises ``port-taken``."""
        ...

    async def open_egress(self, request: EgressRequest) -> tuple[EgressBody, bool]:
        """A port of the host that leads through this machine, and whether it is new. Raises ``egress-refused``."""
        ...

    async def stop_forward(self, port: int) -> None:
        """Have nothing at this port of the host, whichever way it leads. Harmless when there is none."""
        ...


_OF_THE_LOGIN: Final = frozenset(
    {
        "agent-unreachable",
        "certificate-missing",
        "control-master-unused",
        "host-certificate-invalid",
        "host-key-accepted",
        "identity-file-missing",
        "openssh-used",
        "option-not-honoured",
        "security-key-file",
    }
)
"""Notices about the login of the link, which were told when it was made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedServer:
    """What :class:`remora.flows.thread.run.RunServer` asks for, as the link knows it."""

    rpc: RpcClient
    identity: HostIdentity | None
    user: str
    hostname: str
    mode: LaunchMode
    byte_path: BytePath
    version: str | None
    owner: str | None
    codex_path: str | None
    folder: str
    notices: tuple[Notice, ...]


@asynccontextmanager
async def open_linked_server(
    access: LinkAccess, folder: str | None, *, clock: Clock, limits: Limits, ahead: Ahead = nothing_ahead
) -> AsyncIterator[LinkedServer]:
    """The app server behind a live link, ready for requests.

    Order: two flights over the link. In the first travel the upgrade and the question what `folder` is, in the second
    ``initialize`` and what `ahead` gives for it. On leaving, our connection to the server is closed; link and server
    go on. Raises ``folder-missing``, ``link-missing`` for a link that never came up, and as
    :func:`~remora.flows.server.rpc.open_rpc`.
    """
    finding = asyncio.ensure_future(access.find_folder(folder))
    asking = asyncio.ensure_future(_asked(finding, ahead))
    try:
        stream = await access.open_server()
        async with open_rpc(stream, Framing.WEBSOCKET, clock=clock, limits=limits, ahead=asking) as rpc:
            yield _linked_server(rpc, await access.body(), (await finding).path)
    finally:
        await dismiss(asking, finding)


async def _asked(finding: "asyncio.Future[FolderFacts]", ahead: Ahead) -> Sequence[Asked]:
    return ahead(await finding)


def _linked_server(rpc: RpcClient, body: LinkBody, folder: str) -> LinkedServer:
    if body.launch_mode is None:
        raise link_missing(body.host, f"is not up ({body.liveness})")
    return LinkedServer(
        rpc=rpc,
        identity=body.identity,
        user=body.user or "",
        hostname=body.hostname or "",
        mode=LaunchMode(body.launch_mode),
        byte_path=BytePath(body.byte_path or BytePath.RELAY),  # no other way stands while the link is down
        version=body.server_version,
        owner=body.server_owner,
        codex_path=body.codex_path,
        folder=folder,
        notices=tuple(
            Notice(code=notice.code, message=notice.message)
            for notice in body.notices
            if notice.code not in _OF_THE_LOGIN
        ),
    )
