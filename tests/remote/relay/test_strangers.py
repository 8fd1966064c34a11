"""A relay among strangers: wrong tokens, garbage, places that are not ours, shells that talk."""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.codex.launch_words import nonce
from tests.support.link.relay_process import (
    echo,
    read_all,
    read_exactly,
    relay_bench,
)

from remora.core.errors import Code, RemoraError
from remora.flows.relay.relay import RelaySession
from remora.wire.relay import relay_frames as frames


async def test_a_wrong_token_is_refused_and_disturbs_nobody(tmp_path: Path) -> None:
    async with relay_bench(tmp_path, echo) as bench:
        session = bench.session()
        stream = session.open("server")
        async with bench.attached(session) as attachment:
            thief = RelaySession(clock=session._clock, limits=bench.limits, nonce=nonce)
            thief._name, thief._incarnation = session._name, session._incarnation
            with pytest.raises(RemoraError, match="refused") as refused:
                async with bench.attached(thief):
                    pass
            assert refused.value.code is Code.RELAY_FAILED
            assert not attachment.lost
            await stream.write(b"mine")
            assert await read_exactly(stream, 4) == b"mine"


async def test_garbage_harms_nobody(tmp_path: Path) -> None:
    async with relay_bench(tmp_path, echo) as bench:
        session = bench.session()
        stream = session.open("server")
        async with bench.attached(session):
            await stream.write(b"x")
            await stream.read()
            for garbage in (b"", b"\0", b"GET / HTTP/1.1\r\n\r\n", os.urandom(5000), b"path\0"):
                with socket.socket(socket.AF_UNIX) as control, _short(bench.socket) as path:
                    control.connect(path)
                    control.sendall(garbage)
                    control.shutdown(socket.SHUT_WR)
                    control.settimeout(20)
                    try:
                        assert control.recv(10) == b""
                    except ConnectionError:
                        pass
            for said in _bad_hellos():
                connection = await bench.reach()
                await connection.write(said)
                await connection.write_eof()
                await read_all(connection)
                await connection.close()
            await stream.write(b"still here")
            assert await read_exactly(stream, 10) == b"still here"
        assert len(bench.pids()) == 1


async def test_a_frame_that_breaks_the_rules_ends_that_session_alone(tmp_path: Path) -> None:
    async with relay_bench(tmp_path, echo) as bench:
        good, bad = bench.session(), bench.session()
        stream, lost = good.open("server"), bad.open("server")
        async with bench.attached(good), bench.attached(bad) as attachment:
            await lost.write(b"x")
            await lost.read()
            bad.send_now(frames.encode(frames.DATA, b"?", stream=77, number=99))
            assert (await attachment.wait_lost()).code is Code.RELAY_FAILED
            await stream.write(b"fine")
            assert await read_exactly(stream, 4) == b"fine"


@pytest.mark.parametrize("what", ["open folder", "symbolic link", "file"])
def test_a_folder_that_is_not_ours_alone(tmp_path: Path, what: str) -> None:
    async def go() -> None:
        async with relay_bench(tmp_path, echo) as bench:
            if what == "open folder":
                bench.run.mkdir(mode=0o755)
                async with bench.attached(session := bench.session()):
                    assert bench.run.stat().st_mode & 0o777 == 0o700
                    await session.leave()
                return
            if what == "symbolic link":
                (tmp_path / "elsewhere").mkdir(mode=0o700)
                bench.run.symlink_to(tmp_path / "elsewhere")
            else:
                bench.run.write_text("")
            with pytest.raises(RemoraError) as refused:
                await bench.reach()
            assert refused.value.code is Code.RELAY_FAILED
            assert not bench.pids()

    run(go())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make what belongs to others")
@pytest.mark.parametrize("what", ["folder", "socket"])
async def test_what_belongs_to_somebody_else_is_refused(tmp_path: Path, what: str) -> None:
    async with relay_bench(tmp_path, echo) as bench:
        bench.run.mkdir(mode=0o700)
        if what == "folder":
            os.chown(bench.run, 12345, 12345)
        else:
            _leave_socket(bench.socket)
            os.chown(bench.socket, 12345, 12345)
        with pytest.raises(RemoraError, match="Other accounts can access") as refused:
            await bench.reach()
        assert "12345" not in refused.value.message
        assert not bench.pids()


async def test_a_stale_socket_and_lock_do_not_block(tmp_path: Path) -> None:
    async with relay_bench(tmp_path, echo) as bench:
        bench.run.mkdir(mode=0o700)
        _leave_socket(bench.socket)
        bench.socket.with_suffix(".lock").write_text("old")
        session = bench.session()
        async with bench.attached(session):
            await session.leave()
        await bench.gone()


@pytest.mark.parametrize("length", [60, 110, 220])
async def test_a_long_path_is_no_obstacle(tmp_path: Path, length: int) -> None:
    folder = tmp_path / ("ü" * (length // 2))
    folder.mkdir()
    server = await asyncio.start_unix_server(echo, tmp_path / "s")
    (folder / "server.sock").symlink_to(tmp_path / "s")
    async with relay_bench(folder) as bench:
        session = bench.session()
        async with bench.attached(session):
            stream = session.open("server")
            await stream.write(b"through")
            assert await read_exactly(stream, 7) == b"through"
            await session.leave()
        await bench.gone()
    server.close()
    await server.wait_closed()


async def test_talkative_login_shells_are_skipped(tmp_path: Path) -> None:
    noise = "echo welcome; echo '<deadbeef>end=ready'; printf 'no newline'; echo to stderr >&2"
    async with relay_bench(tmp_path, echo, noise=noise) as bench:
        session = bench.session()
        async with bench.attached(session):
            stream = session.open("server")
            await stream.write(b"x")
            assert await stream.read() == b"x"


async def test_a_python_that_is_not_there_is_told(tmp_path: Path) -> None:
    async with relay_bench(tmp_path) as bench:
        bench.place = replace(bench.place, python="/nowhere/python3")
        with pytest.raises(RemoraError) as failed:
            await bench.reach()
        assert failed.value.code is Code.RELAY_FAILED
        assert "/nowhere/python3" in failed.value.seen


def _bad_hellos() -> list[bytes]:
    hello = {"protocol": 1, "session": "s", "token": "t", "incarnation": "", "received": 0}
    terms = {"window": 65536, "memory": 1, "disk": 1, "lease": 1, "lease_idle": 0}
    tables: list[dict[str, object]] = [
        {},
        {"protocol": 99},
        dict(hello),
        {**hello, **terms, "received": 5},
        {**hello, **terms, "window": 10**12},
        {**hello, **terms, "lease": "never"},
        {**hello, **terms, "session": "x" * 1000},
        {**hello, **terms, "token": "ü"},
        {**hello, **terms, "received": True},
    ]
    return [
        b"",
        os.urandom(3000),
        frames.encode(frames.PING, b"x"),
        frames.encode(frames.HELLO, b"{"),
        frames.encode(frames.HELLO, b"[" * 60_000),
        frames.encode(frames.HELLO, b"\xff\xfe"),
        *(frames.encode_table(frames.HELLO, table) for table in tables),
    ]


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """Another name of a path, short enough for an address."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _leave_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as stale, _short(path) as short:
        stale.bind(short)
