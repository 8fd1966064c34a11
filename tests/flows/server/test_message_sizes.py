"""F70: messages of any size, both ways, in bounded memory, through a real stream to another process."""

import asyncio
import sys
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.network.streams import PipeStream

from remora.adapters.machine.system_clock import SystemClock
from remora.core.settings import DEFAULT_LIMITS
from remora.flows.server.rpc import RpcClient, open_rpc
from remora.ports import ByteStream
from remora.wire.appserver.jsonrpc import Framing

KIB, MIB = 1024, 1024 * 1024
SIZES = [64 * KIB - 1, 64 * KIB, 64 * KIB + 1, MIB - 1, MIB, MIB + 1, 16 * MIB - 1, 16 * MIB + 1]
MEMORY_PER_BYTE = 5
"""What a message may cost while it passes, its own text and our test's copy included."""


class Dripping:
    """A stream that moves one byte at a time."""

    def __init__(self, inner: ByteStream) -> None:
        self._inner = inner

    async def read(self, limit: int = 65536) -> bytes:
        return await self._inner.read(1)

    async def write(self, data: bytes) -> None:
        for start in range(len(data)):
            await self._inner.write(data[start : start + 1])

    async def write_eof(self) -> None:
        await self._inner.write_eof()

    async def close(self) -> None:
        await self._inner.close()


@asynccontextmanager
async def connected(folder: Path, *, drip: bool = False) -> AsyncIterator[RpcClient]:
    socket = folder / "s.sock"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.model.fake_app_server", str(socket)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        await process.stdout.readline()
        plain = PipeStream(*await asyncio.open_unix_connection(socket, limit=256 * KIB))
        stream = Dripping(plain) if drip else plain
        async with open_rpc(stream, Framing.WEBSOCKET, clock=SystemClock(), limits=DEFAULT_LIMITS) as rpc:
            yield rpc
    finally:
        process.stdin.close()
        await process.wait()


async def test_f70_sizes_around_every_known_limit_pass_one_after_another(tmp_path: Path) -> None:
    async with connected(tmp_path) as rpc:
        for size in SIZES:
            assert await rpc.request("count", {"text": "y" * size}) == size
            assert len(await rpc.request("make", {"make": size})) == size


async def test_f70_one_byte_at_a_time(tmp_path: Path) -> None:
    async with connected(tmp_path, drip=True) as rpc:
        assert await rpc.request("count", {"text": "y" * (64 * KIB + 1)}) == 64 * KIB + 1
        assert len(await rpc.request("make", {"make": 64 * KIB + 1})) == 64 * KIB + 1


@pytest.mark.parametrize("direction", ["out", "in"])
def test_f70_128_mib_pass_in_memory_that_is_bounded_by_the_message(tmp_path: Path, direction: str) -> None:
    size = 128 * MIB

    async def go() -> int:
        async with connected(tmp_path) as rpc:
            tracemalloc.start()
            try:
                if direction == "out":
                    assert await rpc.request("count", {"text": "y" * size}) == size
                else:
                    assert len(await rpc.request("make", {"make": size})) == size
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    peak = run(go())
    assert peak <= MEMORY_PER_BYTE * size, f"{peak / size:.1f} bytes for each byte of the message"
