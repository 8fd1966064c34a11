"""SSH's connection protocol through the control socket of a running ``ssh``: channels without another login.

The master hands our packets on and the host's answers back (``ssh -O proxy`` does the same over standard input). So
no process is started for a channel, and a refused session never makes ``ssh`` log in anew by itself.
"""

import asyncio
import itertools
from collections.abc import Callable
from typing import Final

from remora.adapters.openssh_host import packets
from remora.adapters.openssh_host.channel import RECEIVE_WINDOW, MuxChannel
from remora.adapters.openssh_host.packets import Reader, numbers, ssh_packet, string
from remora.adapters.ssh.openings import ChannelRefusedError
from remora.core.errors import Unreachable

_WRITE_HIGH: Final = 512 * 1024
_PACKET_LIMIT: Final = 256 * 1024 + 1024
_PIECE: Final = 32 * 1024
"""The largest data packet we ask for; what OpenSSH itself uses."""
_ALIVE_REQUEST: Final = 1
_PROXY_REQUEST: Final = 2


class MuxConnection(asyncio.Protocol):
    """A client of one control master. `explain` makes the error for a connection that has broken."""

    def __init__(self, explain: Callable[[], Unreachable]) -> None:
        loop = asyncio.get_running_loop()
        self._explain = explain
        self._transport: asyncio.Transport
        self._received = bytearray()
        self._channels: dict[int, MuxChannel] = {}
        self._numbers = itertools.count()
        self._room = asyncio.Event()
        self._room.set()
        self._ready: asyncio.Future[int] = loop.create_future()
        self._handle = self._handle_greeting
        self._master = 0
        self._leaving = False
        self._lost = asyncio.Event()
        self.heard = loop.time()
        """When the host was last heard, on the loop's clock."""

    @property
    def lost(self) -> bool:
        """Whether the connection has ended."""
        return self._lost.is_set()

    async def ready(self) -> int:
        """Wait until the master passes our packets on; its process id. Raises ``ConnectionError``."""
        return await self._ready

    async def wait_lost(self) -> Unreachable:
        """Return when the connection has ended, and why."""
        await self._lost.wait()
        return self._explain()

    def open(self, kind: str, details: bytes = b"") -> MuxChannel:
        """Ask for a channel; :meth:`MuxChannel.opened` tells what came of it."""
        number = next(self._numbers)
        channel = MuxChannel(number, self._send, self._room)
        if self.lost:
            channel.fail(self._explain())
            return channel
        self._channels[number] = channel
        head = string(kind.encode()) + numbers(number, RECEIVE_WINDOW, _PIECE)
        self._send(ssh_packet(packets.CHANNEL_OPEN, head, details))
        return channel

    def standing_channel(self) -> MuxChannel | None:
        """Any channel on which the host can be asked something."""
        return next((channel for channel in self._channels.values() if channel.standing), None)

    def leave(self) -> None:
        """Let go of the master and of all channels; the end of a channel is then an orderly one."""
        self._leaving = True
        self._transport.abort()
        self._end()

    def break_off(self) -> None:
        """Let go of a connection that no longer answers."""
        self._transport.abort()
        self._end()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The master has let us in."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - the loop gives a stream's protocol nothing else
        self._transport = transport
        transport.set_write_buffer_limits(high=_WRITE_HIGH)
        transport.write(
            packets.mux_packet(packets.MUX_HELLO, packets.MUX_VERSION)
            + packets.mux_packet(packets.MUX_ALIVE_CHECK, _ALIVE_REQUEST)
            + packets.mux_packet(packets.MUX_PROXY, _PROXY_REQUEST)
        )

    def data_received(self, data: bytes) -> None:
        """Take whole packets off what has come."""
        received = self._received
        received += data
        position, available = 0, len(received)
        try:
            while available - position >= 4:
                size = int.from_bytes(received[position : position + 4], "big")
                if size > _PACKET_LIMIT:
                    raise ValueError("a packet is too large")
                if available - position - 4 < size:
                    break
                packet = bytes(received[position + 4 : position + 4 + size])
                position += 4 + size
                self._handle(packet)
        except ValueError:
            self.break_off()
        del received[:position]

    def pause_writing(self) -> None:
        """The master takes no more for now."""
        self._room.clear()

    def resume_writing(self) -> None:
        """The master takes more."""
        self._room.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """The master has let go of us, or has ended."""
        self._end()

    def _end(self) -> None:
        if self._lost.is_set():
            return
        self._lost.set()
        self._room.set()
        if not self._ready.done():
            self._ready.set_exception(ConnectionError("the control master closed the channel"))
            self._ready.exception()
        for channel in list(self._channels.values()):
            channel.fail(None if self._leaving else self._explain())
        self._channels.clear()

    def _send(self, packet: bytes) -> None:
        if not self._lost.is_set():
            self._transport.write(packet)

    def _handle_greeting(self, packet: bytes) -> None:
        fields = Reader(packet)
        kind = fields.number()
        if kind == packets.MUX_HELLO:
            if fields.number() != packets.MUX_VERSION:
                raise ValueError("another version of the control protocol")
        elif kind == packets.MUX_ALIVE:
            fields.number()
            self._master = fields.number()
        elif kind == packets.MUX_PROXY_GRANTED:
            self._handle = self._handle_packet
            self._ready.set_result(self._master)
        else:
            raise ValueError("the control master refuses")

    def _handle_packet(self, packet: bytes) -> None:
        self.heard = asyncio.get_running_loop().time()
        fields = Reader(packet, 2)
        channel = self._channels.get(fields.number())
        if channel is not None:
            self._hand_over(packet[1], channel, fields)

    def _hand_over(self, kind: int, channel: MuxChannel, fields: Reader) -> None:
        if kind == packets.CHANNEL_DATA:
            channel.receive(fields.string(), errors=False)
        elif kind == packets.CHANNEL_WINDOW_ADJUST:
            channel.widen(fields.number())
        elif kind == packets.CHANNEL_EXTENDED_DATA:
            fields.number()
            channel.receive(fields.string(), errors=True)
        elif kind == packets.CHANNEL_OPEN_CONFIRMATION:
            channel.stand(fields.number(), fields.number(), fields.number())
        elif kind == packets.CHANNEL_OPEN_FAILURE:
            del self._channels[channel.number]
            fields.number()
            channel.refuse(ChannelRefusedError(fields.text()))
        elif kind == packets.CHANNEL_EOF:
            channel.receive_eof()
        elif kind == packets.CHANNEL_REQUEST:
            channel.receive_request(fields)
        elif kind == packets.CHANNEL_CLOSE:
            del self._channels[channel.number]
            channel.receive_close()
        elif kind in {packets.CHANNEL_SUCCESS, packets.CHANNEL_FAILURE}:
            channel.answered(agreed=kind == packets.CHANNEL_SUCCESS)
