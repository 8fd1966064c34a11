"""The laptop's side of the relay, on a clock of its own and in memory: what it waits for, and what it tells."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from itertools import count

import pytest
from tests.support.loop import run

from remora.core.errors import Code, RemoraError, Unreachable
from remora.core.settings import DEFAULT_LIMITS
from remora.flows.relay import RelaySession
from remora.flows.relay_attachment import Attachment
from remora.testing.manual_clock import ManualClock
from remora.testing.memory_streams import MemoryStream, memory_stream_pair
from remora.wire import relay_frames as frames
from remora.wire.relay_frames import ByteQueue, Frame, FrameReader
from remora.wire.relay_session import ACK_DELAY, Session, Stream


class FarSide:
    """The relay's place, taken by the test."""

    def __init__(self) -> None:
        self.session = Session(DEFAULT_LIMITS.relay_window, ByteQueue)
        self.opened: list[Stream] = []
        self.heard: list[Frame] = []
        self.stream: MemoryStream
        self._reader: FrameReader

    def connection(self) -> MemoryStream:
        """A new connection; the end for the laptop."""
        near, self.stream = memory_stream_pair()
        self._reader = FrameReader()
        return near

    async def welcome(self, *, resumed: bool = False, incarnation: str = "first", received: int | None = None) -> None:
        """Wait for the hello, and answer it."""
        [hello] = await self.listen()
        assert hello.kind == frames.HELLO
        table = frames.read_table(hello)
        if not resumed:
            self.session = Session(DEFAULT_LIMITS.relay_window, ByteQueue)
            self.session.attach(0)
        else:
            assert table["incarnation"] == incarnation
            self.session.attach(table["received"])
        answer = {
            "incarnation": incarnation,
            "resumed": resumed,
            "received": self.session.received if received is None else received,
        }
        await self.say(frames.encode_table(frames.WELCOME, answer))

    async def listen(self) -> list[Frame]:
        """The frames that come next."""
        came = self._reader.feed(await self.stream.read(10**7))
        for frame in came:
            if frame.kind >= frames.OPEN or frame.kind == frames.ACK:
                event = self.session.receive(frame)
                if event is not None and event[0] == frames.OPEN:
                    self.opened.append(event[1])
        self.heard += came
        return came

    async def say(self, data: bytes) -> None:
        await self.stream.write(data)

    async def send(self, stream: Stream, data: bytes) -> None:
        """Bytes of a stream."""
        source = stream.source
        assert isinstance(source, ByteQueue)
        source.put(data)
        self.session.touch(stream)
        await self.flush()

    async def flush(self) -> None:
        await self.say(b"".join(self.session.take_output(10**7)))


class Laptop:
    """A session on a manual clock, and the far side that the test plays."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.far = FarSide()
        numbers = count(1)
        self.session = RelaySession(clock=self.clock, limits=DEFAULT_LIMITS, nonce=lambda: f"{next(numbers):032x}")

    @asynccontextmanager
    async def attached(self, *, resumed: bool = False, incarnation: str = "first") -> AsyncIterator[Attachment]:
        connection = self.far.connection()
        answering = asyncio.ensure_future(self.far.welcome(resumed=resumed, incarnation=incarnation))
        async with self.session.attach(connection) as attachment:
            await answering
            yield attachment


def test_the_token_is_not_the_name_and_no_secret_is_shown() -> None:
    async def go() -> None:
        laptop = Laptop()
        async with laptop.attached() as attachment:
            table = frames.read_table(laptop.far.heard[0])
            assert table["token"] not in {table["session"], ""}
            assert table["token"] not in repr(vars(laptop.session)) + repr(attachment)

    run(go())


def test_a_relay_that_does_not_answer_is_given_up_in_time() -> None:
    async def go() -> None:
        laptop = Laptop()

        async def attach() -> None:
            async with laptop.session.attach(laptop.far.connection()):
                pass

        attaching = asyncio.ensure_future(attach())
        await laptop.clock.advance(DEFAULT_LIMITS.handshake + 0.1)
        with pytest.raises(RemoraError, match="did not answer") as failed:
            await attaching
        assert failed.value.code is Code.TIME_LIMIT

    run(go())


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        (b"Segmentation fault\n" * 3, "no relay"),
        (frames.encode(frames.REFUSED, b"protocol 7"), "refused this session"),
        (frames.encode(frames.PONG), "does not fit"),
        (frames.encode_table(frames.WELCOME, {"resumed": True}), "does not fit"),
        (frames.encode_table(frames.WELCOME, {"resumed": True, "incarnation": "a", "received": 9}), "does not fit"),
        (frames.encode_table(frames.WELCOME, {"resumed": True, "incarnation": "a", "received": 0}), "does not fit"),
        (b"", "let go"),
    ],
)
def test_a_strange_answer_is_an_error_with_what_was_said(said: bytes, seen: str) -> None:
    async def go() -> None:
        laptop = Laptop()
        connection = laptop.far.connection()
        if said:
            await laptop.far.say(said)
        else:
            await laptop.far.stream.write_eof()
        with pytest.raises(RemoraError, match=seen) as failed:
            async with laptop.session.attach(connection):
                pass
        assert failed.value.code is Code.RELAY_FAILED
        async with laptop.attached() as attachment:
            assert attachment is not None

    run(go())


def test_what_is_owed_is_known_since_when_and_an_idle_line_owes_nothing() -> None:
    async def go() -> None:
        laptop = Laptop()
        async with laptop.attached() as attachment:
            seen: list[float | None] = []
            await laptop.clock.advance(100)
            seen.append(attachment.quiet_since)
            stream = laptop.session.open("server")
            await stream.write(b"question")
            await laptop.clock.settle()
            seen.append(attachment.quiet_since)
            await laptop.far.listen()
            await laptop.clock.advance(5)
            seen.append(attachment.quiet_since)
            laptop.far.session.acknowledge()
            await laptop.far.flush()
            await laptop.clock.settle()
            assert [*seen, attachment.quiet_since] == [None, 100, 100, None]
            await laptop.clock.advance(1000)
            assert laptop.far.stream._incoming._data == b""

    run(go())


def test_an_answer_is_acknowledged_a_moment_later_once() -> None:
    async def go() -> None:
        laptop = Laptop()
        async with laptop.attached():
            stream = laptop.session.open("server")
            await laptop.clock.settle()
            await laptop.far.listen()
            for _ in range(3):
                await laptop.far.send(laptop.far.opened[0], b"word")
            await laptop.clock.settle()
            assert [await stream.read(4) for _ in range(3)] == [b"word"] * 3
            await laptop.clock.advance(ACK_DELAY)
            assert [frame.kind for frame in await laptop.far.listen()] == [frames.ACK]
            assert not laptop.far.session.awaits_ack

    run(go())


def test_ping_is_true_for_an_answer_and_false_after_the_limit_and_at_a_break() -> None:
    async def go() -> None:
        laptop = Laptop()
        async with laptop.attached() as attachment:
            asking = asyncio.ensure_future(attachment.ping(5))
            await laptop.clock.settle()
            [ping] = await laptop.far.listen()
            await laptop.far.say(frames.encode(frames.PONG, ping.payload))
            assert await asking
            seen = [attachment.quiet_since]
            asking = asyncio.ensure_future(attachment.ping(5))
            await laptop.clock.advance(5)
            assert not await asking
            assert [*seen, attachment.quiet_since] == [None, 0]
            asking = asyncio.ensure_future(attachment.ping(5))
            await laptop.clock.settle()
            laptop.far.stream.fail(_lost())
            assert not await asking
            assert (await attachment.wait_lost()).code is Code.CONNECTION_LOST

    run(go())


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (frames.encode(frames.LEAVING), Code.HOST_LEFT),
        (frames.encode(frames.BYE, b"taken over"), Code.RELAY_FAILED),
        (b"\xff" * 100, Code.RELAY_FAILED),
        (frames.encode(frames.DATA, b"x", stream=1, number=7), Code.RELAY_FAILED),
        (frames.encode(frames.HELLO), Code.RELAY_FAILED),
    ],
)
def test_why_it_ended_is_told(frame: bytes, code: Code) -> None:
    async def go() -> None:
        laptop = Laptop()
        async with laptop.attached() as attachment:
            await laptop.far.say(frame)
            assert (await attachment.wait_lost()).code is code

    run(go())


def test_a_host_that_asks_and_never_listens_fills_no_memory() -> None:
    async def go() -> None:
        laptop = Laptop()
        async with laptop.attached() as attachment:
            for _ in range(400):
                await laptop.far.say(frames.encode(frames.PING, b"x" * 60_000))
            laptop.session.open("server")
            came: list[Frame] = []
            while not any(frame.kind == frames.OPEN for frame in came):
                came += await laptop.far.listen()
            answers = sum(frame.kind == frames.PONG for frame in came)
            assert 0 < answers < 200
            assert not attachment.lost

    run(go())


def test_after_nonsense_the_streams_break_and_the_next_connection_begins_anew() -> None:
    async def go() -> None:
        laptop = Laptop()
        stream = laptop.session.open("server")
        async with laptop.attached() as attachment:
            await laptop.clock.settle()
            await laptop.far.say(frames.encode(frames.DATA, b"x", stream=1, number=7))
            await attachment.wait_lost()
        with pytest.raises(RemoraError, match="could not be put together"):
            await stream.read()
        async with laptop.attached(incarnation="second") as attachment:
            assert not attachment.resumed
            hello = [frame for frame in laptop.far.heard if frame.kind == frames.HELLO][-1]
            assert frames.read_table(hello)["incarnation"] == ""

    run(go())


def test_what_came_before_a_break_can_still_be_read() -> None:
    async def go() -> None:
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

    run(go())


def test_a_writer_waits_while_nobody_is_connected_and_goes_on_then() -> None:
    async def go() -> None:
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

    run(go())


def test_leaving_says_goodbye_and_ends_every_stream() -> None:
    async def go() -> None:
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

    run(go())


def test_leaving_while_a_connection_is_greeted_ends_the_session_there_too() -> None:
    async def go() -> None:
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

    run(go())


def test_leaving_a_host_that_is_silent_takes_no_longer_than_its_limit() -> None:
    async def go() -> None:
        laptop = Laptop()
        async with laptop.attached():
            leaving = asyncio.ensure_future(laptop.session.leave())
            await laptop.clock.advance(DEFAULT_LIMITS.stop)
            await leaving

    run(go())


def test_many_short_streams_leave_nothing_behind() -> None:
    async def go() -> None:
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

    run(go())


def test_a_reader_that_is_slow_stops_the_far_side_at_the_window() -> None:
    async def go() -> None:
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

    run(go())


def test_limits_travel_with_the_hello() -> None:
    async def go() -> None:
        far = FarSide()
        limits = replace(DEFAULT_LIMITS, relay_disk=7, lease=8.0)
        session = RelaySession(clock=ManualClock(), limits=limits, nonce=lambda: "ab" * 16)
        connection = far.connection()
        answering = asyncio.ensure_future(far.welcome())
        async with session.attach(connection):
            await answering
        table = frames.read_table(far.heard[0])
        assert (table["disk"], table["lease"], table["protocol"]) == (7, 8.0, frames.PROTOCOL)

    run(go())


def _lost() -> Unreachable:
    return Unreachable(Code.CONNECTION_LOST, "The SSH connection broke.", next_step="Check the network.")
