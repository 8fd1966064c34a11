"""The streams of the laptop's side of the relay, in memory: across breaks, under load, and at the end."""

import asyncio
from contextlib import suppress

import pytest
from tests.support.link.relay_laptop import Laptop

from remora.core.errors import Code, RemoraError
from remora.core.settings import DEFAULT_LIMITS
from remora.wire.relay import relay_frames as frames
from remora.wire.relay.relay_frames import ByteQueue


async def test_after_nonsense_the_streams_break_and_the_next_connection_begins_anew() -> None:
    laptop = Laptop()
    stream = laptop.session.open("server")
    async with laptop.attached() as attachment:
        await laptop.clock.settle()
        await laptop.far.say(frames.encode(frames.DATA, b"x", stream=1, number=7))
        await attachment.wait_lost()
    with pytest.raises(RemoraError, match="could not be reassembled"):
        await stream.read()
    async with laptop.attached(incarnation="second") as attachment:
        assert not attachment.resumed
        hello = [frame for frame in laptop.far.heard if frame.kind == frames.HELLO][-1]
        assert frames.read_table(hello)["incarnation"] == ""


async def test_what_came_before_a_break_can_still_be_read() -> None:
    laptop = Laptop()
    stream = laptop.session.open("server")
    async with laptop.attached():
        await laptop.clock.settle()
        await laptop.far.listen()
        await laptop.far.send(laptop.far.opened[0], b"last words")
        laptop.far.session.close(laptop.far.opened[0], frames.CLOSE_LOST, "reset")
        await laptop.far.flush()
        await laptop.clock.settle()
        assert await stream.read() == b"last words"
        with pytest.raises(RemoraError) as failed:
            await stream.read()
        assert failed.value.code is Code.SERVER_GONE
        assert laptop.session.streams == 0


async def test_a_writer_waits_while_nobody_is_connected_and_goes_on_then() -> None:
    laptop = Laptop()
    stream = laptop.session.open("server")
    writing = asyncio.ensure_future(stream.write(bytes(3 * 1024 * 1024)))
    await laptop.clock.settle()
    assert not writing.done()
    async with laptop.attached():
        got = 0
        while got < 3 * 1024 * 1024:
            got += sum(len(frame.payload) for frame in await laptop.far.listen() if frame.kind == frames.DATA)
        await writing


async def test_leaving_says_goodbye_and_ends_every_stream() -> None:
    laptop = Laptop()
    stream = laptop.session.open("server")
    reading = asyncio.ensure_future(stream.read())
    async with laptop.attached():
        leaving = asyncio.ensure_future(laptop.session.leave())
        await laptop.clock.settle()
        assert frames.BYE in [frame.kind for frame in await laptop.far.listen()]
        await laptop.far.stream.write_eof()
        await leaving
    with pytest.raises(RemoraError, match="ended"):
        await reading
    with pytest.raises(RemoraError, match="ended"):
        await laptop.session.open("server").read()
    await laptop.session.leave()


async def test_leaving_while_a_connection_is_greeted_ends_the_session_there_too() -> None:
    laptop = Laptop()

    async def attach() -> None:
        async with laptop.session.attach(laptop.far.connection()):
            pass

    attaching = asyncio.ensure_future(attach())
    await laptop.clock.settle()
    await laptop.session.leave()
    await laptop.far.welcome()
    with pytest.raises(RemoraError, match="ended"):
        await attaching
    assert [frame.kind for frame in await laptop.far.listen()] == [frames.BYE]


async def test_leaving_a_host_that_is_silent_takes_no_longer_than_its_limit() -> None:
    laptop = Laptop()
    async with laptop.attached():
        leaving = asyncio.ensure_future(laptop.session.leave())
        await laptop.clock.advance(DEFAULT_LIMITS.stop)
        await leaving


async def test_many_short_streams_leave_nothing_behind() -> None:
    laptop = Laptop()
    async with laptop.attached():
        for _ in range(300):
            stream = laptop.session.open("server")
            await stream.write(b"x")
            await laptop.clock.settle()
            await stream.close()
            await laptop.clock.settle()
            await laptop.far.listen()
            laptop.far.session.acknowledge()
            await laptop.far.flush()
            await laptop.clock.settle()
        assert laptop.session.streams == 0
        assert len(laptop.session._streams) <= 1
        assert not laptop.session._session._kept


async def test_a_reader_that_is_slow_stops_the_far_side_at_the_window() -> None:
    window = DEFAULT_LIMITS.relay_window
    laptop = Laptop()
    stream = laptop.session.open("server")
    async with laptop.attached():
        await laptop.clock.settle()
        await laptop.far.listen()
        far = laptop.far.opened[0]
        source = far.source
        assert isinstance(source, ByteQueue)
        source.put(bytes(2 * window))
        laptop.far.session.touch(far)

        async def pump() -> None:
            while True:
                while output := laptop.far.session.take_output(10**6):
                    await laptop.far.say(b"".join(output))
                await laptop.far.listen()

        pumping = asyncio.ensure_future(pump())
        await laptop.clock.advance(10)
        assert source.size == window
        left = 2 * window
        while left:
            left -= len(await stream.read())
        assert source.size == 0
        pumping.cancel()
        with suppress(asyncio.CancelledError):
            await pumping
