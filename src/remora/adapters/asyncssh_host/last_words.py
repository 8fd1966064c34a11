"""Lets asyncssh work off what a host said last before it learns that the connection has ended."""

import asyncio
import socket
from collections.abc import Callable
from typing import Final

_PASSES: Final = 10
"""asyncssh handles some packets in tasks: one pass of the loop runs the task, the next collects its error."""


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


class _Patient(asyncio.Protocol):
    """Passes everything on; the end of the stream a few passes of the loop later.

    Without that, the end overtakes the reason: a refused key exchange would look like a lost connection.
    """

    def __init__(self, session: asyncio.Protocol) -> None:
        self._session = session

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Passed on."""
        self._session.connection_made(transport)

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
