"""Clients of a port that a line carries: each byte and each end arrives, and nothing of a client stays."""

import asyncio
import resource
import socket
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from remora.adapters.machine.local_sockets import SystemSockets
from remora.ports import ByteStream, Near

_CROWD = 500
_MIB = 2**20


@dataclass
class EchoFar:
    """Gives back what it takes, at most `room` bytes for each flush; `full` with more than `most`."""

    near: Near
    most: int
    room: int
    said: deque[bytes] = field(default_factory=deque)
    size: int = 0
    largest: int = 0
    given: int = 0
    acknowledged: int = 0
    ended: bool = False
    closed: int = 0
    held: bool = False

    @property
    def full(self) -> bool:
        self.held = self.held or self.size > self.most
        return self.held

    def take(self, data: bytes) -> None:
        assert not self.closed
        self.said.append(data)
        self.size += len(data)
        self.largest = max(self.largest, self.size)

    def take_end(self) -> None:
        assert not self.ended
        self.ended = True

    def taken(self, count: int) -> None:
        self.acknowledged += count

    def close(self) -> None:
        self.closed += 1

    def give(self) -> None:
        room = self.room
        while self.said and room > 0 and not self.closed:
            data = self.said.popleft()
            if len(data) > room:
                self.said.appendleft(data[room:])
                data = data[:room]
            room -= len(data)
            self.size -= len(data)
            self.given += len(data)
            self.near.take(data)
        if self.held and self.size <= self.most // 2:
            self.held = False
            self.near.resume()
        if self.ended and not self.said and not self.closed:
            self.ended = False
            self.near.take_end()


class EchoLine:
    """A line whose far ends give back what they take. With `willing` false it carries nobody."""

    def __init__(self, *, most: int = _MIB, room: int = 1 << 40, willing: bool = True) -> None:
        self.fars: list[EchoFar] = []
        self._most = most
        self._room = room
        self._willing = willing
        self._again: asyncio.Handle | None = None

    def open(self, near: Near) -> EchoFar | None:
        if not self._willing:
            return None
        self.fars.append(EchoFar(near, self._most, self._room))
        return self.fars[-1]

    def flush(self) -> None:
        self._again = None
        for far in self.fars:
            far.give()
        if any(far.said and not far.closed for far in self.fars) and self._again is None:
            self._again = asyncio.get_running_loop().call_soon(self.flush)


@asynccontextmanager
async def served(line: EchoLine, *, most: int = 4096) -> AsyncIterator[int]:
    async def visit(stream: ByteStream) -> None:
        await stream.write(b"a visit: " + await stream.read())

    async with SystemSockets(most_visitors=most).serve_port(0, visit, line) as port:
        yield port


async def echoed(port: int, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sending = asyncio.ensure_future(send(writer, data))
    came = await reader.read(-1)
    await sending
    writer.close()
    await writer.wait_closed()
    return came


async def send(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()
    writer.write_eof()


async def test_a_crowd_of_clients_gets_its_bytes_and_leaves_nothing() -> None:
    line = EchoLine()
    async with served(line) as port:
        words = [b"client %d" % number for number in range(_CROWD)]
        assert await asyncio.gather(*(echoed(port, word) for word in words)) == words
    assert [far.closed for far in line.fars] == [1] * _CROWD


async def test_a_far_end_that_is_full_holds_its_client_and_no_byte_is_lost() -> None:
    line = EchoLine(most=300_000, room=100_000)
    async with served(line) as port:
        data = bytes(range(256)) * (4 * _MIB // 256)
        assert await echoed(port, data) == data
        (far,) = line.fars
        assert far.largest < _MIB, "the client was read on while its far end was full"
        assert far.given == far.acknowledged == len(data)


async def test_a_client_gets_what_came_before_the_far_end_was_cut() -> None:
    line = EchoLine()
    async with served(line) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
        (far,) = line.fars
        far.near.take(bytes(8 * _MIB))
        far.near.cut()
        assert len(await reader.read(-1)) == 8 * _MIB
        writer.close()
        await writer.wait_closed()
        assert far.closed == 1


async def test_whom_the_line_cannot_carry_is_a_visit() -> None:
    async with served(EchoLine(willing=False)) as port:
        assert await echoed(port, b"hello") == b"a visit: hello"


async def test_clients_that_are_there_at_the_end_are_let_go() -> None:
    line = EchoLine()
    async with served(line) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
    assert await reader.read(-1) == b""
    assert [far.closed for far in line.fars] == [1]
    line.fars[0].near.take(b"too late")
    line.fars[0].near.take_end()
    line.fars[0].near.cut()
    assert [far.closed for far in line.fars] == [1]
    writer.close()
    await writer.wait_closed()


async def test_of_more_clients_than_there_may_be_the_last_are_turned_away() -> None:
    async with served(EchoLine(), most=2) as port:
        staying = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        for reader, writer in staying:
            writer.write(b"x")
            assert await reader.readexactly(1) == b"x"
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read(-1) == b""
        for _, each in (*staying, (reader, writer)):
            each.close()
            await each.wait_closed()


async def test_clients_wait_while_there_are_no_descriptors_and_nobody_complains() -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
    async with served(EchoLine()) as port:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        crowd = [socket.socket() for _ in range(20)]
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (crowd[-1].fileno() + 3, hard))
            for each in crowd:
                each.connect(("127.0.0.1", port))
            await asyncio.sleep(0)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for each in crowd:
            each.setblocking(False)
            await asyncio.get_running_loop().sock_sendall(each, b"x")
            assert await asyncio.get_running_loop().sock_recv(each, 1) == b"x"
            each.close()
    assert not complaints
