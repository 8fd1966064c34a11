"""What a relay keeps for whoever is away, or slow: in memory, on disk, and within its limits."""

import asyncio
import struct
from pathlib import Path

import pytest
from tests.support.link.relay_process import (
    MEBI,
    echo,
    read_all,
    read_exactly,
    relay_bench,
    resident,
)

from remora.core.errors import Code, RemoraError
from remora.wire.relay import relay_frames as frames


async def test_streams_go_on_over_one_connection_after_another(tmp_path: Path) -> None:
    async with relay_bench(tmp_path, echo) as bench:
        session = bench.session()
        stream = session.open("server")
        await stream.write(b"before")
        async with bench.attached(session) as attachment:
            assert not attachment.resumed
            assert await read_exactly(stream, 6) == b"before"
        for index in range(5):
            await stream.write(b"away%d" % index)
            async with bench.attached(session) as attachment:
                assert attachment.resumed
                assert await read_exactly(stream, 5) == b"away%d" % index
        assert len(bench.pids()) == 1
        async with bench.attached(session):
            await session.leave()
        await bench.gone()


async def test_a_server_that_throws_out_slow_readers_is_never_read_slowly(tmp_path: Path) -> None:
    count, size = 10_000, 1000
    thrown_out: list[int] = []

    async def impatient(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        for index in range(count):
            writer.write(struct.pack(">Q", index) * (size // 8))
            try:
                async with asyncio.timeout(5):
                    await writer.drain()
            except TimeoutError:
                thrown_out.append(index)
                break
        writer.close()
        finished.set()

    finished = asyncio.Event()
    async with relay_bench(tmp_path, impatient) as bench:
        session = bench.session(relay_memory=MEBI)
        stream = session.open("server")
        async with bench.attached(session):
            await stream.write(b"!")
            first = await stream.read(1)
        await finished.wait()  # all of it, while nobody was there to take it
        async with bench.attached(session):
            data = first + await read_all(stream)
        assert not thrown_out
        assert data == b"".join(struct.pack(">Q", index) * (size // 8) for index in range(count))


async def test_what_nobody_takes_goes_to_disk_and_memory_stays_small(tmp_path: Path) -> None:
    total = 256 * MEBI

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        block = bytes(range(256)) * 4096
        for _ in range(total // len(block)):
            writer.write(block)
            await writer.drain()
        writer.close()
        flooded.set()

    flooded = asyncio.Event()
    async with relay_bench(tmp_path, flood) as bench:
        session = bench.session(relay_memory=4 * MEBI)
        stream = session.open("server")
        async with bench.attached(session):
            await stream.write(b"!")
            await flooded.wait()
            assert resident(bench.pids()[0]) < 40 * MEBI
            left, block = total, bytes(range(256)) * 4096
            while left:
                assert await read_exactly(stream, len(block)) == block
                left -= len(block)
            assert await stream.read() == b""
            await session.leave()


@pytest.mark.parametrize("patient", [True, False])
async def test_beyond_its_limit_the_relay_holds_the_server_up_and_tells_the_truth(
    tmp_path: Path, patient: bool
) -> None:
    total = 12 * MEBI
    held_up = asyncio.Event()

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        for _ in range(total // 65536):
            writer.write(bytes(65536))
            try:
                async with asyncio.timeout(0.5):
                    await writer.drain()
            except TimeoutError:
                held_up.set()
                if not patient:
                    writer.transport.abort()
                    return
                await writer.drain()
        writer.close()

    async with relay_bench(tmp_path, flood) as bench:
        session = bench.session(relay_memory=MEBI, relay_disk=2 * MEBI, relay_window=MEBI)
        stream = session.open("server")
        async with bench.attached(session):
            await stream.write(b"!")
            await held_up.wait()
            if patient:
                assert len(await read_exactly(stream, total)) == total
                assert await stream.read() == b""
            else:
                with pytest.raises(RemoraError, match="unread data exceeded the limit of the relay") as failed:
                    await read_all(stream)
                assert failed.value.code is Code.SERVER_GONE


async def test_a_laptop_that_never_reads_holds_nobody_up(tmp_path: Path) -> None:
    async with relay_bench(tmp_path, echo) as bench:
        stuck, session = bench.session(), bench.session()
        connection = await bench.reach()
        await stuck._exchange(connection, frames.FrameReader())
        hello = [stuck.open("server") for _ in range(3)]
        for held in hello:
            await held.write(bytes(MEBI))
        await connection.write(b"".join(stuck._session.take_output(10 * MEBI)))
        async with bench.attached(session) as attachment:
            stream = session.open("server")
            for _ in range(200):
                await stream.write(b"quick")
                assert await read_exactly(stream, 5) == b"quick"
            assert await attachment.ping(10)
        await connection.close()
