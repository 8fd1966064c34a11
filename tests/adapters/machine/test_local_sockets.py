"""The sockets of this machine: one contract for the real ones and their twin, and what only real ones can get wrong."""

import asyncio
import contextlib
import os
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from tests.support.base.loop import run

from remora.adapters.machine.local_sockets import SOCKET_PATH_LIMIT, SystemSockets
from remora.adapters.machine.local_stream import LocalStream
from remora.core.errors import Code, LaunchProblem, Unreachable
from remora.ports import ByteStream
from remora.testing.memory_sockets import MemorySockets
from remora.testing.socket_contracts import LOCAL_SOCKETS_CONTRACT, SocketContract, SocketsUnderTest


@contextlib.asynccontextmanager
async def memory(folder: Path) -> AsyncIterator[SocketsUnderTest]:
    """The in-memory twin."""
    sockets = MemorySockets()

    async def connect_port(port: int) -> ByteStream:
        return sockets.connect_port(port)

    yield SocketsUnderTest(sockets, path="/memory/door", connect_port=connect_port)


@contextlib.asynccontextmanager
async def real(folder: Path) -> AsyncIterator[SocketsUnderTest]:
    """Sockets of the operating system."""

    async def connect_port(port: int) -> ByteStream:
        stream = LocalStream()
        await asyncio.get_running_loop().create_connection(lambda: stream, "127.0.0.1", port)
        return stream

    yield SocketsUnderTest(SystemSockets(), path=str(folder / "door"), connect_port=connect_port)


@pytest.mark.parametrize("contract", LOCAL_SOCKETS_CONTRACT, ids=lambda contract: contract.__name__)
@pytest.mark.parametrize("implementation", [memory, real], ids=lambda implementation: implementation.__name__)
async def test_local_sockets(
    contract: SocketContract,
    implementation: Callable[[Path], AbstractAsyncContextManager[SocketsUnderTest]],
    tmp_path: Path,
) -> None:
    async with implementation(tmp_path) as under_test:
        await contract(under_test)


async def _echo(stream: ByteStream) -> None:
    while data := await stream.read():
        await stream.write(data)


async def _serve_once(path: Path) -> None:
    async with SystemSockets().serve(str(path), _echo):
        pass


def test_a_socket_is_private_and_vanishes_when_serving_ends(tmp_path: Path) -> None:
    path = tmp_path / "door"

    async def look() -> None:
        async with SystemSockets().serve(str(path), _echo):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert stat.S_ISSOCK(path.stat().st_mode)

    run(look())
    assert not path.exists()


def test_a_socket_that_a_killed_program_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "door"
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
    run(_serve_once(path))


def test_a_socket_made_by_somebody_else_meanwhile_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "door"

    async def replace() -> None:
        async with SystemSockets().serve(str(path), _echo):
            path.unlink()
            path.write_text("somebody else's")

    run(replace())
    assert path.read_text() == "somebody else's"


@pytest.mark.parametrize("name", ["a file", "a folder"])
def test_what_is_no_socket_is_not_removed(tmp_path: Path, name: str) -> None:
    path = tmp_path / "door"
    path.write_text("mine") if name == "a file" else path.mkdir()
    with pytest.raises(LaunchProblem) as caught:
        run(_serve_once(path))
    assert caught.value.code is Code.RUNTIME_FOLDER_UNUSABLE
    assert "not a socket" in caught.value.message
    assert caught.value.next_step == "Move it out of the way."
    assert path.exists()


def test_f65_a_path_too_long_for_a_socket_is_named_with_its_length(tmp_path: Path) -> None:
    path = tmp_path / ("ü" * 60)
    size = len(os.fsencode(path))
    with pytest.raises(LaunchProblem) as caught:
        run(_serve_once(path))
    assert caught.value.code is Code.RUNTIME_FOLDER_UNUSABLE
    assert f"{size} bytes" in caught.value.message
    assert str(SOCKET_PATH_LIMIT) in caught.value.message


def test_a_missing_folder_is_told_as_the_system_tells_it(tmp_path: Path) -> None:
    with pytest.raises(LaunchProblem) as caught:
        run(_serve_once(tmp_path / "nowhere" / "door"))
    assert caught.value.code is Code.RUNTIME_FOLDER_UNUSABLE
    assert "No such file" in caught.value.seen


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_another_user_is_turned_away_unheard(tmp_path: Path) -> None:
    path = tmp_path / "door"
    visited = []

    async def visit(stream: ByteStream) -> None:
        visited.append(stream)

    async def knock() -> bytes:
        async with SystemSockets().serve(str(path), visit):
            path.chmod(0o666)
            other = await asyncio.create_subprocess_exec(
                "python3", "-c", _KNOCK, str(path), stdout=asyncio.subprocess.PIPE
            )
            said, _ = await other.communicate()
            return said

    tmp_path.chmod(0o711)
    assert run(knock()) == b"turned away\n"
    assert visited == []


_KNOCK = """
import os, socket, sys
os.chdir(os.path.dirname(sys.argv[1]))
os.setresuid(65534, 65534, 65534)
with socket.socket(socket.AF_UNIX) as door:
    door.connect("door")
    try:
        print("let in" if door.recv(1) else "turned away")
    except ConnectionResetError:
        print("turned away")
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_nothing_is_sent_to_another_users_socket(tmp_path: Path) -> None:
    path = tmp_path / "door"

    async def connect() -> None:
        other = await asyncio.create_subprocess_exec(
            "python3", "-c", _SERVE_AS_NOBODY, str(path), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert other.stdout is not None
        assert other.stdin is not None
        await other.stdout.readline()
        try:
            await SystemSockets().connect(str(path))
        finally:
            other.stdin.close()
            await other.wait()

    with pytest.raises(Unreachable) as caught:
        run(connect())
    assert "another user" in caught.value.message


_SERVE_AS_NOBODY = """
import os, socket, sys
with socket.socket(socket.AF_UNIX) as door:
    door.bind(sys.argv[1])
    os.setresuid(65534, 65534, 65534)
    door.listen()
    print("ready", flush=True)
    sys.stdin.read()
"""


async def test_a_forwarded_port_answers_under_every_name_of_this_machine() -> None:
    async with SystemSockets().serve_port(0, _echo) as port:
        for address in ("127.0.0.1", "::1") if socket.has_ipv6 else ("127.0.0.1",):
            reader, writer = await asyncio.open_connection(address, port)
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
            writer.close()
            await writer.wait_closed()


def test_f73_a_port_that_another_program_uses_is_taken() -> None:
    async def take(port: int) -> None:
        async with SystemSockets().serve_port(port, _echo):
            pass

    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(LaunchProblem) as caught:
        run(take(other.getsockname()[1]))
    assert caught.value.code is Code.PORT_TAKEN


_CROWDED = """
import asyncio, resource, socket, sys
from remora.adapters.machine.local_sockets import SystemSockets

async def main():
    complaints = 0
    def complain(loop, context):
        nonlocal complaints
        complaints += 1
    asyncio.get_running_loop().set_exception_handler(complain)
    async def visit(stream):
        await stream.write(await stream.read())
    async with SystemSockets().serve(sys.argv[1], visit):
        crowd = []
        for _ in range(60):
            each = socket.socket(socket.AF_UNIX)
            each.connect(sys.argv[1])
            crowd.append(each)
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        used = crowd[-1].fileno() + 1
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + 5, hard))
        await asyncio.sleep(0.5)
        heard = complaints
        for each in crowd[:-1]:
            each.close()
        last = crowd[-1]
        last.setblocking(False)
        await asyncio.get_running_loop().sock_sendall(last, b"still")
        answer = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(last, 10), 20)
        print(heard, answer.decode())

asyncio.run(main())
"""


def test_without_descriptors_clients_wait_and_nothing_spins(tmp_path: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-c", _CROWDED, str(tmp_path / "door")], stdout=subprocess.PIPE, check=True, timeout=60
    ).stdout.split()

    assert 1 <= int(said[0]) <= 3
    assert said[1] == b"still"


async def test_a_program_that_connects_in_a_loop_is_let_in_so_many_times_and_no_more(tmp_path: Path) -> None:
    sockets = SystemSockets(most_visitors=3)
    path = str(tmp_path / "door")
    async with sockets.serve(path, _echo):
        crowd = [await sockets.connect(path) for _ in range(3)]
        for each in crowd:
            await each.write(b"x")
            assert await each.read() == b"x"
        late = await sockets.connect(path)
        with contextlib.suppress(Unreachable):
            assert await late.read() == b""
        await crowd[0].write_eof()
        assert await crowd[0].read() == b""
        await crowd[0].close()
        again = await sockets.connect(path)
        await again.write(b"y")
        assert await again.read() == b"y"
        for each in (*crowd[1:], late, again):
            await each.close()
