"""Whole messages over a byte stream, in either framing."""

from collections.abc import Sequence
from typing import Protocol

from remora.core.errors import Code, ProtocolProblem, RemoraError
from remora.core.settings import Limits
from remora.core.text import SEEN_LIMIT
from remora.core.text import decode as text_of
from remora.flows.kit.portions import Portions
from remora.flows.kit.timeout import within_or_none
from remora.ports import ByteStream, Clock
from remora.wire.appserver.jsonrpc import Framing, Lines, TooLarge
from remora.wire.socket.websocket import ClientSocket

_CLOSING_SECONDS = 1.0
_MOST_PENDING = 64 * 1024


class MessageTransport(Protocol):
    """Messages in order, both ways. One task sends, another receives."""

    @property
    def has_pending(self) -> bool:
        """Something of the framing's own (an answer to a ping) waits for :meth:`flush`."""
        ...

    async def open(self) -> None: ...

    async def send(self, message: bytes) -> None: ...

    async def flush(self) -> None: ...

    async def receive(self) -> Sequence[bytes | TooLarge]:
        """Wait for bytes; give the messages they complete. Raises ``server-gone`` at the end of the data."""
        ...

    async def close(self, clock: Clock) -> None: ...


def open_transport(stream: ByteStream, framing: Framing, limits: Limits) -> MessageTransport:
    """The transport for `framing`; :meth:`Transport.open` makes it ready."""
    if framing is Framing.LINES:
        return _LineTransport(stream, limits)
    return _SocketTransport(stream, limits)


class _LineTransport:
    def __init__(self, stream: ByteStream, limits: Limits) -> None:
        self._stream = stream
        self._portions = Portions(stream)
        self._lines = Lines(limit=limits.message)
        self._work = 0
        self.has_pending = False

    async def open(self) -> None:
        return

    async def send(self, message: bytes) -> None:
        await self._stream.write(message)
        await self._stream.write(b"\n")

    async def flush(self) -> None:
        return

    async def receive(self) -> Sequence[bytes | TooLarge]:
        data = await self._portions.read(self._work)
        if not data:
            raise _gone(self._lines.rest)
        lines = self._lines.feed(data)
        self._work = len(lines)
        return lines

    async def close(self, clock: Clock) -> None:
        await self._stream.close()


class _SocketTransport:
    def __init__(self, stream: ByteStream, limits: Limits) -> None:
        self._stream = stream
        self._portions = Portions(stream)
        self._socket = ClientSocket(limit=limits.message)
        self._early: list[bytes] = []
        self._pending = bytearray()

    @property
    def has_pending(self) -> bool:
        answers = self._socket.pending()
        if len(self._pending) < _MOST_PENDING:  # a server that asks and does not listen gets no more of them
            self._pending += answers
        return bool(self._pending)

    async def open(self) -> None:
        await self._stream.write(self._socket.upgrade())
        while not self._socket.is_open:
            data = await self._portions.read(self._socket.work)
            if not data:
                raise _gone(b"")
            self._early += self._socket.receive(data)

    async def send(self, message: bytes) -> None:
        for fragment in self._socket.frames(message):
            await self._stream.write(fragment)

    async def flush(self) -> None:
        data, self._pending = bytes(self._pending), bytearray()
        if data:
            await self._stream.write(data)

    async def receive(self) -> Sequence[bytes | TooLarge]:
        if self._early:
            early, self._early = self._early, []
            return early
        data = await self._portions.read(self._socket.work)
        if not data:
            raise _gone(b"")
        messages = self._socket.receive(data)
        if not messages and not self._socket.is_open:
            raise _gone(b"")
        return messages

    async def close(self, clock: Clock) -> None:
        try:
            farewell = self._socket.close()
            if farewell:
                await within_or_none(clock, _CLOSING_SECONDS, self._stream.write(farewell))
        except RemoraError:
            pass  # the other side is gone: nobody to say farewell to
        finally:
            await self._stream.close()


def _gone(rest: bytes) -> ProtocolProblem:
    return ProtocolProblem(
        Code.SERVER_GONE,
        "The app server ended the connection.",
        seen=text_of(rest[-SEEN_LIMIT:]),
        next_step="Try again; if it fails again, read the server's log on the host.",
    )
