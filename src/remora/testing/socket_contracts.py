"""What every implementation of :class:`remora.ports.LocalSockets` must do, as functions for any test runner."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from remora.core.errors import Code, RemoraError
from remora.ports import ByteStream, LocalSockets
from remora.testing.expectations import SOON, expect, expect_echo, noise, read_all

_MEBIBYTE: Final = 1024 * 1024
_MUCH: Final = 16 * _MEBIBYTE


@dataclass(frozen=True, slots=True)
class SocketsUnderTest:
    """How a contract reaches an implementation. `path` is free; `connect_port` is what any program can do."""

    sockets: LocalSockets
    path: str
    connect_port: Callable[[int], Awaitable[ByteStream]]


SocketContract: TypeAlias = Callable[[SocketsUnderTest], Awaitable[None]]


async def bytes_pass_unchanged(under_test: SocketsUnderTest) -> None:
    """Several clients at once, each gets back what it sent."""
    async with under_test.sockets.serve(under_test.path, _echo):
        streams = [await under_test.sockets.connect(under_test.path) for _ in range(5)]
        await asyncio.gather(
            *(expect_echo(stream, noise(_MEBIBYTE, seed=number)) for number, stream in enumerate(streams))
        )


async def half_close_leaves_the_answer(under_test: SocketsUnderTest) -> None:
    """A client that has ended its side still gets the answer; ending twice is harmless."""

    async def visit(stream: ByteStream) -> None:
        size = len(await read_all(stream))
        await stream.write(str(size).encode())

    async with under_test.sockets.serve(under_test.path, visit):
        stream = await under_test.sockets.connect(under_test.path)
        await stream.write(bytes(1000))
        await stream.write_eof()
        await stream.write_eof()
        assert await read_all(stream) == b"1000"
        await stream.close()


async def what_was_written_before_the_end_arrives(under_test: SocketsUnderTest) -> None:
    """A visitor that writes and returns loses nothing, however slowly its client reads."""

    async def visit(stream: ByteStream) -> None:
        await stream.write(noise(3 * _MEBIBYTE))

    async with under_test.sockets.serve(under_test.path, visit):
        stream = await under_test.sockets.connect(under_test.path)
        for _ in range(20):
            await asyncio.sleep(0)
        assert await read_all(stream) == noise(3 * _MEBIBYTE)
        await stream.close()


async def reading_takes_no_more_than_asked(under_test: SocketsUnderTest) -> None:
    """A read gives at most the limit and loses nothing."""
    async with under_test.sockets.serve(under_test.path, _echo):
        stream = await under_test.sockets.connect(under_test.path)
        await stream.write(b"0123456789")
        await stream.write_eof()
        pieces = []
        while piece := await stream.read(3):
            pieces.append(piece)
        assert b"".join(pieces) == b"0123456789"
        assert max(map(len, pieces)) <= 3
        await stream.close()


async def writer_waits_for_a_peer_that_does_not_read(under_test: SocketsUnderTest) -> None:
    """Writing stops while nobody takes the bytes; a reader that wakes gets all of them."""
    wake = asyncio.Event()
    received: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def visit(stream: ByteStream) -> None:
        await wake.wait()
        received.set_result(await read_all(stream))

    async with under_test.sockets.serve(under_test.path, visit):
        stream = await under_test.sockets.connect(under_test.path)
        writing = asyncio.ensure_future(stream.write(noise(_MUCH)))
        for _ in range(100):
            await asyncio.sleep(0)
        assert not writing.done()
        wake.set()
        await asyncio.wait_for(writing, SOON)
        await stream.write_eof()
        assert await asyncio.wait_for(received, SOON) == noise(_MUCH)
        await stream.close()


async def close_is_idempotent_and_ends_readers(under_test: SocketsUnderTest) -> None:
    """A pending read ends when the stream is closed; closing again does nothing; writing is refused."""
    async with under_test.sockets.serve(under_test.path, _echo):
        stream = await under_test.sockets.connect(under_test.path)
        reading = asyncio.ensure_future(stream.read())
        await asyncio.sleep(0)
        await stream.close()
        await stream.close()
        assert await asyncio.wait_for(reading, SOON) == b""
        await expect(Code.CONNECTION_LOST, stream.write(b"late"))


async def the_end_of_the_client_reaches_the_visitor(under_test: SocketsUnderTest) -> None:
    """A visitor learns that its client has gone, and the visit of another goes on."""
    gone: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def visit(stream: ByteStream) -> None:
        first = await stream.read()
        if first == b"leaving":
            gone.set_result(await stream.read())
        else:
            await stream.write(first)

    async with under_test.sockets.serve(under_test.path, visit):
        stays, leaves = [await under_test.sockets.connect(under_test.path) for _ in range(2)]
        await leaves.write(b"leaving")
        await leaves.close()
        assert await asyncio.wait_for(gone, SOON) == b""
        await stays.write(b"here")
        assert await read_all(stays) == b"here"
        await stays.close()


async def a_failing_visit_ends_only_its_client(under_test: SocketsUnderTest) -> None:
    """What a visitor raises is the end of that client, and of no other."""

    async def visit(stream: ByteStream) -> None:
        asked = await stream.read()
        if asked == b"fail":
            raise RemoraError(Code.INTERNAL, "A failing visit.", next_step="None.")
        await stream.write(asked)

    async with under_test.sockets.serve(under_test.path, visit):
        fails, works = [await under_test.sockets.connect(under_test.path) for _ in range(2)]
        await fails.write(b"fail")
        assert await read_all(fails) == b""
        await works.write(b"work")
        assert await read_all(works) == b"work"
        await fails.close()
        await works.close()


async def leaving_cancels_the_visits(under_test: SocketsUnderTest) -> None:
    """When serving has ended, no visit runs, the clients know it, and the name is free again."""
    cancelled = asyncio.Event()

    async def visit(stream: ByteStream) -> None:
        await stream.write(b"hello")
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with under_test.sockets.serve(under_test.path, visit):
        stream = await under_test.sockets.connect(under_test.path)
        assert await stream.read() == b"hello"
    assert cancelled.is_set()
    assert await read_all(stream) == b""
    await stream.close()
    await expect(Code.CONNECTION_REFUSED, under_test.sockets.connect(under_test.path))
    async with under_test.sockets.serve(under_test.path, _echo):
        await expect_echo(await under_test.sockets.connect(under_test.path), noise(_MEBIBYTE))


async def a_living_socket_is_not_replaced(under_test: SocketsUnderTest) -> None:
    """The second that wants the same path is refused, and the first goes on."""
    async with under_test.sockets.serve(under_test.path, _echo):

        async def again() -> None:
            async with under_test.sockets.serve(under_test.path, _echo):
                raise AssertionError("served twice")

        await expect(Code.RUNTIME_FOLDER_UNUSABLE, again())
        await expect_echo(await under_test.sockets.connect(under_test.path), noise(_MEBIBYTE))


async def ports_are_served_and_taken_once(under_test: SocketsUnderTest) -> None:
    """Any free port is given; a port that is in use is said to be taken; afterwards it is free."""
    async with under_test.sockets.serve_port(0, _echo) as port:
        assert port > 0
        await expect_echo(await under_test.connect_port(port), noise(_MEBIBYTE))

        async def again() -> None:
            async with under_test.sockets.serve_port(port, _echo):
                raise AssertionError("served twice")

        await expect(Code.PORT_TAKEN, again())
    async with under_test.sockets.serve_port(port, _echo) as same:
        assert same == port
        await expect_echo(await under_test.connect_port(port), noise(_MEBIBYTE))


LOCAL_SOCKETS_CONTRACT: Final[tuple[SocketContract, ...]] = (
    bytes_pass_unchanged,
    half_close_leaves_the_answer,
    what_was_written_before_the_end_arrives,
    reading_takes_no_more_than_asked,
    writer_waits_for_a_peer_that_does_not_read,
    close_is_idempotent_and_ends_readers,
    the_end_of_the_client_reaches_the_visitor,
    a_failing_visit_ends_only_its_client,
    leaving_cancels_the_visits,
    a_living_socket_is_not_replaced,
    ports_are_served_and_taken_once,
)


async def _echo(stream: ByteStream) -> None:
    while data := await stream.read():
        await stream.write(data)
