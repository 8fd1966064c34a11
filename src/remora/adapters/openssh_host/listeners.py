"""Ports of the host's loopback whose clients are served here: the master has them knock at a socket of ours."""

import asyncio
import contextlib
import hashlib
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from remora.adapters.machine.local_sockets import SystemSockets, is_same_user
from remora.adapters.openssh_host.packets import (
    MUX_CLOSE_FORWARD,
    MUX_FORWARD_REMOTE,
    MUX_HELLO,
    MUX_OK,
    MUX_OPEN_FORWARD,
    MUX_REMOTE_PORT,
    MUX_UNIX_SOCKET,
    MUX_VERSION,
    Reader,
    mux_packet,
    numbers,
    string,
)
from remora.adapters.ssh.ssh_failures import channel_too_slow, listening_refused
from remora.core.host.hosts import Host
from remora.ports import Visitor

_LOOPBACK: Final = b"127.0.0.1"
_REQUEST: Final = 1
_FAREWELL: Final = 2.0
_PACKET_LIMIT: Final = 64 * 1024


class _RefusedError(Exception):
    """The master, or the host behind it, refuses; the text is its own reason."""


@contextlib.asynccontextmanager
async def listen(
    host: Host, control: Path, folder: Path, port: int, visitor: Visitor, *, limit: float
) -> AsyncIterator[int]:
    """See :meth:`remora.ports.RemoteHost.serve_port`. `control` is the master's socket, ours will be in `folder`.

    A master that outlives us goes on listening and finds nobody; asked again, for the same port, it does not ask the
    host again. Who the clients are the master does not tell.
    """
    mark = hashlib.sha256(f"{control} {port or secrets.token_hex(8)}".encode()).hexdigest()[:12]
    path = folder / f"back-{mark}.sock"
    async with SystemSockets().serve(str(path), visitor):
        try:
            async with asyncio.timeout(limit):
                chosen = await _ask(control, MUX_OPEN_FORWARD, port, path) or port
        except TimeoutError:
            raise channel_too_slow(host, "to listen on a port", limit) from None
        except (_RefusedError, OSError, EOFError, ValueError) as error:
            raise listening_refused(host, port, str(error)) from None
        try:
            yield chosen
        finally:
            with contextlib.suppress(_RefusedError, OSError, EOFError, ValueError, TimeoutError):
                async with asyncio.timeout(_FAREWELL):
                    await _ask(control, MUX_CLOSE_FORWARD, port, path)


async def _ask(control: Path, kind: int, port: int, path: Path) -> int:
    """Ask the master; the port that the host chose, 0 when that was not asked for."""
    reader, writer = await asyncio.open_unix_connection(str(control))
    try:
        if not is_same_user(writer.get_extra_info("socket")):
            raise _RefusedError("the control socket is another user's")
        forward = string(_LOOPBACK) + numbers(port) + string(str(path).encode()) + numbers(MUX_UNIX_SOCKET)
        writer.write(
            mux_packet(MUX_HELLO, MUX_VERSION) + mux_packet(kind, _REQUEST, MUX_FORWARD_REMOTE, details=forward)
        )
        while True:
            size = int.from_bytes(await reader.readexactly(4), "big")
            if size > _PACKET_LIMIT:
                raise ValueError("a packet is too large")
            fields = Reader(await reader.readexactly(size))
            answer = fields.number()
            if answer == MUX_HELLO:
                continue
            fields.number()
            if answer == MUX_REMOTE_PORT:
                return fields.number()
            if answer == MUX_OK:
                return 0
            raise _RefusedError(fields.text())
    finally:
        writer.transport.abort()
