"""A socket that sends back what it gets and ends when its client has ended."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path


@contextlib.asynccontextmanager
async def echo_socket(path: Path) -> AsyncIterator[str]:
    """Listen at `path` inside the block."""
    async with _closing(await asyncio.start_unix_server(_echo, path)):
        yield str(path)


@contextlib.asynccontextmanager
async def echo_port() -> AsyncIterator[int]:
    """Listen on a free port of loopback inside the block."""
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    async with _closing(server):
        yield int(server.sockets[0].getsockname()[1])


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def _closing(server: asyncio.Server) -> AsyncIterator[None]:
    try:
        yield
    finally:
        server.close()
        await server.wait_closed()
