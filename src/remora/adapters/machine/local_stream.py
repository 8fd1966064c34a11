"""One connection to a program on this machine."""

import asyncio
import socket
from typing import TYPE_CHECKING, Final

from remora.adapters.machine.inbox import Inbox
from remora.core.errors import Code, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable

_INBOX_HIGH: Final = 1024 * 1024
_INBOX_LOW: Final = 256 * 1024
_WRITE_PIECE: Final = 256 * 1024
_WRITE_HIGH: Final = 512 * 1024
_SEND_BUFFER: Final = 1024 * 1024
"""What the kernel may hold for a reader, as far as it allows: unix sockets begin with less than one of our writes."""
_LINGER: Final = 10.0
"""Seconds that a closed stream may take to hand over what was written before."""


class LocalStream(asyncio.Protocol):
    """One connection as a :class:`remora.ports.ByteStream`. `made` is called when it stands."""

    def __init__(self, made: "Callable[[LocalStream], None] | None" = None) -> None:
        self._made = made
        self._transport: asyncio.Transport
        self._inbox = Inbox()
        self._held = False
        self._eof_sent = False
        self._closed = False
        self._lost = False
        self._failure: Unreachable | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._linger: asyncio.TimerHandle | None = None

    @property
    def connected(self) -> socket.socket:
        """The socket itself, to ask it about its peer."""
        connected: socket.socket = self._transport.get_extra_info("socket")
        return connected

    async def read(self, limit: int = 65536) -> bytes:
        """See :class:`remora.ports.ByteStream`."""
        await self._inbox.wait()
        data = self._inbox.take(limit)
        if self._held and self._inbox.size <= _INBOX_LOW:
            self._held = False
            self._transport.resume_reading()
        if not data and self._failure is not None:
            raise self._failure
        return data

    async def write(self, data: bytes) -> None:
        """See :class:`remora.ports.ByteStream`."""
        for start in range(0, len(data), _WRITE_PIECE):
            self._require_open()
            self._transport.write(data if len(data) <= _WRITE_PIECE else data[start : start + _WRITE_PIECE])
            if not self._writable.is_set():
                await self._writable.wait()
        self._require_open()

    async def write_eof(self) -> None:
        """See :class:`remora.ports.ByteStream`."""
        if self._failure is not None:
            raise self._failure
        if not (self._eof_sent or self._closed or self._lost):
            self._eof_sent = True
            self._transport.write_eof()

    async def close(self) -> None:
        """See :class:`remora.ports.ByteStream`. What was written before still goes out while the peer takes it."""
        if self._closed:
            return
        self._closed = True
        self._inbox.end()
        self._writable.set()
        if not self._lost:
            self._transport.close()
            self._linger = asyncio.get_running_loop().call_later(_LINGER, self._transport.abort)

    def abort(self) -> None:
        """Close, and drop what was not sent."""
        self._closed = True
        self._inbox.end()
        self._writable.set()
        if not self._lost:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - the loop gives a stream's protocol nothing else
        self._transport = transport
        transport.set_write_buffer_limits(high=_WRITE_HIGH)
        if self.connected.family == socket.AF_UNIX:  # TCP finds its own size
            self.connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        if self._made is not None:
            self._made(self)

    def data_received(self, data: bytes) -> None:
        """Keep what came; beyond the high mark it waits at the peer."""
        if self._closed:
            return
        self._inbox.put(data)
        if not self._held and self._inbox.size > _INBOX_HIGH:
            self._held = True
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """The peer has ended its side; ours stays open."""
        self._inbox.end()
        return True

    def pause_writing(self) -> None:
        """The peer takes no more for now."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The peer takes more."""
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._lost = True
        if self._linger is not None:
            self._linger.cancel()
        if not self._closed and exc is not None:
            self._failure = _lost(str(exc))
        self._inbox.end()
        self._writable.set()

    def _require_open(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._closed or self._lost or self._eof_sent:
            raise _lost("")


def _lost(reason: str) -> Unreachable:
    return Unreachable(
        Code.CONNECTION_LOST,
        "The program at the other end of a local socket closed it.",
        next_step="Start that program again.",
        seen=reason,
    )
