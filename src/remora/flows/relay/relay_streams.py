"""One stream of a relay session, as everybody else uses it: waited for, or carried without waiting."""

import asyncio
from collections.abc import Callable
from typing import Final

from remora.core.errors import Code, RemoraError, Unreachable
from remora.ports import Near
from remora.wire.relay.frame_session import FrameSession, Stream
from remora.wire.relay.relay_frames import ByteQueue

_OUTBOX: Final = 1024 * 1024
"""Bytes of one stream that wait here for the connection; then its writer waits."""


class StreamOutbox(ByteQueue):
    """What waits to be framed; tells the writer when there is room again."""

    def __init__(self) -> None:
        super().__init__()
        self.room = asyncio.Event()

    def take(self, limit: int) -> bytes:
        """See :class:`remora.wire.relay.frame_session.Source`."""
        data = super().take(limit)
        if self.size <= _OUTBOX // 2:
            self.room.set()
        return data


class RelayStream:
    """A :class:`remora.ports.ByteStream` that outlives connections: while there is none, it waits.

    `wake` is called when there may be something to send.
    """

    def __init__(self, session: FrameSession, stream: Stream, outbox: StreamOutbox, wake: Callable[[], None]) -> None:
        self._session = session
        self._stream = stream
        self._outbox = outbox
        self._wake = wake
        self._inbox = ByteQueue()
        self._news = asyncio.Event()
        self._end_written = False
        self._closed = False
        self._failure: RemoraError | None = None

    @property
    def target(self) -> str:
        """What it was opened to."""
        return self._stream.target

    async def read(self, limit: int = 65536) -> bytes:
        """See :class:`remora.ports.ByteStream`. What came before a break can still be read."""
        while not self._inbox.size:
            if self._closed:
                return b""
            if self._failure is not None:
                raise self._failure
            if self._stream.ended:
                return b""
            self._news.clear()
            await self._news.wait()
        data = self._inbox.take(limit)
        self._session.consume(self._stream, len(data))
        if self._stream.has_output():
            self._wake()
        return data

    async def write(self, data: bytes) -> None:
        """See :class:`remora.ports.ByteStream`."""
        with memoryview(data) as view:
            start = 0
            while start < len(data):
                self._require_open()
                room = _OUTBOX - self._outbox.size
                if room <= 0:
                    self._outbox.room.clear()
                    await self._outbox.room.wait()
                    continue
                whole = not start and len(data) <= room
                piece = data if whole else bytes(view[start : start + room])
                start += len(piece)
                self._outbox.put(piece)
                self._session.touch(self._stream)
                self._wake()

    async def write_eof(self) -> None:
        """See :class:`remora.ports.ByteStream`."""
        if self._failure is not None:
            raise self._failure
        if not self._end_written and not self._closed:
            self._end_written = True
            self._session.end(self._stream)
            self._wake()

    async def close(self) -> None:
        """See :class:`remora.ports.ByteStream`. What was written before still goes its way, if anything ever left."""
        if not self._closed:
            self._closed = True
            self._inbox.clear()
            self._session.close(self._stream)
            self._rouse()
            self._wake()

    def deliver(self, data: bytes) -> None:
        """Bytes came."""
        if not self._closed:
            self._inbox.put(data)
            self._news.set()

    def end(self) -> None:
        """The other side has sent its last byte."""
        self._news.set()

    def fail(self, error: RemoraError | None) -> None:
        """The stream is over; without an `error` it was closed in good order."""
        self._failure = self._failure or error or _closed_there()
        self._outbox.clear()
        self._rouse()

    def _rouse(self) -> None:
        self._news.set()
        self._outbox.room.set()

    def _require_open(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._closed or self._end_written:
            raise _closed_there()


class CarriedOutbox(ByteQueue):
    """What waits to be framed; calls `resume` when there is room again for a client that was held."""

    def __init__(self, resume: Callable[[], None]) -> None:
        super().__init__()
        self._resume = resume
        self.full = False

    def put(self, data: bytes) -> None:
        """See :class:`remora.wire.relay.relay_frames.ByteQueue`."""
        super().put(data)
        self.full = self.size >= _OUTBOX

    def take(self, limit: int) -> bytes:
        """See :class:`remora.wire.relay.frame_session.Source`."""
        data = super().take(limit)
        if self.full and self.size <= _OUTBOX // 2:
            self.full = False
            self._resume()
        return data


class CarriedStream:
    """A :class:`remora.ports.Far` that outlives connections: it holds its client while there is none.

    `served` is called when the first bytes have come, `left` once, at the end.
    """

    def __init__(
        self,
        session: FrameSession,
        stream: Stream,
        outbox: CarriedOutbox,
        near: Near,
        *,
        served: Callable[[], None],
        left: Callable[[], None],
    ) -> None:
        self._session = session
        self._stream = stream
        self._outbox = outbox
        self._near = near
        self._served: Callable[[], None] | None = served
        self._left = left

    @property
    def full(self) -> bool:
        """See :class:`remora.ports.Far`."""
        return self._outbox.full

    def take(self, data: bytes) -> None:
        """See :class:`remora.ports.Far`."""
        self._outbox.put(data)
        self._session.touch(self._stream)

    def take_end(self) -> None:
        """See :class:`remora.ports.Far`."""
        self._session.end(self._stream)

    def taken(self, count: int) -> None:
        """See :class:`remora.ports.Far`."""
        self._session.consume(self._stream, count)

    def close(self) -> None:
        """See :class:`remora.ports.Far`. What was taken before still goes its way, if anything ever left."""
        self._session.close(self._stream)
        self._left()

    def deliver(self, data: bytes) -> None:
        """Bytes came."""
        if self._served is not None:
            self._served()
            self._served = None
        self._near.take(data)

    def end(self) -> None:
        """The other side has sent its last byte."""
        self._near.take_end()

    def fail(self, error: RemoraError | None) -> None:
        """The stream is over; the client learns no reason, as from any port."""
        self._outbox.clear()
        self._near.cut()


def _closed_there() -> Unreachable:
    return Unreachable(
        Code.CONNECTION_LOST,
        "This connection to the host is closed; nothing more can be sent on it.",
        next_step="Connect again.",
    )
