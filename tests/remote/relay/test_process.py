"""The relay as a process: who starts it, what it keeps, and how it ends."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from tests.support.base.until import until
from tests.support.link.relay_process import (
    MEBI,
    RelayBench,
    echo,
    processor_ticks,
    read_exactly,
    relay_bench,
    resident,
)

from remora.core.errors import Code, RemoraError


async def test_a_second_connection_of_the_same_session_takes_over(tmp_path: Path) -> None:
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


async def test_two_that_start_at_the_same_moment_share_one_relay(tmp_path: Path) -> None:
    async with relay_bench(tmp_path, echo) as bench:
        connections = await asyncio.gather(*(bench.reach() for _ in range(6)))
        sessions = [bench.session() for _ in connections]
        for session, connection in zip(sessions, connections, strict=True):
            async with session.attach(connection):
                stream = session.open("server")
                await stream.write(b"x")
                assert await stream.read() == b"x"
        assert len(bench.pids()) == 1


async def test_laptops_that_come_and_go_at_once_always_find_a_relay_and_leave_none(tmp_path: Path) -> None:
    async def come_and_go(bench: RelayBench) -> None:
        for index in range(5):
            session = bench.session()
            async with bench.attached(session):
                stream = session.open("server")
                await stream.write(b"%d" % index)
                assert await stream.read() == b"%d" % index
                await session.leave()

    async with relay_bench(tmp_path, echo) as bench:
        await asyncio.gather(*(come_and_go(bench) for _ in range(5)))
        await bench.gone()


async def test_a_killed_relay_breaks_its_streams_and_the_next_one_starts(tmp_path: Path) -> None:
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


async def test_a_relay_that_is_ended_says_goodbye(tmp_path: Path) -> None:
    async with relay_bench(tmp_path, echo) as bench:
        session = bench.session()
        async with bench.attached(session) as attachment:
            os.kill(bench.pids()[0], signal.SIGHUP)
            assert await attachment.ping(10)
            os.kill(bench.pids()[0], signal.SIGTERM)
            assert (await attachment.wait_lost()).code is Code.HOST_LEFT
        await bench.gone()


async def test_after_the_lease_nothing_is_left(tmp_path: Path) -> None:
    async with relay_bench(tmp_path, echo) as bench:
        session = bench.session(lease=0.05, lease_idle=1000.0)
        stream = session.open("server")
        async with bench.attached(session):
            await stream.write(b"x")
            await stream.read()
        await bench.gone()
        async with bench.attached(session) as attachment:
            assert not attachment.resumed
            with pytest.raises(RemoraError, match="its lease ran out"):
                await stream.read()
            await session.leave()


async def test_transient_streams_hold_no_lease(tmp_path: Path) -> None:
    async with relay_bench(tmp_path, echo) as bench:
        session = bench.session(lease=1000.0, lease_idle=0.05)
        stream = session.open("server", transient=True)
        async with bench.attached(session):
            await stream.write(b"x")
            await stream.read()
        await bench.gone()


async def test_an_idle_relay_is_small_and_does_nothing(tmp_path: Path) -> None:
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


async def test_the_relay_keeps_nothing_of_the_session_that_started_it(tmp_path: Path) -> None:
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


async def test_descriptors_stay_level(tmp_path: Path) -> None:
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


def _open_files(pid: int) -> list[str]:
    folder = Path(f"/proc/{pid}/fd")
    return [str(entry.readlink()) for entry in folder.iterdir()]


def _where(pid: int) -> str:
    return str(Path(f"/proc/{pid}/cwd").readlink())


def _switches(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt"))
