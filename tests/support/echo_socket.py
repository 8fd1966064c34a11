"""A unix socket that sends back what it gets and ends when its client has ended."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path


@contextlib.asynccontextmanager
async def echo_socket(path: Path) -> AsyncIterator[str]:
    """Listen at `path` inside the block."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(echo, path)
    try:
        yield str(path)
    finally:
        server.close()
        await server.wait_closed()
