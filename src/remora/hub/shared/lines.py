"""Lines of JSON over a byte stream."""

from collections.abc import Callable
from typing import Generic, TypeVar

from remora.ports import ByteStream
from remora.wire.hub.control import FromCaller, FromHub, Unreadable, encode

T = TypeVar("T")


class LineStream(Generic[T]):
    """One side of a conversation: reads messages of type `T`, each no longer than `limit` bytes."""

    def __init__(self, stream: ByteStream, read: Callable[[bytes], T], *, limit: int) -> None:
        self._stream = stream
        self._read = read
        self._limit = limit
        self._kept = bytearray()

    async def receive(self) -> T | None:
        """The next message; `None` when the other side has ended. Raises :class:`Unreadable`."""
        searched = 0
        while (end := self._kept.find(b"\n", searched)) < 0:
            searched = len(self._kept)
            if searched > self._limit:
                raise Unreadable(f"a line is longer than {self._limit} bytes")
            piece = await self._stream.read()
            if not piece:
                return None
            self._kept += piece
        line = bytes(self._kept[:end])
        del self._kept[: end + 1]
        return self._read(line)

    async def send(self, *messages: FromCaller | FromHub) -> None:
        """Send messages in one piece."""
        await self._stream.write(b"".join(map(encode, messages)))

    async def close(self) -> None:
        """Let go of the stream. Idempotent."""
        await self._stream.close()
