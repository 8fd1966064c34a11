"""What the streams of a relay carry: to the app server, to ports, to folders, to scripts."""

import asyncio
import os
import socket
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.base.until import until
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


@pytest.mark.parametrize("size", [64 * 1024 - 1, 64 * 1024 + 1, MEBI - 1, MEBI + 1, 16 * MEBI - 1, 16 * MEBI + 1])
async def test_a_message_of_any_size_comes_back_whole(tmp_path: Path, size: int) -> None:
    async with relay_bench(tmp_path, echo) as bench:
        session = bench.session()
        async with bench.attached(session):
            stream = session.open("server")
            message = os.urandom(size)
            writing = asyncio.ensure_future(stream.write(message))
            assert await read_exactly(stream, size) == message
            await writing
            await stream.write_eof()
            assert await stream.read() == b""
            await session.leave()
        await bench.gone()


async def test_128_mebibytes_and_then_single_bytes_in_both_directions(tmp_path: Path) -> None:
    async with relay_bench(tmp_path, echo) as bench:
        session = bench.session()
        async with bench.attached(session):
            stream = session.open("server")
            block = os.urandom(MEBI)

            async def write() -> None:
                for _ in range(128):
                    await stream.write(block)
                for index in range(3000):
                    await stream.write(block[index : index + 1])

            writing = asyncio.ensure_future(write())
            for _ in range(128):
                assert await read_exactly(stream, MEBI) == block
            assert await read_exactly(stream, 3000) == block[:3000]
            await writing
            assert resident(bench.pids()[0]) < 60 * MEBI
            await session.leave()


def test_half_close_works_in_both_directions(tmp_path: Path) -> None:
    async def after_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = await reader.read(-1)
        writer.write(data[::-1])
        writer.close()

    async def ends_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"first")
        writer.write_eof()
        heard.append(await reader.read(-1))
        writer.close()

    heard: list[bytes] = []

    async def go() -> None:
        async with relay_bench(tmp_path / "a", after_the_end) as bench:
            session = bench.session()
            async with bench.attached(session):
                stream = session.open("server")
                await stream.write(b"abc")
                await stream.write_eof()
                assert await read_all(stream) == b"cba"
                await until(lambda: not session.streams)
        async with relay_bench(tmp_path / "b", ends_first) as bench:
            session = bench.session()
            async with bench.attached(session):
                stream = session.open("server")
                assert await read_all(stream) == b"first"
                await stream.write(b"after")
                await stream.write_eof()
                await until(lambda: heard)
        assert heard == [b"after"]

    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    run(go())


@pytest.mark.parametrize("how", ["close", "end after the server"])
async def test_what_was_written_before_the_end_reaches_a_server_that_reads_slowly(tmp_path: Path, how: str) -> None:
    size = 900 * 1024
    heard: list[int] = []
    may_read = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"!")
        if how != "close":
            writer.write_eof()
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        await may_read.wait()
        reader._transport.resume_reading()  # type: ignore[attr-defined]
        heard.append(len(await reader.read(-1)))
        writer.close()

    async with relay_bench(tmp_path, slow) as bench:
        session = bench.session()
        async with bench.attached(session):
            stream = session.open("server")
            assert await stream.read() == b"!"
            await stream.write(bytes(size))
            if how == "close":
                await stream.close()
            else:
                assert await stream.read() == b""
                await stream.write_eof()
            await until(lambda: not session.streams)
            may_read.set()
            await until(lambda: heard)
            assert heard == [size]


async def test_where_nothing_listens_the_stream_says_so(tmp_path: Path) -> None:
    async with relay_bench(tmp_path) as bench:
        session = bench.session()
        async with bench.attached(session):
            for target, code in (
                ("server", Code.SERVER_GONE),
                (f"port:{_closed_port()}", Code.CHANNEL_REFUSED),
                ("port:0", Code.RELAY_FAILED),
                ("nonsense", Code.RELAY_FAILED),
            ):
                with pytest.raises(RemoraError) as failed:
                    await session.open(target).read()
                assert failed.value.code is code


async def test_ports_of_both_families_are_reached(tmp_path: Path) -> None:
    async with relay_bench(tmp_path) as bench:
        session = bench.session()
        async with bench.attached(session):
            for address in ("127.0.0.1", "::1"):
                server = await asyncio.start_server(echo, address, 0)
                stream = session.open(f"port:{server.sockets[0].getsockname()[1]}")
                await stream.write(b"hello")
                assert await read_exactly(stream, 5) == b"hello"
                await stream.close()
                server.close()
                await server.wait_closed()


async def test_a_folder_question_is_answered_like_the_probe_does(tmp_path: Path) -> None:
    (tmp_path / "here" / "inner").mkdir(parents=True)
    (tmp_path / "here" / "file").write_text("")
    (tmp_path / "brings" / "inner").mkdir(parents=True)
    (tmp_path / "brings" / ".codex").symlink_to("nowhere")
    above = any(os.path.lexists(place / ".codex") for place in tmp_path.parents)
    async with relay_bench(tmp_path) as bench:
        session = bench.session()
        async with bench.attached(session):
            answers = {}
            for name in ("here", "here/../here/inner", "here/file", "here/innre", "brings/inner"):
                answers[name] = frames.read_table(
                    frames.Frame(0, 0, 0, await read_all(session.open(f"folder:{tmp_path}/{name}", transient=True)))
                )
    place = f"{tmp_path}/here"
    nothing: dict[str, object] = {"state": "ok", "siblings": [], "brings": False}
    assert answers["here"] == {**nothing, "path": place, "brings": above}
    assert answers["here/../here/inner"] == {**nothing, "path": f"{place}/inner", "brings": above}
    assert answers["here/file"] == {**nothing, "path": f"{place}/file", "state": "file"}
    assert answers["here/innre"] == {
        **nothing,
        "path": f"{place}/innre",
        "state": "missing",
        "siblings": [f"{place}/inner"],
    }
    assert answers["brings/inner"] == {**nothing, "path": f"{tmp_path}/brings/inner", "brings": True}


async def test_a_script_is_run_and_what_it_prints_comes_back(tmp_path: Path) -> None:
    async with relay_bench(tmp_path) as bench:
        session = bench.session()
        async with bench.attached(session):
            stream = session.open("script", transient=True)
            await stream.write(b"echo one\necho lost >&2\necho two\n")
            await stream.write_eof()
            assert await read_all(stream) == b"one\ntwo\n"

            hanging = session.open("script", transient=True)
            await hanging.write(b"echo $$\nexec sleep 1000\n")
            pid = int(await hanging.read())
            await hanging.close()
            await until(lambda: not Path(f"/proc/{pid}").exists(), what="the script to be gone with its stream")


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
