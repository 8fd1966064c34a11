"""A link to a real sshd, in this process."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random

from tests.support.codex.launch_words import nonce
from tests.support.sshd.system_sshd import SystemSshd

from remora.adapters.asyncssh_host import AsyncsshDialler
from remora.adapters.files.disk_spool import DiskSpool
from remora.adapters.machine.local_sockets import SystemSockets
from remora.adapters.machine.system_clock import SystemClock
from remora.core.host.hosts import Host
from remora.core.link.links import LinkName, Liveness
from remora.core.server.launch_plan import LaunchRequest
from remora.core.settings import DEFAULT_LIMITS, Limits, ReconnectPolicy
from remora.flows.kit.unattended import UnattendedDialogue
from remora.flows.link.link import Link
from remora.flows.link.targets import Aim
from remora.flows.server.rpc import RpcClient, open_rpc
from remora.ports import Clock, World
from remora.wire.appserver.jsonrpc import Framing


class SshdResolver:
    """A :class:`remora.ports.HostResolver` that knows one server, at `port` when that is set: a proxy before it."""

    def __init__(self, sshd: SystemSshd, port: int | None = None) -> None:
        self._sshd = sshd
        self.port = port
        self.changes: dict[str, object] = {}
        self.asked = 0

    async def resolve(self, alias: str, *, user: str | None = None, port: int | None = None) -> Host:
        self.asked += 1
        extra = {} if self.port is None else {"port": self.port, "host_key_alias": f"[127.0.0.1]:{self._sshd.port}"}
        return self._sshd.host(alias, **{**extra, **self.changes})


def world_of(resolver: SshdResolver, *, limits: Limits = DEFAULT_LIMITS, clock: Clock | None = None) -> World:
    """The real world, with that server in it."""
    return World(
        resolver=resolver,
        dialler=AsyncsshDialler(limits),
        clock=clock or SystemClock(),
        random=Random(7),  # noqa: S311 - spreads retries
        nonce=nonce,
        spool=lambda: DiskSpool(memory=limits.spool_memory, disk=2**30),
        limits=limits,
    )


def new_link(
    world: World, folder: Path, *, policy: ReconnectPolicy = ReconnectPolicy.ALWAYS, codex: str | None = None
) -> Link:
    """A link with its door in `folder`."""
    return Link(
        LinkName("devbox"),
        Aim("devbox", world),
        SystemSockets(),
        socket_path=str(folder / f"{secrets.token_hex(3)}.sock"),
        launch=LaunchRequest(codex=codex),
        policy=policy,
    )


@asynccontextmanager
async def linked(
    world: World,
    folder: Path,
    *,
    policy: ReconnectPolicy = ReconnectPolicy.ALWAYS,
    up: bool = True,
    codex: str | None = None,
) -> AsyncIterator[Link]:
    """A link that runs inside, and is stopped at the end; with `up` it is live when this yields."""
    link = new_link(world, folder, policy=policy, codex=codex)
    running = asyncio.ensure_future(link.run())
    try:
        if up:
            bringing = asyncio.ensure_future(link.bring_up(UnattendedDialogue()))
            await asyncio.wait({bringing, running}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
            await bringing
        yield link
    finally:
        await link.stop()
        with suppress(asyncio.CancelledError):
            await running


@asynccontextmanager
async def client_of(link: Link, world: World) -> AsyncIterator[RpcClient]:
    """A client that came in through the link's door."""
    stream = await SystemSockets().connect(link.body().socket)
    async with open_rpc(stream, Framing.WEBSOCKET, clock=world.clock, limits=world.limits) as rpc:
        yield rpc


async def until_it_is(link: Link, *liveness: Liveness, limit: float = 30.0) -> None:
    """Wait until the link is in one of these states."""
    seen = 0
    async with asyncio.timeout(limit):
        while link.liveness not in liveness:
            seen = await link.changed(seen)
