"""Clients on a host, the ways out that they were given, and what lies behind them; all in memory."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from remora.core.errors import RemoraError
from remora.core.link.egress import read_destination
from remora.core.link.upstream import Upstream
from remora.core.secrets import Secret
from remora.core.settings import Limits
from remora.flows.forward.egress import Egress
from remora.testing.expectations import read_all
from remora.testing.manual_clock import ManualClock
from remora.testing.memory_onward import MemoryOnward, Place
from remora.testing.memory_streams import MemoryStream, memory_stream_pair

API = ("api.example.com", 443)
LIMITS = Limits()


async def echo(stream: MemoryStream) -> None:
    while data := await stream.read():
        await stream.write(data)
    await stream.write_eof()


async def never(stream: MemoryStream) -> None:
    await asyncio.Event().wait()


class Scene:
    """One egress, and clients of it."""

    def __init__(self, egress: Egress, onward: MemoryOnward, clock: ManualClock) -> None:
        self.egress = egress
        self.onward = onward
        self.clock = clock
        self._visits: list[asyncio.Task[None]] = []

    def enter(self) -> MemoryStream:
        near, far = memory_stream_pair()
        self._visits.append(asyncio.create_task(self._visit(far)))
        return near

    async def ask(self, head: str, *, more: bytes = b"") -> bytes:
        """All that one client gets who says `head` and ends."""
        client = self.enter()
        await client.write(head.encode() + b"\r\n\r\n" + more)
        await client.write_eof()
        return await asyncio.wait_for(read_all(client), 10)

    async def tunnel(self, head: str = "CONNECT api.example.com:443 HTTP/1.1") -> MemoryStream:
        client = self.enter()
        await client.write(head.encode() + b"\r\n\r\n")
        assert await client.read() == b"HTTP/1.1 200 Connection established\r\n\r\n"
        return client

    async def close(self) -> None:
        for visit in self._visits:
            visit.cancel()
        await asyncio.gather(*self._visits, return_exceptions=True)
        await self.onward.close()

    async def _visit(self, stream: MemoryStream) -> None:
        try:
            await self.egress.visit(stream)
        except RemoraError:
            pass
        finally:
            await stream.close()


@asynccontextmanager
async def scene(
    *named: str,
    places: Mapping[tuple[str, int], Place] | None = None,
    addresses: Mapping[str, str] | None = None,
    direct: bool = False,
    password: str | None = None,
    upstream: Upstream | None = None,
    limits: Limits = LIMITS,
) -> AsyncIterator[Scene]:
    clock = ManualClock()
    onward = MemoryOnward({API: echo} if places is None else places, addresses=addresses)
    egress = Egress(
        [read_destination(text) for text in named or ("api.example.com",)],
        direct=direct,
        password=None if password is None else Secret(password),
        upstream=upstream,
        onward=onward,
        clock=clock,
        limits=limits,
    )
    made = Scene(egress, onward, clock)
    try:
        yield made
    finally:
        await made.close()
