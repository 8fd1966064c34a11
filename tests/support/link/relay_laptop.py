"""The laptop's side of the relay on a clock of its own; the far side is played by the test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

from remora.core.errors import Code, Unreachable
from remora.core.settings import DEFAULT_LIMITS
from remora.flows.relay.relay import RelaySession
from remora.flows.relay.relay_attachment import Attachment
from remora.testing.manual_clock import ManualClock
from remora.testing.memory_streams import MemoryStream, memory_stream_pair
from remora.wire.relay import relay_frames as frames
from remora.wire.relay.frame_session import FrameSession, Stream
from remora.wire.relay.relay_frames import ByteQueue, Frame, FrameReader


class FarSide:
    """The relay's place, taken by the test."""

    def __init__(self) -> None:
        self.session = FrameSession(DEFAULT_LIMITS.relay_window, ByteQueue)
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
            self.session = FrameSession(DEFAULT_LIMITS.relay_window, ByteQueue)
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


def lost() -> Unreachable:
    return Unreachable(Code.CONNECTION_LOST, "The SSH connection broke.", next_step="Check the network.")
