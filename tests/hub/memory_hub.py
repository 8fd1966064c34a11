"""A hub in memory, with links that do what a test says."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.hub.fake_link import FakeLink, FakeLinks

from remora.core.link.meanings import Meaning
from remora.core.settings import DEFAULT_LIMITS, HostSettings, Limits
from remora.hub.registry import Registry
from remora.hub.server import HubServer
from remora.hub.shared.lines import LineStream
from remora.hub.shared.places import HubPlaces
from remora.testing.manual_clock import ManualClock
from remora.testing.memory_sockets import MemorySockets
from remora.wire.hub import control
from remora.wire.reports.links import HubBody

HUB_SOCKET = "hub"


@dataclass
class Hub:
    """A hub in memory."""

    sockets: MemorySockets
    registry: Registry
    links: FakeLinks
    stops: list[bool]

    async def call(self) -> LineStream[control.FromHub]:
        """A connection to it."""
        return LineStream(await self.sockets.connect(HUB_SOCKET), control.read_from_hub, limit=control.LINE_LIMIT)

    async def open(self, request: control.Request) -> LineStream[control.FromHub]:
        """A caller that has asked, and heard the hello."""
        lines = await self.call()
        await lines.send(control.Hello(protocol=control.PROTOCOL, program="test", pid=1), request)
        assert isinstance(await lines.receive(), control.Hello)
        return lines

    async def ask(self, request: control.Request) -> control.FromHub | None:
        """The reply."""
        lines = await self.open(request)
        try:
            return await lines.receive()
        finally:
            await lines.close()

    async def liveness(self) -> dict[str, str]:
        """What each link does, by host."""
        status = await self.ask(control.GetStatus())
        assert isinstance(status, control.Status)
        return {link.host: link.liveness for link in status.links}


@asynccontextmanager
async def hub_in_memory(
    prepare: Callable[[FakeLink], None] = lambda link: None, *, limits: Limits = DEFAULT_LIMITS
) -> AsyncIterator[Hub]:
    sockets, links, stops = MemorySockets(), FakeLinks(prepare), [False]
    clock = ManualClock()
    registry = Registry(links, places=HubPlaces(Path("/run")), sockets=sockets, clock=clock)
    server = HubServer(
        registry,
        HubBody(running=True, version="1"),
        clock=clock,
        stop=lambda: stops.append(True),
        greeting=limits.hub_answer,
    )
    async with sockets.serve(HUB_SOCKET, server.visit):
        yield Hub(sockets, registry, links, stops)
    await registry.close()


def connect(alias: str, *, asks: bool = False, hold: bool = False, means: str = "there") -> control.Connect:
    return control.Connect(
        alias=alias,
        ssh_config=None,
        meaning=Meaning(f"me@{means}:22", means, ""),
        host=HostSettings(),
        limits=DEFAULT_LIMITS,
        asks=asks,
        hold=hold,
    )


def disconnect(alias: str, **options: bool) -> control.Disconnect:
    return control.Disconnect(alias=alias, ssh_config=None, **options)
