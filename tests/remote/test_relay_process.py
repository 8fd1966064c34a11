"""The relay as a process: what it keeps, whom it lets in, and how it ends."""

import asyncio
import os
import signal
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.launching import nonce
from tests.support.loop import run
from tests.support.relaying import (
    RelayBench,
    echo,
    processor_ticks,
    read_all,
    read_exactly,
    relay_bench,
    resident,
)
from tests.support.until import until

from remora.core.errors import Code, RemoraError
from remora.flows.relay import RelaySession
from remora.wire import relay_frames as frames

MEBI = 1024 * 1024


@pytest.mark.parametrize("size", [64 * 1024 - 1, 64 * 1024 + 1, MEBI - 1, MEBI + 1, 16 * MEBI - 1, 16 * MEBI + 1])
def test_a_message_of_any_size_comes_back_whole(tmp_path: Path, size: int) -> None:
    async def go() -> None:
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

    run(go())


def test_128_mebibytes_and_then_single_bytes_in_both_directions(tmp_path: Path) -> None:
    async def go() -> None:
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

    run(go())


def test_streams_go_on_over_one_connection_after_another(tmp_path: Path) -> None:
    async def go() -> None:
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

    run(go())


def test_a_second_connection_of_the_same_session_takes_over(tmp_path: Path) -> None:
    async def go() -> None:
        async with relay_bench(tmp_path, echo) as bench:
            session = bench.session()
            stream = session.open("server")
            async with bench.attached(session) as first:
                await stream.write(b"one")
                assert await read_exactly(stream, 3) == b"one"
                async with bench.attached(session) as second:
                    assert second.resumed
                    assert (await first.wait_lost()).code is Code.RELAY_FAILED
                    await stream.write(b"two")
                    assert await read_exactly(stream, 3) == b"two"

    run(go())


def test_a_wrong_token_is_refused_and_disturbs_nobody(tmp_path: Path) -> None:
    async def go() -> None:
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

    run(go())


def test_two_that_start_at_the_same_moment_share_one_relay(tmp_path: Path) -> None:
    async def go() -> None:
        async with relay_bench(tmp_path, echo) as bench:
            connections = await asyncio.gather(*(bench.reach() for _ in range(6)))
            sessions = [bench.session() for _ in connections]
            for session, connection in zip(sessions, connections, strict=True):
                async with session.attach(connection):
                    stream = session.open("server")
                    await stream.write(b"x")
                    assert await stream.read() == b"x"
            assert len(bench.pids()) == 1

    run(go())


def test_laptops_that_come_and_go_at_once_always_find_a_relay_and_leave_none(tmp_path: Path) -> None:
    async def come_and_go(bench: RelayBench) -> None:
        for index in range(5):
            session = bench.session()
            async with bench.attached(session):
                stream = session.open("server")
                await stream.write(b"%d" % index)
                assert await stream.read() == b"%d" % index
                await session.leave()

    async def go() -> None:
        async with relay_bench(tmp_path, echo) as bench:
            await asyncio.gather(*(come_and_go(bench) for _ in range(5)))
            await bench.gone()

    run(go())


def test_a_killed_relay_breaks_its_streams_and_the_next_one_starts(tmp_path: Path) -> None:
    async def go() -> None:
        async with relay_bench(tmp_path, echo) as bench:
            session = bench.session()
            old = session.open("server")
            async with bench.attached(session) as attachment:
                await old.write(b"x")
                await old.read()
                await bench.kill(signal.SIGKILL)
                assert (await attachment.wait_lost()).code is Code.RELAY_FAILED
            assert bench.socket.exists()
            waiting = session.open("server")
            await waiting.write(b"kept")
            async with bench.attached(session) as attachment:
                assert not attachment.resumed
                with pytest.raises(RemoraError, match="no longer has this connection"):
                    await old.read()
                with pytest.raises(RemoraError, match="no longer has this connection"):
                    await old.write(b"y")
                assert await read_exactly(waiting, 4) == b"kept"
                await session.leave()
            await bench.gone()

    run(go())


def test_a_relay_that_is_ended_says_goodbye(tmp_path: Path) -> None:
    async def go() -> None:
        async with relay_bench(tmp_path, echo) as bench:
            session = bench.session()
            async with bench.attached(session) as attachment:
                os.kill(bench.pids()[0], signal.SIGHUP)
                assert await attachment.ping(10)
                os.kill(bench.pids()[0], signal.SIGTERM)
                assert (await attachment.wait_lost()).code is Code.HOST_LEFT
            await bench.gone()

    run(go())


def test_after_the_lease_nothing_is_left(tmp_path: Path) -> None:
    async def go() -> None:
        async with relay_bench(tmp_path, echo) as bench:
            session = bench.session(lease=0.05, lease_idle=1000.0)
            stream = session.open("server")
            async with bench.attached(session):
                await stream.write(b"x")
                await stream.read()
            await bench.gone()
            async with bench.attached(session) as attachment:
                assert not attachment.resumed
                with pytest.raises(RemoraError, match="nobody came back in time"):
                    await stream.read()
                await session.leave()

    run(go())


def test_transient_streams_hold_no_lease(tmp_path: Path) -> None:
    async def go() -> None:
        async with relay_bench(tmp_path, echo) as bench:
            session = bench.session(lease=1000.0, lease_idle=0.05)
            stream = session.open("server", transient=True)
            async with bench.attached(session):
                await stream.write(b"x")
                await stream.read()
            await bench.gone()

    run(go())


def test_a_server_that_throws_out_slow_readers_is_never_read_slowly(tmp_path: Path) -> None:
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

    async def go() -> None:
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

    run(go())


def test_what_nobody_takes_goes_to_disk_and_memory_stays_small(tmp_path: Path) -> None:
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

    async def go() -> None:
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

    run(go())


@pytest.mark.parametrize("patient", [True, False])
def test_beyond_its_limit_the_relay_holds_the_server_up_and_tells_the_truth(tmp_path: Path, patient: bool) -> None:
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

    async def go() -> None:
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
                    with pytest.raises(RemoraError, match="more to tell than the relay may keep") as failed:
                        await read_all(stream)
                    assert failed.value.code is Code.SERVER_GONE

    run(go())


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
def test_what_was_written_before_the_end_reaches_a_server_that_reads_slowly(tmp_path: Path, how: str) -> None:
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

    async def go() -> None:
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

    run(go())


def test_where_nothing_listens_the_stream_says_so(tmp_path: Path) -> None:
    async def go() -> None:
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

    run(go())


def test_ports_of_both_families_are_reached(tmp_path: Path) -> None:
    async def go() -> None:
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

    run(go())


def test_a_folder_question_is_answered_like_the_probe_does(tmp_path: Path) -> None:
    (tmp_path / "here" / "inner").mkdir(parents=True)
    (tmp_path / "here" / "file").write_text("")

    async def go() -> None:
        async with relay_bench(tmp_path) as bench:
            session = bench.session()
            async with bench.attached(session):
                answers = {}
                for name in ("here", "here/../here/inner", "here/file", "here/innre"):
                    answers[name] = frames.read_table(
                        frames.Frame(0, 0, 0, await read_all(session.open(f"folder:{tmp_path}/{name}", transient=True)))
                    )
        place = f"{tmp_path}/here"
        assert answers["here"] == {"path": place, "state": "ok", "siblings": []}
        assert answers["here/../here/inner"] == {"path": f"{place}/inner", "state": "ok", "siblings": []}
        assert answers["here/file"] == {"path": f"{place}/file", "state": "file", "siblings": []}
        assert answers["here/innre"] == {
            "path": f"{place}/innre",
            "state": "missing",
            "siblings": [f"{place}/inner"],
        }

    run(go())


def test_a_script_is_run_and_what_it_prints_comes_back(tmp_path: Path) -> None:
    async def go() -> None:
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

    run(go())


def test_garbage_harms_nobody(tmp_path: Path) -> None:
    async def go() -> None:
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

    run(go())


def test_a_frame_that_breaks_the_rules_ends_that_session_alone(tmp_path: Path) -> None:
    async def go() -> None:
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

    run(go())


def test_a_laptop_that_never_reads_holds_nobody_up(tmp_path: Path) -> None:
    async def go() -> None:
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

    run(go())


def test_an_idle_relay_is_small_and_does_nothing(tmp_path: Path) -> None:
    async def go() -> None:
        async with relay_bench(tmp_path, echo) as bench:
            session = bench.session()
            stream = session.open("server")
            async with bench.attached(session) as attachment:
                await stream.write(b"x")
                await stream.read()
                await until(lambda: attachment.quiet_since is None)
                pid = bench.pids()[0]
                assert resident(pid) < 20 * MEBI
                ticks, switches = processor_ticks(pid), _switches(pid)
                await asyncio.sleep(1.5)  # what does not happen takes time to see
                assert processor_ticks(pid) - ticks <= 1
                assert _switches(pid) - switches <= 3

    run(go())


def test_the_relay_keeps_nothing_of_the_session_that_started_it(tmp_path: Path) -> None:
    async def go() -> None:
        reading, writing = os.pipe()
        os.set_inheritable(writing, True)
        try:
            async with relay_bench(tmp_path) as bench:
                session = bench.session()
                async with bench.attached(session):
                    pid = bench.pids()[0]
                    assert os.getsid(pid) != os.getsid(0)
                    assert _open_files(pid).count(os.devnull) == 2
                    assert f"pipe:[{os.fstat(writing).st_ino}]" not in _open_files(pid)
                    assert _where(pid) == "/"
        finally:
            os.close(reading)
            os.close(writing)

    run(go())


def test_descriptors_stay_level(tmp_path: Path) -> None:
    async def go() -> None:
        async with relay_bench(tmp_path, echo) as bench:
            session = bench.session()
            keep = session.open("server")
            counts = []
            for _ in range(4):
                async with bench.attached(session):
                    for _ in range(10):
                        stream = session.open("server")
                        await stream.write(b"x")
                        await stream.read()
                        await stream.close()
                    await keep.write(b"x")
                    await keep.read()
                    pid = bench.pids()[0]
                    counts.append(len(_open_files(pid)))
            assert counts[0] == counts[-1], counts

    run(go())


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
def test_what_belongs_to_somebody_else_is_refused(tmp_path: Path, what: str) -> None:
    async def go() -> None:
        async with relay_bench(tmp_path, echo) as bench:
            bench.run.mkdir(mode=0o700)
            if what == "folder":
                os.chown(bench.run, 12345, 12345)
            else:
                _leave_socket(bench.socket)
                os.chown(bench.socket, 12345, 12345)
            with pytest.raises(RemoraError, match="not ours alone") as refused:
                await bench.reach()
            assert "12345" not in refused.value.message
            assert not bench.pids()

    run(go())


def test_a_stale_socket_and_lock_do_not_block(tmp_path: Path) -> None:
    async def go() -> None:
        async with relay_bench(tmp_path, echo) as bench:
            bench.run.mkdir(mode=0o700)
            _leave_socket(bench.socket)
            bench.socket.with_suffix(".lock").write_text("old")
            session = bench.session()
            async with bench.attached(session):
                await session.leave()
            await bench.gone()

    run(go())


@pytest.mark.parametrize("length", [60, 110, 220])
def test_a_long_path_is_no_obstacle(tmp_path: Path, length: int) -> None:
    folder = tmp_path / ("ü" * (length // 2))
    folder.mkdir()

    async def go() -> None:
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

    run(go())


def test_talkative_login_shells_are_skipped(tmp_path: Path) -> None:
    async def go() -> None:
        noise = "echo welcome; echo '<deadbeef>end=ready'; printf 'no newline'; echo to stderr >&2"
        async with relay_bench(tmp_path, echo, noise=noise) as bench:
            session = bench.session()
            async with bench.attached(session):
                stream = session.open("server")
                await stream.write(b"x")
                assert await stream.read() == b"x"

    run(go())


def test_a_python_that_is_not_there_is_told(tmp_path: Path) -> None:
    async def go() -> None:
        async with relay_bench(tmp_path) as bench:
            bench.place = replace(bench.place, python="/nowhere/python3")
            with pytest.raises(RemoraError) as failed:
                await bench.reach()
            assert failed.value.code is Code.RELAY_FAILED
            assert "/nowhere/python3" in failed.value.seen

    run(go())


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


def _open_files(pid: int) -> list[str]:
    folder = Path(f"/proc/{pid}/fd")
    return [str(entry.readlink()) for entry in folder.iterdir()]


def _where(pid: int) -> str:
    return str(Path(f"/proc/{pid}/cwd").readlink())


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _switches(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt"))
