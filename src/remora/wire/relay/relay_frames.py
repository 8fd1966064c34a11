"""Frames between a laptop and the relay on a host: byte streams that survive the connection they travel on.

This very text also runs on the host: Python 3.8, standard library only, nothing of ours. A frame is a header (kind,
stream, number, length of the payload) and the payload. What they mean together: :mod:`remora.wire.relay.frame_session`.
"""

from __future__ import annotations

import json
import struct
import sys
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PROTOCOL = 1
LARGEST_DATA = 256 * 1024
"""Bytes of one DATA frame."""
LARGEST_CONTROL = 64 * 1024
"""Bytes of any other frame."""

# Frames that belong to one connection.
HELLO, WELCOME, REFUSED, ACK, PING, PONG, BYE, LEAVING = range(1, 9)
# Frames of streams: numbered from 1, kept until acknowledged, sent again on the next connection.
OPEN, DATA, EOF, CREDIT, CLOSE = range(16, 21)

# Why a stream was closed.
CLOSED = "closed"
CLOSE_REFUSED = "refused"
CLOSE_FOREIGN = "foreign"
CLOSE_LOST = "lost"
CLOSE_OVERFLOW = "overflow"
CLOSE_UNKNOWN = "unknown"

HEADER = struct.Struct(">BIQI")
STREAM_KINDS = frozenset(range(OPEN, CLOSE + 1))
_MOST = {
    kind: LARGEST_DATA if kind == DATA else LARGEST_CONTROL for kind in (*range(HELLO, LEAVING + 1), *STREAM_KINDS)
}
"""Bytes that a frame of each kind may carry."""
_MERGED = 64 * 1024


class ProtocolBreak(Exception):
    """What came cannot be part of this session; nothing after it can be trusted."""


class Frame:
    """One frame as it was read."""

    __slots__ = ("kind", "number", "payload", "stream")

    def __init__(self, kind: int, stream: int, number: int, payload: bytes) -> None:
        self.kind = kind
        self.stream = stream
        self.number = number
        self.payload = payload


def encode(kind: int, payload: bytes = b"", *, stream: int = 0, number: int = 0) -> bytes:
    """One frame as bytes."""
    return HEADER.pack(kind, stream, number, len(payload)) + payload


def encode_table(kind: int, table: dict[str, Any]) -> bytes:
    """A frame whose payload is a JSON object."""
    return encode(kind, json.dumps(table).encode())


def read_table(frame: Frame) -> dict[str, Any]:
    """The JSON object that a frame carries."""
    try:
        table = json.loads(frame.payload.decode())
    except (ValueError, RecursionError) as error:
        raise ProtocolBreak("a frame carries no readable table") from error
    if not isinstance(table, dict):
        raise ProtocolBreak("a frame carries no table")
    return table


class FrameReader:
    """Cuts bytes, in pieces of any size, into frames."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes | memoryview, most: int = sys.maxsize) -> list[Frame]:
        """The frames that are complete now, at most so many; the others come when it is fed again, be it nothing.

        Raises :class:`ProtocolBreak` as soon as a header makes no sense.
        """
        rest = self._rest
        if rest:
            rest += data
            with memoryview(rest) as view:
                frames, start = _cut(view, most)
            del rest[:start]
        else:
            with memoryview(data) as view:
                frames, start = _cut(view, most)
                rest += view[start:]
        return frames

    def take_rest(self) -> bytes:
        """Remove and give the bytes that have not become frames."""
        rest = bytes(self._rest)
        self._rest.clear()
        return rest


def _cut(view: memoryview, most: int) -> tuple[list[Frame], int]:
    """The frames that lie in `view` from its begin, at most so many, and where the last of them ends."""
    frames: list[Frame] = []
    start, end, size = 0, len(view), HEADER.size
    while end - start >= size and len(frames) < most:
        kind, stream, number, length = HEADER.unpack_from(view, start)
        if length > _MOST.get(kind, -1):
            raise ProtocolBreak(
                "a frame is too large" if kind in _MOST else "the received data is not a frame",
            )
        inside = start + size
        stop = inside + length
        if stop > end:
            break
        frames.append(Frame(kind, stream, number, bytes(view[inside:stop])))
        start = stop
    return frames, start


class ByteQueue:
    """Bytes in memory, first in, first out. Small pieces are merged, so that they cost little beyond their length."""

    def __init__(self) -> None:
        self.size = 0
        self._pieces: deque[Any] = deque()

    def put(self, data: bytes) -> None:
        """Add `data` at the end; a large piece is kept as it is, not copied."""
        self.size += len(data)
        pieces = self._pieces
        if len(data) < _MERGED and pieces:
            if isinstance(pieces[-1], bytearray) and len(pieces[-1]) < _MERGED:
                pieces[-1] += data
                return
            pieces.append(bytearray(data))
        else:
            pieces.append(data)

    def take(self, limit: int) -> bytes:
        """Remove and give the oldest bytes, at most `limit`."""
        pieces = self._pieces
        if not pieces:
            return b""
        piece = pieces[0]
        if len(piece) <= limit:
            pieces.popleft()
            taken = piece if isinstance(piece, bytes) else bytes(piece)
        elif isinstance(piece, bytearray):
            taken = bytes(piece[:limit])
            del piece[:limit]
        else:
            taken = bytes(piece[:limit])
            pieces[0] = memoryview(piece)[limit:]
        self.size -= len(taken)
        return taken

    def clear(self) -> None:
        """Forget everything."""
        self._pieces.clear()
        self.size = 0
