"""What a host may do to us through a control master, which passes on whatever it says."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from remora.adapters.openssh_host import packets
from remora.adapters.openssh_host.channel import RECEIVE_WINDOW
from remora.adapters.openssh_host.connection import MuxConnection
from remora.adapters.openssh_host.packets import mux_packet, numbers, ssh_packet, string
from remora.core.errors import Code, RemoraError, Unreachable

_USUAL = 32 * 1024


@asynccontextmanager
async def joined() -> AsyncIterator[tuple[MuxConnection, asyncio.StreamWriter]]:
    """A connection, and what its master writes."""
    near, far = socket.socketpair()
    connection = MuxConnection(lambda: Unreachable(Code.CONNECTION_LOST, "Gone.", next_step="None."))
    await asyncio.get_running_loop().create_connection(lambda: connection, sock=near)
    reader, writer = await asyncio.open_connection(sock=far)
    draining = asyncio.ensure_future(reader.read())
    writer.write(mux_packet(packets.MUX_HELLO, packets.MUX_VERSION) + mux_packet(packets.MUX_ALIVE, 1, 1))
    writer.write(mux_packet(packets.MUX_PROXY_GRANTED, 2))
    await connection.ready()
    try:
        yield connection, writer
    finally:
        connection.leave()
        await draining
        writer.close()


def confirmation(*, window: int = _USUAL, piece: int = _USUAL) -> bytes:
    return ssh_packet(packets.CHANNEL_OPEN_CONFIRMATION, numbers(0, 0, window, piece))


async def test_a_host_that_sends_more_than_was_allowed_is_left() -> None:
    async with joined() as (connection, master), asyncio.timeout(20):
        channel = connection.open("session")
        master.write(confirmation())
        await channel.opened()
        data = ssh_packet(packets.CHANNEL_EXTENDED_DATA, numbers(0, 1), string(bytes(_USUAL)))
        for _ in range(RECEIVE_WINDOW // _USUAL):  # nobody reads it, and it is no more than we said
            master.write(data)
        master.write(ssh_packet(packets.CHANNEL_REQUEST, numbers(0), string(b"exit-status"), b"\0", numbers(0)))
        await channel.wait()
        assert not connection.lost
        master.write(data)
        await connection.wait_lost()


@pytest.mark.parametrize("piece", [0, 1])
async def test_a_host_that_takes_no_packets_of_a_usable_size_is_left_before_a_writer_spins(piece: int) -> None:
    async with joined() as (connection, master), asyncio.timeout(20):
        channel = connection.open("session")
        master.write(confirmation(piece=piece))
        with pytest.raises(RemoraError):
            await channel.opened()
        with pytest.raises(RemoraError):
            await channel.write(b"x" * 100_000)
