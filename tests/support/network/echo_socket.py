"""A socket that sends back what it gets and ends when its client has ended."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from remora.adapters.machine.local_stream import LocalStream


@contextlib.asynccontextmanager
async def echo_socket(path: Path) -> AsyncIterator[str]:
    """Listen at `path` inside the block."""
    clients = _Clients()
    async with clients.served_by(await asyncio.get_running_loop().create_unix_server(clients.receive, str(path))):
        yield str(path)


@contextlib.asynccontextmanager
async def echo_port() -> AsyncIterator[int]:
    """Listen on a free port of loopback inside the block."""
    clients = _Clients()
    server = await asyncio.get_running_loop().create_server(clients.receive, "127.0.0.1", 0)
    async with clients.served_by(server):
        yield int(server.sockets[0].getsockname()[1])


class _Clients:
    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[None], LocalStream] = {}

    def receive(self) -> LocalStream:
        return LocalStream(self._begin)

    @contextlib.asynccontextmanager
    async def served_by(self, server: asyncio.Server) -> AsyncIterator[None]:
        try:
            yield
        finally:
            server.close()
            for task, stream in list(self._tasks.items()):
                stream.abort()
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await server.wait_closed()

    def _begin(self, stream: LocalStream) -> None:
        self._tasks[asyncio.ensure_future(_echo(stream))] = stream


async def _echo(stream: LocalStream) -> None:
    with contextlib.suppress(Exception):
        while data := await stream.read():
            await stream.write(data)
    await stream.close()
