"""Byte streams for tests: over a local socket or pipe, with a link that can be cut and an ear in between."""

import asyncio
import json
import struct
from collections.abc import Awaitable, Callable
from typing import Any

from remora.core.errors import Code, Unreachable
from remora.ports import ByteStream
from remora.wire.appserver.jsonrpc import Framing


def link_lost() -> Unreachable:
    """What every stream over a broken SSH connection raises."""
    return Unreachable(Code.CONNECTION_LOST, "The SSH connection broke.", next_step="Check the network.", host="devbox")


class PipeStream:
    """A :class:`remora.ports.ByteStream` over a pair of asyncio streams."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self, limit: int = 65536) -> bytes:
        try:
            return await self._reader.read(limit)
        except OSError:
            raise link_lost() from None

    async def write(self, data: bytes) -> None:
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError:
            raise link_lost() from None

    async def write_eof(self) -> None:
        self._writer.write_eof()

    async def close(self) -> None:
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except OSError:
            pass


class CuttableStream:
    """A stream over a link: once cut, everything on it fails as on a lost connection."""

    def __init__(self, inner: ByteStream) -> None:
        self._inner = inner
        self._lost = asyncio.Event()
        self.cut_after_write = False
        """Let the write that is under way leave, and break at once: the far side may or may not get it."""
        self.cut_at_next_read = False
        """Break when the far side says something again: it has got all that was written, and we learn nothing."""
        self.before_cut: Callable[[], Awaitable[None]] | None = None
        """What is waited for before that break."""

    def cut(self) -> None:
        """Break the link now."""
        self._lost.set()

    async def read(self, limit: int = 65536) -> bytes:
        data: bytes = await self._or_lost(self._inner.read(limit))
        if self.cut_at_next_read:
            if self.before_cut is not None:
                await self.before_cut()
            self.cut()
            raise link_lost()
        return data

    async def write(self, data: bytes) -> None:
        await self._or_lost(self._inner.write(data))
        if self.cut_after_write:
            self.cut()
            raise link_lost()

    async def write_eof(self) -> None:
        await self._inner.write_eof()

    async def close(self) -> None:
        await self._inner.close()

    async def _or_lost(self, work: Any) -> Any:
        task, lost = asyncio.ensure_future(work), asyncio.ensure_future(self._lost.wait())
        try:
            if self._lost.is_set():
                raise link_lost()
            await asyncio.wait({task, lost}, return_when=asyncio.FIRST_COMPLETED)
            if self._lost.is_set():
                raise link_lost()
            return task.result()
        finally:
            for each in (task, lost):
                each.cancel()
            await asyncio.gather(task, lost, return_exceptions=True)


class ListeningStream:
    """Hears every message that we send through it, before it leaves."""

    def __init__(self, inner: ByteStream, framing: Framing, hear: Callable[[Any], None]) -> None:
        self._inner = inner
        self._hear = hear
        self._cut = _frames if framing is Framing.WEBSOCKET else _lines
        self._rest = bytearray()
        self._parts = bytearray()
        self._upgraded = framing is not Framing.WEBSOCKET

    async def read(self, limit: int = 65536) -> bytes:
        return await self._inner.read(limit)

    async def write(self, data: bytes) -> None:
        self._rest += data
        if not self._upgraded:
            _, separator, rest = bytes(self._rest).partition(b"\r\n\r\n")
            self._upgraded = bool(separator)
            self._rest = bytearray(rest)
        for opcode, final, payload in self._cut(self._rest) if self._upgraded else []:
            if opcode <= 2:
                self._parts += payload
                if final:
                    message, self._parts = bytes(self._parts), bytearray()
                    self._hear(json.loads(message))
        await self._inner.write(data)

    async def write_eof(self) -> None:
        await self._inner.write_eof()

    async def close(self) -> None:
        await self._inner.close()


def _lines(buffer: bytearray) -> list[tuple[int, bool, bytes]]:
    *lines, rest = bytes(buffer).split(b"\n")
    buffer[:] = rest
    return [(1, True, line) for line in lines if line]


def _frames(buffer: bytearray) -> list[tuple[int, bool, bytes]]:
    found = []
    while len(buffer) >= 2:
        length, start = buffer[1] & 0x7F, 2
        if length >= 126:
            size = 2 if length == 126 else 8
            if len(buffer) < 2 + size:
                break
            (length,) = struct.unpack(">H" if size == 2 else ">Q", buffer[2 : 2 + size])
            start += size
        if len(buffer) < start + 4 + length:
            break
        mask = buffer[start : start + 4]
        payload = bytes(buffer[start + 4 : start + 4 + length])
        whole = int.from_bytes(payload, "big") ^ int.from_bytes((bytes(mask) * (length // 4 + 1))[:length], "big")
        found.append((buffer[0] & 0x0F, bool(buffer[0] & 0x80), whole.to_bytes(length, "big")))
        del buffer[: start + 4 + length]
    return found
