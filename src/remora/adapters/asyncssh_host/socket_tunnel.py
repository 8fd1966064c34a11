"""What stands between asyncssh and its socket: fewer and larger pieces, and nothing lost at the end."""

import asyncio
import socket
from collections.abc import Callable
from typing import Final, cast

_PASSES: Final = 10
"""asyncssh handles some packets in tasks: one pass of the loop runs the task, the next collects its error."""
_PIECE: Final = 132 * 1024
"""Once so much is kept, the other side can begin on it."""


class SocketTunnel:
    """A connected socket in the form in which asyncssh takes a way to the host."""

    def __init__(self, connected: socket.socket) -> None:
        self._connected = connected

    async def create_connection(
        self, session_factory: Callable[[], asyncio.Protocol], host: str, port: int
    ) -> tuple[asyncio.BaseTransport, asyncio.Protocol]:
        """Called by asyncssh."""
        session = session_factory()
        transport, _ = await asyncio.get_running_loop().create_connection(
            lambda: _Patient(session), sock=self._connected
        )
        return transport, session


class _Gathering(asyncio.Transport):
    """Writes in one go what was written in one pass of the loop.

    asyncssh writes each packet by itself: a system call for every 32 KiB.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport = transport
        self._pieces: list[bytes] = []
        self._size = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep `data` until the end of this pass of the loop, or until it is much: then the other side can begin."""
        if not self._pieces:
            asyncio.get_running_loop().call_soon(self._flush)
        self._pieces.append(bytes(data))
        self._size += len(data)
        if self._size >= _PIECE:
            self._flush()

    def close(self) -> None:
        """Write what is kept, and close."""
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._pieces.clear()
        self._transport.abort()

    def is_closing(self) -> bool:
        """Passed on."""
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Passed on."""
        return self._transport.get_extra_info(name, default)

    def _flush(self) -> None:
        pieces, self._pieces, self._size = self._pieces, [], 0
        if pieces and not self._transport.is_closing():
            self._transport.write(b"".join(pieces))


class _Patient(asyncio.Protocol):
    """Passes everything on; the end of the stream a few passes of the loop later.

    Without that, the end overtakes the reason: a refused key exchange would look like a lost connection.
    """

    def __init__(self, session: asyncio.Protocol) -> None:
        self._session = session

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Passed on."""
        self._session.connection_made(_Gathering(cast("asyncio.Transport", transport)))

    def data_received(self, data: bytes) -> None:
        """Passed on."""
        self._session.data_received(data)

    def pause_writing(self) -> None:
        """Passed on."""
        self._session.pause_writing()

    def resume_writing(self) -> None:
        """Passed on."""
        self._session.resume_writing()

    def eof_received(self) -> bool:
        """The host has ended its side; the transport stays until asyncssh closes it."""
        self._later(_PASSES, self._session.eof_received)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._later(_PASSES, lambda: self._session.connection_lost(exc))

    def _later(self, passes: int, call: Callable[[], object]) -> None:
        if passes == 0:
            call()
        else:
            asyncio.get_running_loop().call_soon(self._later, passes - 1, call)
