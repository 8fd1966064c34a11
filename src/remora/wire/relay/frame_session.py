"""A session of frames: streams that go on where they stopped, over one connection after another.

This very text also runs on the host, like :mod:`remora.wire.relay.relay_frames`. It does no I/O and knows no time.
Each side has a :class:`FrameSession`; a connection carries its frames until it is lost, and the next one goes on where
both sides agree that it stopped. What cannot be continued raises :class:`ProtocolBreak`: never a wrong byte.
"""

from __future__ import annotations

import json
import struct
from collections import deque
from functools import lru_cache

from remora.wire.relay.relay_frames import (
    ACK,
    CLOSE,
    CLOSED,
    CREDIT,
    DATA,
    EOF,
    HEADER,
    LARGEST_DATA,
    OPEN,
    STREAM_KINDS,
    Frame,
    ProtocolBreak,
    encode,
    read_table,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Source(Protocol):
        """Bytes that wait to be sent on one stream."""

        size: int

        def take(self, limit: int) -> bytes:
            """The oldest bytes, at most `limit`, at least one while `size` is not 0."""
            ...


ACK_DELAY = 0.5
"""Seconds after which what was received is acknowledged although little has come."""
_AMOUNT = struct.Struct(">Q")
_ACK_BYTES = 256 * 1024
_ACK_FRAMES = 64
_MOST_UNACKNOWLEDGED = 4096
"""Numbered frames on their way; more bytes then wait unframed, where tiny pieces cost no more than their length."""
_MOST_UNACKNOWLEDGED_BYTES = 64 * 1024 * 1024
"""The same in bytes: whoever acknowledges nothing fills no memory."""


class Stream:
    """One stream as one side sees it: two directions, each with its own end and its own credit of bytes."""

    __slots__ = (
        "_allowed",
        "_closing",
        "_end_sent",
        "_ending",
        "_granted",
        "_opening",
        "_owed",
        "_window",
        "ended",
        "number",
        "over",
        "repeatable",
        "source",
        "target",
        "transient",
    )

    def __init__(
        self, number: int, target: str, transient: bool, *, source: Source, window: int, opening: bool
    ) -> None:
        self.number = number
        self.target = target
        self.transient = transient
        """Whether it is of no use to anybody once its laptop is gone."""
        self.source = source
        """What waits to be sent; after adding to it, call :meth:`Session.touch`."""
        self.ended = False
        """The other side has sent its last byte."""
        self.over = False
        """Nothing more will come or go."""
        self.repeatable = False
        """Whether its bytes can be got again in another way; set by whoever opens what it leads to."""
        self._window = window
        self._allowed = window
        self._granted = window
        self._owed = 0
        self._opening = opening
        self._ending = False
        self._end_sent = False
        self._closing: bytes | None = None

    def has_output(self) -> bool:
        """Whether a frame of this stream may leave now."""
        if self.over:
            return False
        if self.source.size and self._allowed > 0 and not self._end_sent:
            return True
        if self._opening or self._owes_credit():
            return True
        if self.source.size and not self._end_sent:
            return False
        return self._closing is not None or (self._ending and not self._end_sent)

    def _owes_credit(self) -> bool:
        return self._owed * 4 >= self._window and self._closing is None and not self.ended

    def _next_frame(self) -> tuple[int, bytes]:
        if self._opening:
            self._opening = False
            return OPEN, _opening(self.target, self.transient)
        if self._owes_credit():
            amount, self._owed = self._owed, 0
            self._granted += amount
            return CREDIT, _AMOUNT.pack(amount)
        if self.source.size and not self._end_sent:
            data = self.source.take(min(self._allowed, LARGEST_DATA))
            self._allowed -= len(data)
            return DATA, data
        if self._closing is not None:
            self.over = True
            return CLOSE, self._closing
        self._end_sent = True
        self.over = self.ended
        return EOF, b""


@lru_cache(maxsize=64)
def _opening(target: str, transient: bool) -> bytes:
    return json.dumps({"target": target, "transient": transient}).encode()


class FrameSession:
    """One side of a session, across its connections. `window` is what one stream may have on its way unread.

    The side that opens streams calls :meth:`open`; the other side gives `make_source`, from which each stream that is
    opened to it takes its source.
    """

    def __init__(self, window: int, make_source: Callable[[], Source] | None = None) -> None:
        self.streams: dict[int, Stream] = {}
        self.received = 0
        """The number of the last frame that came, without a gap."""
        self._window = window
        self._make_source = make_source
        self._highest_stream = 0
        self._sent = 0
        self._acknowledged = 0
        self._last_bytes = 0
        self._kept: deque[tuple[int, bytes, bytes]] = deque()
        self._kept_size = 0
        self._again: deque[tuple[int, bytes, bytes]] = deque()
        self._ready: dict[int, None] = {}
        self._gone: list[Stream] = []
        self._new_frames = 0
        self._new_bytes = 0
        self._ack_now = False

    @property
    def owes_ack(self) -> bool:
        """Whether something came that the other side does not know to have arrived."""
        return self._new_frames > 0

    @property
    def awaits_ack(self) -> bool:
        """Whether something was sent of which nobody knows yet that it arrived."""
        return self._acknowledged < self._sent

    @property
    def awaits_bytes(self) -> bool:
        """Whether bytes that nobody can get again are among what was sent and may not have arrived."""
        return self._acknowledged < self._last_bytes

    @property
    def has_output(self) -> bool:
        """Whether :meth:`take_output` has something to give."""
        return self._ack_now or bool(self._again) or (bool(self._ready) and self._may_send())

    def take_gone(self) -> list[Stream]:
        """The streams that are over since this was asked last."""
        gone, self._gone = self._gone, []
        return gone

    def open(self, target: str, source: Source, *, transient: bool = False) -> Stream:
        """A new stream to `target`; it leaves with the next output."""
        self._highest_stream += 1
        number = self._highest_stream
        stream = Stream(number, target, transient, source=source, window=self._window, opening=True)
        self.streams[number] = stream
        self._ready[number] = None
        return stream

    def touch(self, stream: Stream) -> None:
        """Something was added to the stream's source."""
        if stream.number not in self._ready and stream.has_output():
            self._ready[stream.number] = None

    def end(self, stream: Stream) -> None:
        """No more bytes will be added; the other direction goes on."""
        stream._ending = True  # noqa: SLF001 - a stream and its session are one thing in two classes
        self.touch(stream)

    def close(self, stream: Stream, code: str = CLOSED, words: str = "") -> None:
        """Close both directions; what waits in the source is sent before."""
        if stream.over:
            return
        if stream._opening:  # noqa: SLF001
            stream.over = True
            self._forget(stream)
            return
        stream._closing = f"{code} {words}"[:1000].encode("utf-8", "replace")  # noqa: SLF001
        self.touch(stream)

    def consume(self, stream: Stream, count: int) -> None:
        """`count` received bytes were taken by whom they are for: as many more may come."""
        stream._owed += count  # noqa: SLF001
        self.touch(stream)

    def attach(self, received: int) -> None:
        """A new connection; the other side says that it has `received` frames. Raises :class:`ProtocolBreak`."""
        self._acknowledge_to(received)
        self._again = deque(self._kept)
        self._new_frames = self._new_bytes = 0
        self._ack_now = False

    def restart(self) -> list[Stream]:
        """The other side has lost this session: begin anew. Gives the streams that ended with it.

        A stream of which nothing has ever left belongs to the new one, with all that waits in its source.
        """
        broken = [stream for stream in self.streams.values() if not stream._opening]  # noqa: SLF001
        for stream in broken:
            stream.over = True
            self._forget(stream)
        self.received = self._sent = self._acknowledged = self._last_bytes = 0
        self._kept.clear()
        self._kept_size = 0
        self._again.clear()
        self._new_frames = self._new_bytes = 0
        self._ack_now = False
        return broken

    def acknowledge(self) -> None:
        """Let the next output tell what has arrived, however little."""
        self._ack_now = self.owes_ack

    def take_output(self, limit: int) -> list[bytes]:
        """What to write now, about `limit` bytes: an acknowledgement, what has to go again, then one frame of each
        stream in turn."""
        output: list[bytes] = []
        size = 0
        if self._ack_now:
            self._ack_now = False
            self._new_frames = self._new_bytes = 0
            output.append(encode(ACK, number=self.received))
        while size < limit:
            if self._again:
                _, header, payload = self._again.popleft()
            elif self._ready and self._may_send():
                framed = self._next_frame()
                if framed is None:
                    continue
                header, payload = framed
            else:
                break
            output.append(header)
            if payload:
                output.append(payload)
            size += len(header) + len(payload)
        return output

    def receive(self, frame: Frame) -> tuple[int, Stream, bytes] | None:
        """Take an ACK or a numbered frame; gives what it brings: its kind, its stream, and bytes.

        Raises :class:`ProtocolBreak` for a gap, and for what the other side may not send.
        """
        if frame.kind == ACK:
            self._acknowledge_to(frame.number)
            return None
        if frame.kind not in STREAM_KINDS:
            raise ProtocolBreak("a frame arrived in the wrong state")
        if frame.number <= self.received:
            return None
        if frame.number != self.received + 1:
            raise ProtocolBreak("frames are missing")
        self.received = frame.number
        self._new_frames += 1
        self._new_bytes += len(frame.payload)
        if self._new_frames >= _ACK_FRAMES or self._new_bytes >= _ACK_BYTES:
            self._ack_now = True
        if frame.kind == OPEN:
            return self._opened(frame)
        stream = self.streams.get(frame.stream)
        if stream is not None:
            return self._bring(stream, frame)
        if not 0 < frame.stream <= self._highest_stream:
            raise ProtocolBreak("a frame belongs to a stream that was never opened")
        return None  # we have closed it; the other side did not know yet

    def _opened(self, frame: Frame) -> tuple[int, Stream, bytes]:
        if self._make_source is None or frame.stream <= self._highest_stream:
            raise ProtocolBreak("a stream was opened with an invalid number")
        table = read_table(frame)
        target = str(table.get("target", ""))
        self._highest_stream = frame.stream
        stream = Stream(
            frame.stream,
            target,
            table.get("transient") is True,
            source=self._make_source(),
            window=self._window,
            opening=False,
        )
        self.streams[frame.stream] = stream
        return OPEN, stream, b""

    def _bring(self, stream: Stream, frame: Frame) -> tuple[int, Stream, bytes] | None:
        if frame.kind == CREDIT:
            if len(frame.payload) != _AMOUNT.size:
                raise ProtocolBreak("a credit has no amount")
            stream._allowed += _AMOUNT.unpack(frame.payload)[0]  # noqa: SLF001
            if stream._allowed > self._window:  # noqa: SLF001
                raise ProtocolBreak("a credit exceeds the negotiated window")
            self.touch(stream)
            return None
        if frame.kind == CLOSE:
            stream.over = True
            self._forget(stream)
            return CLOSE, stream, frame.payload
        if stream.ended:
            raise ProtocolBreak("data arrived after the end of a stream")
        if frame.kind == EOF:
            stream.ended = True
            if stream._end_sent:  # noqa: SLF001
                stream.over = True
                self._forget(stream)
            return EOF, stream, b""
        stream._granted -= len(frame.payload)  # noqa: SLF001
        if stream._granted < 0:  # noqa: SLF001
            raise ProtocolBreak("more data arrived than was allowed")
        return DATA, stream, frame.payload

    def _next_frame(self) -> tuple[bytes, bytes] | None:
        """A frame of the stream whose turn it is; `None` when what it had to say is of no use any more."""
        number = next(iter(self._ready))
        del self._ready[number]
        stream = self.streams[number]
        if not stream.has_output():
            return None
        kind, payload = stream._next_frame()  # noqa: SLF001
        if stream.over:
            self._forget(stream)
        elif stream.has_output():
            self._ready[number] = None
        self._sent += 1
        if kind == DATA and not stream.repeatable:
            self._last_bytes = self._sent
        header = HEADER.pack(kind, number, self._sent, len(payload))
        self._kept.append((self._sent, header, payload))
        self._kept_size += len(payload)
        return header, payload

    def _may_send(self) -> bool:
        return len(self._kept) < _MOST_UNACKNOWLEDGED and self._kept_size < _MOST_UNACKNOWLEDGED_BYTES

    def _acknowledge_to(self, number: int) -> None:
        if number > self._sent:
            raise ProtocolBreak("frames were acknowledged that were never sent")
        kept = self._kept
        while kept and kept[0][0] <= number:
            self._kept_size -= len(kept.popleft()[2])
        self._acknowledged = max(self._acknowledged, number)

    def _forget(self, stream: Stream) -> None:
        if self.streams.pop(stream.number, None) is not None:
            self._ready.pop(stream.number, None)
            self._gone.append(stream)
