"""The small parts of the hub: its lock, its pace, its sockets that come back, its log, its idleness."""

import asyncio
import fcntl
import logging
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from tests.support.base.loop import run

from remora.adapters.machine.local_sockets import SystemSockets
from remora.flows.kit.pace import Pace
from remora.hub.log import start_log
from remora.hub.presence import Presence
from remora.hub.shared.lock import HubLock, holder_of
from remora.hub.socket_repair import HealingSockets
from remora.ports import ByteStream
from remora.testing.manual_clock import ManualClock

_HOLDING = """
import pathlib, sys
from remora.hub.shared.lock import HubLock
print(HubLock(pathlib.Path(sys.argv[1])).take(), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a name that is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="h") as made:
        yield Path(made)


def test_the_lock_names_its_holder_and_ends_with_it(folder: Path) -> None:
    path = folder / "lock"
    assert holder_of(path) is None
    words = [sys.executable, "-c", _HOLDING, str(path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"True\n"
        holder = holder_of(path)
        assert holder is not None
        assert holder.pid == child.pid
        assert HubLock(path).take() is False
        assert holder.signal(signal.SIGKILL) is True
        child.wait()
    assert holder_of(path) is None
    assert holder.signal(signal.SIGKILL) is False


@pytest.mark.skipif(sys.platform != "linux", reason="a lock that belongs to no process")
def test_a_holder_that_has_no_number_here_is_never_signalled(folder: Path) -> None:
    path = folder / "lock"
    script = """
import os, sys
from pathlib import Path
from remora.hub.shared.lock import holder_of
holder = holder_of(Path(sys.argv[1]))
print(holder.pid, holder.signal(0))  # 0 would reach whom it may, and do nothing
"""
    with path.open("w+") as lock:  # as a process of another container looks: signalling its number would mean everybody
        fcntl.fcntl(lock, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
        asked = subprocess.run(
            [sys.executable, "-c", script, str(path)],
            stdout=subprocess.PIPE,
            check=True,
            start_new_session=True,
            text=True,
            timeout=30,
        )

    assert asked.stdout == "-1 False\n"


def test_the_lock_is_taken_anew_when_its_file_was_removed(folder: Path) -> None:
    lock = HubLock(folder / "lock")
    assert lock.take()
    (folder / "lock").unlink()
    assert not lock.is_held()
    assert lock.take()
    assert lock.is_held()
    lock.release()
    assert not lock.is_held()


def test_f67_dials_of_all_links_keep_one_pace() -> None:
    async def go() -> list[float]:
        clock = ManualClock()
        pace = Pace(clock)
        began: list[float] = []

        async def dial() -> None:
            await pace.turn(10.0)
            began.append(round(clock.monotonic(), 3))

        dials = [asyncio.create_task(dial()) for _ in range(5)]
        for _ in range(10):
            await asyncio.sleep(0)
            await clock.advance(0.05)
        await asyncio.gather(*dials)
        return began

    began = run(go())
    assert [round(later - earlier, 3) for earlier, later in pairwise(began)] == [0.1] * 4


async def test_f65_a_removed_socket_comes_back_and_keeps_its_clients(folder: Path) -> None:
    async def echo(client: ByteStream) -> None:
        while data := await client.read():
            await client.write(data)

    real = SystemSockets()
    sockets = HealingSockets(real)
    path = folder / "links" / "a.sock"
    async with sockets.serve(str(path), echo):
        early = await real.connect(str(path))
        assert await sockets.heal() == []
        path.unlink()
        path.parent.rmdir()
        assert await sockets.heal() == [str(path)]
        late = await real.connect(str(path))
        for client in (early, late):
            await client.write(b"still")
            assert await client.read() == b"still"
            await client.close()
    assert not path.exists()


def test_it_goes_when_it_was_idle_for_long_enough(folder: Path) -> None:
    async def go() -> str:
        clock = ManualClock()
        lock = HubLock(folder / "lock")
        lock.take()
        presence = Presence(lock, HealingSockets(SystemSockets()), make_folder=lambda: None, clock=clock)
        watching = asyncio.create_task(presence.watch(clock.monotonic, lambda: 300.0, attended=lambda: False))
        for _ in range(160):
            assert not watching.done() or clock.monotonic() > 300
            await asyncio.sleep(0)
            await clock.advance(2.0)
        lock.release()
        return await watching

    assert run(go()) == "nothing to do"


def test_f65_it_goes_when_nobody_can_find_it_and_nobody_is_left(folder: Path) -> None:
    async def go() -> str:
        clock = ManualClock()
        lock = HubLock(folder / "gone" / "lock")
        presence = Presence(lock, HealingSockets(SystemSockets()), make_folder=lambda: None, clock=clock)
        attended = [True]
        watching = asyncio.create_task(presence.watch(lambda: 0.0, lambda: 300.0, attended=lambda: attended[0]))
        for step in range(200):
            assert not watching.done()
            attended[0] = step < 190
            await asyncio.sleep(0)
            await clock.advance(2.0)
            if watching.done():
                break
        return await watching

    assert "find" in run(go())


def test_it_goes_when_another_one_has_its_place(folder: Path) -> None:
    async def go() -> str:
        clock = ManualClock()
        path = folder / "lock"
        lock = HubLock(path)
        lock.take()
        path.unlink()
        words = [sys.executable, "-c", _HOLDING, str(path)]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:  # noqa: ASYNC220
            assert other.stdout is not None
            other.stdout.readline()
            presence = Presence(lock, HealingSockets(SystemSockets()), make_folder=lambda: None, clock=clock)
            watching = asyncio.create_task(presence.watch(lambda: 0.0, lambda: 300.0, attended=lambda: True))
            await asyncio.sleep(0)
            await clock.advance(2.0)
            reason = await watching
        lock.release()
        return reason

    assert "another hub" in run(go())


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """The hub's logger, as it was before afterwards."""
    logger = logging.getLogger("remora.hub")
    saved = list(logger.handlers), logger.level, logger.propagate, logging.raiseExceptions
    yield logger
    for handler in set(logger.handlers) - set(saved[0]):
        logger.removeHandler(handler)
        handler.close()
    logger.level, logger.propagate, logging.raiseExceptions = saved[1:]


def test_the_log_stays_small_and_cannot_move_a_terminal(folder: Path, logger: logging.Logger) -> None:
    start_log(folder / "log" / "hub.log", foreground=False)
    for number in range(6):
        for _ in range(40):
            logger.info("%d %s", number, "\x1b[2J\u202e" + "x" * 30_000)
    files = list((folder / "log").iterdir())
    assert len(files) == 4
    assert all(file.stat().st_size < 2 * 1024 * 1024 for file in files)
    text = (folder / "log" / "hub.log").read_text()
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_what_a_host_says_begins_no_line_of_the_log(folder: Path, logger: logging.Logger) -> None:
    start_log(folder / "hub.log", foreground=False)
    logger.info("devbox: %s", "gone\n2026-01-01 00:00:00,000 INFO    hub 9.9, process 1")

    first, second = (folder / "hub.log").read_text().splitlines()
    assert first.endswith("gone")
    assert second.startswith(" ")


def test_a_place_without_a_log_is_no_failure(folder: Path, logger: logging.Logger) -> None:
    (folder / "file").write_text("")
    start_log(folder / "file" / "hub.log", foreground=False)
    logger.info("to nowhere")


def test_a_socket_of_a_stranger_is_no_hub(folder: Path) -> None:
    """Something else listens where the hub would: it is told apart by what it says."""
    from remora.core.errors import RemoraError
    from remora.core.settings import Limits
    from remora.hub_client.client import HubClient

    for said, code in ((b"HTTP/1.1 400 Bad Request\r\n\r\n", "hub-version"), (b"", "hub-mute")):
        path = folder / "x.sock"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(os.fspath(path))
            listener.listen()

            async def ask(listener: socket.socket = listener, said: bytes = said, path: Path = path) -> str:
                client = HubClient(path, Limits(hub_answer=0.3))
                asking = asyncio.create_task(client.hello())
                connected, _ = await asyncio.to_thread(listener.accept)
                with connected:
                    connected.sendall(said)
                    try:
                        await asking
                    except RemoraError as error:
                        return str(error.code)
                return "none"

            assert run(ask()) == code
        path.unlink()
