"""How long a relay stays for a laptop that does not come back: as long as something would be lost with it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tests.support.link.relay_process import RelayBench, read_all, read_exactly, relay_bench

from remora.flows.relay.relay import RelaySession

LONG = 1000.0
SHORT = 0.05


class Servers:
    """An app server and a port that say a word when somebody comes, and their last ones when they are stopped."""

    def __init__(self) -> None:
        self.stopped = asyncio.Event()
        self.left = asyncio.Event()
        """Somebody let go of a connection by himself."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        stopped, left = asyncio.ensure_future(self.stopped.wait()), asyncio.ensure_future(reader.read())
        await asyncio.wait({stopped, left}, return_when=asyncio.FIRST_COMPLETED)
        if left.done():
            self.left.set()
        else:
            left.cancel()
            writer.write(b"last words")
        stopped.cancel()
        writer.close()

    @asynccontextmanager
    async def port(self) -> AsyncIterator[str]:
        """The same behind a port; gives its target."""
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        async with server:
            yield f"port:{server.sockets[0].getsockname()[1]}"


async def abandon(bench: RelayBench, session: RelaySession, target: str) -> None:
    """Hear the first word of `target`, and lose the connection."""
    stream = session.open(target)
    async with bench.attached(session):
        assert await read_exactly(stream, 5) == b"hello"


async def let_time_pass(bench: RelayBench) -> None:
    """Longer than the short lease of another session at which the relay looks twice."""
    others = Servers()
    async with others.port() as target:
        await abandon(bench, bench.session(lease=2.5, lease_idle=LONG), target)
        await others.left.wait()


async def test_a_relay_does_not_wait_for_a_laptop_whose_server_was_stopped_meanwhile(tmp_path: Path) -> None:
    servers = Servers()
    async with relay_bench(tmp_path, servers.serve) as bench:
        await abandon(bench, bench.session(lease=LONG, lease_idle=SHORT), "server")
        await let_time_pass(bench)
        assert bench.pids(), "a server that runs is something to come back to"
        servers.stopped.set()
        await bench.gone()


async def test_a_session_in_a_session_holds_neither_when_its_server_was_stopped(tmp_path: Path) -> None:
    servers = Servers()
    async with relay_bench(tmp_path, servers.serve) as bench:
        hub, client = (bench.session(lease=LONG, lease_idle=SHORT) for _ in range(2))
        stream = client.open("server")
        async with AsyncExitStack() as inside, bench.attached(hub):
            await inside.enter_async_context(client.attach(hub.open("relay")))
            assert await read_exactly(stream, 5) == b"hello"
        await let_time_pass(bench)
        assert bench.pids(), "a server that runs is something to come back to"
        servers.stopped.set()
        await bench.gone()


async def test_bytes_of_a_port_wait_for_a_laptop_that_roams_though_their_server_has_closed(tmp_path: Path) -> None:
    servers = Servers()
    async with relay_bench(tmp_path) as bench, servers.port() as target:
        session = bench.session(lease=LONG, lease_idle=SHORT)
        stream = session.open(target)
        async with bench.attached(session):
            assert await read_exactly(stream, 5) == b"hello"
        servers.stopped.set()
        await let_time_pass(bench)
        async with bench.attached(session) as attachment:
            assert attachment.resumed
            assert await read_all(stream) == b"last words"
            await session.leave()
        await bench.gone()
