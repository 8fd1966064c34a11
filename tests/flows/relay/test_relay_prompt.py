"""A connection that can be written to at once: nothing waits for a task, and nothing overtakes what had to wait."""

import asyncio
import random

from tests.support.link.relay_line import Line, Near, laptop, welcome

from remora.core.errors import Code, RemoraError
from remora.core.settings import DEFAULT_LIMITS
from remora.wire.relay import relay_frames as frames
from remora.wire.relay.frame_session import FrameSession
from remora.wire.relay.relay_frames import ByteQueue, FrameReader


async def test_every_byte_in_order_whether_it_waited_or_not() -> None:
    chance = random.Random(7)  # noqa: S311
    pieces = [chance.randbytes(chance.choice((1, 300, 5_000, 90_000))) for _ in range(200)]
    session, line, reader, far = (
        laptop(),
        Line(),
        FrameReader(),
        FrameSession(DEFAULT_LIMITS.relay_window, ByteQueue),
    )
    line.answer(welcome())
    received = bytearray()
    async with session.attach(line):
        reader.feed(line.take())
        stream = session.open("server")

        async def write() -> None:
            for piece in pieces:
                await stream.write(piece)

        writing = asyncio.ensure_future(write())
        while len(received) < sum(map(len, pieces)):
            await asyncio.sleep(0)
            if chance.random() < 0.3:
                for frame in reader.feed(line.take()):
                    event = far.receive(frame)
                    if event is not None and event[0] == frames.DATA:
                        received += event[2]
                        far.consume(event[1], len(event[2]))
                line.answer(b"".join(far.take_output(10**6)) or frames.encode(frames.PONG))
        await writing
    assert bytes(received) == b"".join(pieces)
    assert line.at_once, "nothing was sent at once"


async def test_what_is_written_while_there_is_room_is_out_before_anybody_waits() -> None:
    session, line = laptop(), Line()
    line.answer(welcome())
    async with session.attach(line):
        stream = session.open("server")
        line.take()
        await stream.write(b"at once")
        assert line.take().endswith(b"at once")


async def test_a_connection_that_breaks_at_once_is_lost_for_the_session_and_not_for_the_writer() -> None:
    session, line = laptop(), Line()
    line.answer(welcome())
    async with session.attach(line) as attachment:
        stream = session.open("server")
        line.broken = True
        await stream.write(b"kept for the next connection")
        lost = await attachment.wait_lost()
        assert isinstance(lost, RemoraError)
        assert lost.code is Code.CONNECTION_LOST


async def test_a_carried_client_has_its_answer_in_the_moment_it_comes() -> None:
    session, line, reader, far = (
        laptop(),
        Line(),
        FrameReader(),
        FrameSession(DEFAULT_LIMITS.relay_window, ByteQueue),
    )
    line.answer(welcome())
    async with session.attach(line):
        near, served, left = Near(), [], []
        await asyncio.sleep(0)
        line.take()
        carried = session.carry("port:5173", near, served=lambda: served.append(True), left=lambda: left.append(True))
        assert carried is not None
        carried.take(b"question")
        session.flush()
        (opened, asked) = reader.feed(line.take())
        assert (opened.kind, asked.kind, asked.payload) == (frames.OPEN, frames.DATA, b"question")
        far.receive(opened)
        far.receive(asked)
        stream = far.streams[opened.stream]
        stream.source.put(b"answer")  # type: ignore[attr-defined]
        far.touch(stream)
        far.end(stream)
        line.answer(b"".join(far.take_output(1 << 20)))
        assert (near.given, near.ended, served) == (b"answer", True, [True])
        carried.close()
        session.flush()
        assert [frame.kind for frame in reader.feed(line.take())] == [frames.CLOSE]
        assert session.streams == 0
        assert left == [True]


async def test_what_does_not_fit_ends_the_connection_and_its_clients() -> None:
    session, line = laptop(), Line()
    line.answer(welcome())
    async with session.attach(line) as attachment:
        near = Near()
        await asyncio.sleep(0)
        session.carry("port:5173", near, served=lambda: None, left=lambda: None)
        session.flush()
        line.answer(b"no frame at all, and long enough for one")
        assert attachment.lost
        assert near.gone
        line.answer(b"more of it")
