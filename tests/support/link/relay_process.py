"""A relay on this machine, reached without SSH, and what a test wants to know about its process."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from tests.support.base.until import until
from tests.support.codex.launch_words import nonce
from tests.support.link.local_host import LocalHost, local_host

from remora.adapters.machine.system_clock import SystemClock
from remora.core.settings import DEFAULT_LIMITS, Limits
from remora.flows.relay.relay import RelaySession
from remora.flows.relay.relay_attachment import Attachment
from remora.flows.relay.relay_start import RelayPlace, reach_relay, relay_name
from remora.ports import ByteStream

MEBI = 1024 * 1024
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class RelayBench:
    """One place for a relay. `limits` are those of every session made here."""

    folder: Path
    host: LocalHost
    limits: Limits = DEFAULT_LIMITS
    place: RelayPlace = field(init=False)

    def __post_init__(self) -> None:
        self.place = RelayPlace(
            python=sys.executable,
            runtime_folder=str(self.folder / "run"),
            key="1234567890",
            server_socket=str(self.folder / "server.sock"),
        )

    @property
    def run(self) -> Path:
        """The runtime folder."""
        return Path(self.place.runtime_folder)

    @property
    def socket(self) -> Path:
        """The relay's own socket."""
        return self.run / f"{relay_name(self.place.key)}.sock"

    def session(self, **changes: float) -> RelaySession:
        """A laptop."""
        limits = replace(self.limits, **changes)  # type: ignore[arg-type]
        return RelaySession(clock=SystemClock(), limits=limits, nonce=nonce)

    async def reach(self) -> ByteStream:
        """A connection to the relay."""
        return await reach_relay(self.host, self.place, clock=SystemClock(), limits=self.limits, nonce=nonce)

    @asynccontextmanager
    async def attached(self, session: RelaySession) -> AsyncIterator[Attachment]:
        """That laptop, connected."""
        async with session.attach(await self.reach()) as attachment:
            yield attachment

    def pids(self) -> list[int]:
        """The relays of this place."""
        return [pid for pid, words in _commands() if b"remora-relay" in words and os.fsencode(self.run) in words]

    async def gone(self) -> None:
        """Wait until no relay runs here, and nothing of it is left."""
        await until(lambda: not self.pids() and not self.leftovers(), what="the relay ends")

    def leftovers(self) -> list[Path]:
        """What a relay has left in its folder."""
        return list(self.run.iterdir()) if self.run.exists() else []

    async def kill(self, number: signal.Signals) -> None:
        """A signal to the relay; waits for its end."""
        for pid in self.pids():
            os.kill(pid, number)
        await until(lambda: not self.pids(), what="the relay ends")


@asynccontextmanager
async def relay_bench(
    folder: Path, serve: Serve | None = None, *, limits: Limits = DEFAULT_LIMITS, noise: str = ""
) -> AsyncIterator[RelayBench]:
    """A bench, with `serve` as the app server. On leaving, every relay of it is killed."""
    async with local_host(noise=noise) as host:
        bench = RelayBench(folder, host, limits)
        visits: set[asyncio.Task[None]] = set()

        async def visit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            visits.add(cast("asyncio.Task[None]", asyncio.current_task()))
            if serve is not None:
                await serve(reader, writer)

        server = await asyncio.start_unix_server(visit, bench.place.server_socket, limit=2**20) if serve else None
        try:
            yield bench
        finally:
            await bench.kill(signal.SIGKILL)
            if server is not None:
                server.close()
                await server.wait_closed()
            await asyncio.gather(*visits, return_exceptions=True)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back what comes; end when the client has ended."""
    try:
        while data := await reader.read(2**18):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def read_exactly(stream: ByteStream, count: int) -> bytes:
    """That many bytes, or fewer when they end before."""
    parts: list[bytes] = []
    while count and (data := await stream.read(min(count, 2**18))):
        parts.append(data)
        count -= len(data)
    return b"".join(parts)


async def read_all(stream: ByteStream) -> bytes:
    """Everything until the end."""
    return await read_exactly(stream, 2**60)


def resident(pid: int) -> int:
    """Bytes of memory that a process holds."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


def processor_ticks(pid: int) -> int:
    """Processor time that a process has used."""
    values = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(values[11]) + int(values[12])


def _commands() -> list[tuple[int, bytes]]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found.append((int(entry.name), (entry / "cmdline").read_bytes()))
            except OSError:
                continue
    return found
