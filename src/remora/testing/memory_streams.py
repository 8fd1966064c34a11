"""Byte streams in memory: bounded queues with half-close and back-pressure."""

import asyncio
from typing import Final

from remora.core.errors import Code, RemoraError, Unreachable

PIPE_CAPACITY: Final = 256 * 1024
"""What one direction of a stream holds before its writer waits."""


class Pipe:
    """One direction of bytes, bounded."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._ended = False
        self._error: RemoraError | None = None
        self._changed = asyncio.Event()

    async def read(self, limit: int) -> bytes:
        while not self._data and not self._ended and self._error is None:
            await self._wait()
        if not self._data:
            self._raise_error()
        data = bytes(self._data[:limit])
        del self._data[:limit]
        self._wake()
        return data

    async def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            room = PIPE_CAPACITY - len(self._data)
            self._raise_error()
            if self._ended:
                raise Unreachable(
                    Code.CONNECTION_LOST,
                    "The other side has closed this channel; nothing more can be sent to it.",
                    next_step="Start the remote command again.",
                )
            self._data += view[:room]
            view = view[room:]
            self._wake()
            if view:
                await self._wait()

    def end(self) -> None:
        self._ended = True
        self._wake()

    def discard(self) -> None:
        self._data.clear()
        self.end()

    def fail(self, error: RemoraError) -> None:
        self._error = error
        self._wake()

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _wait(self) -> None:
        await self._changed.wait()


class MemoryStream:
    """One end of a stream pair, as a :class:`remora.ports.ByteStream`."""

    def __init__(self, incoming: Pipe, outgoing: Pipe) -> None:
        self._incoming = incoming
        self._outgoing = outgoing

    async def read(self, limit: int = 65536) -> bytes:
        """See :class:`remora.ports.ByteStream`."""
        return await self._incoming.read(limit)

    async def write(self, data: bytes) -> None:
        """See :class:`remora.ports.ByteStream`."""
        await self._outgoing.write(data)

    async def write_eof(self) -> None:
        """See :class:`remora.ports.ByteStream`."""
        self._outgoing.end()

    async def close(self) -> None:
        """See :class:`remora.ports.ByteStream`."""
        self._incoming.discard()
        self._outgoing.end()

    def fail(self, error: RemoraError) -> None:
        """Break the stream: every wait on it raises `error`."""
        self._incoming.fail(error)
        self._outgoing.fail(error)


def memory_stream_pair() -> tuple[MemoryStream, MemoryStream]:
    """Two ends of one stream: what is written to one is read from the other."""
    there, back = Pipe(), Pipe()
    return MemoryStream(back, there), MemoryStream(there, back)
