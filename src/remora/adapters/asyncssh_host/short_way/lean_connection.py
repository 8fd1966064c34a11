"""asyncssh's connection with a shorter way for the packets that carry the bytes of channels.

sshd sends and takes at most 32 KiB in a packet. For each one asyncssh asks the system twice for random padding, adds an
empty packet before it, writes two log lines that nobody reads and copies all that it has not parsed yet: several times
the cost of the encryption. What is done here with private parts of asyncssh is done nowhere else; whatever is not plain
data under AES-GCM takes asyncssh's own way, and so does everything with a version of asyncssh that this was not proven
with. docs/short-way.md says for a reviewer what differs and why it is safe.
"""

import logging
import os
import struct
import time
from typing import Any, Final

import asyncssh
from asyncssh.constants import MSG_CHANNEL_DATA, MSG_IGNORE
from asyncssh.encryption import ChachaEncryption, GCMEncryption
from asyncssh.misc import ProtocolError
from asyncssh.packet import PacketDecodeError, SSHPacket

from remora.adapters.asyncssh_host.short_way.early_login import EarlyLogin

PROVEN: Final = frozenset({"2.24.1"})
"""Versions of asyncssh with which the differential test (tests/…/test_short_way) held; no other takes it."""

_log: Final = logging.getLogger(__name__)
_BLOCK: Final = 16
_TAG: Final = 16
_SHORTEST_PADDING: Final = 4
_SHORTEST: Final = 12
"""What the length of a packet says at least: that and its own four bytes fill a block."""
_LENGTH: Final = struct.Struct(">I")
_LEAD: Final = struct.Struct(">BB")
_DATA: Final = struct.Struct(">BBII")
"""Length of the padding, kind of the packet, number of the channel, length of the data."""
_NUMBERS: Final = 0xFFFFFFFF
_RANDOM: Final = 4096


class LeanConnection(EarlyLogin):
    """A connection that becomes one of these before it has begun; see :meth:`adopt`."""

    _random: bytes = b""
    _opened: "_Opened | None" = None
    _refused = False
    """Whether a packet was refused: what follows it in the same moment is not looked at any more."""

    @classmethod
    def adopt(cls, session: object) -> None:
        """Make `session`, a connection of a proven asyncssh that has sent nothing yet, one of these."""
        if asyncssh.__version__ not in PROVEN:
            _log.debug(
                "asyncssh %s uses the standard connection: the fast one was not tested with this version",
                asyncssh.__version__,
            )
        elif type(session) is asyncssh.SSHClientConnection:
            session.__class__ = cls

    def send_packet(self, pkttype: int, *args: bytes, handler: Any = None) -> None:
        """Called by asyncssh.

        Its empty packets protect ciphers in CBC mode; those that authenticate each packet as a whole need none.
        """
        encryption = self._send_encryption
        if pkttype == MSG_IGNORE and isinstance(encryption, (GCMEncryption, ChachaEncryption)):
            return
        if pkttype != MSG_CHANNEL_DATA or not isinstance(encryption, GCMEncryption) or not self._sends_plainly():
            super().send_packet(pkttype, *args, handler=handler)
            return
        content = args[0] if len(args) == 1 else b"".join(args)
        padding = -(2 + len(content)) % _BLOCK
        if padding < _SHORTEST_PADDING:
            padding += _BLOCK
        packet = b"".join((_LEAD.pack(padding, pkttype), content, self._random_bytes(padding)))
        sealed, tag = encryption.encrypt_packet(self._send_seq, _LENGTH.pack(len(packet)), packet)
        self._send(sealed)
        self._send(tag)
        self._send_seq = (self._send_seq + 1) & _NUMBERS
        self._rekey_bytes_sent += len(packet)

    def _sends_plainly(self) -> bool:
        """Whether nothing has to be done first, and nothing but encryption after."""
        return (
            self._kex_complete
            and self._auth_complete
            and not self._compressor
            and self._rekey_bytes_sent < self._rekey_bytes
            and not (self._rekey_seconds and time.monotonic() >= self._rekey_time)
        )

    def _random_bytes(self, count: int) -> bytes:
        if len(self._random) < count:
            self._random = os.urandom(_RANDOM)
        taken, self._random = self._random[:count], self._random[count:]
        return taken

    def _recv_pkthdr(self) -> bool:
        """Called by asyncssh where a packet begins; whether there may be more to parse."""
        encryption = self._recv_encryption
        if not isinstance(encryption, GCMEncryption) or not self._auth_complete or self._decompressor:
            return super()._recv_pkthdr()
        if self._refused:
            return False
        self._refused = True
        more = self._take_packets(encryption)
        self._refused = False
        return more

    def _take_packets(self, encryption: GCMEncryption) -> bool:
        """Deliver data, or have asyncssh take one packet of another kind; whether there may be more to parse."""
        received = self._inpbuf
        if self._opened is None:
            channel, pieces, taken = self._open_packets(encryption, received)
            if pieces:
                self._inpbuf = received[taken:]
                self._deliver(channel, pieces)
                return True
        if self._opened is None:
            odd = len(received) >= _BLOCK and not self._is_opened(_LENGTH.unpack_from(received)[0])
            return odd and super()._recv_pkthdr()
        opened, self._opened = self._opened, None
        self._packet, self._inpbuf = received[:_BLOCK], received[_BLOCK:]
        self._pktlen = _LENGTH.unpack_from(received)[0]
        self._recv_encryption = opened
        try:
            return super()._recv_packet()
        finally:
            if self._recv_encryption is opened:  # and not that of new keys
                self._recv_encryption = encryption

    def _open_packets(self, encryption: GCMEncryption, received: bytes) -> tuple[int, list[memoryview], int]:
        """The channel of packets in a row, the data they bring, and their end; a packet of another kind is kept.

        A row ends where asyncssh allows the host more, so it does so after the same packet and by the same amount.
        """
        pieces: list[memoryview] = []
        channel = start = room = 0
        enough = 0.0
        while len(received) - start >= _BLOCK:
            length = _LENGTH.unpack_from(received, start)[0]
            inside, stop = start + _LENGTH.size, start + _LENGTH.size + length
            if not self._is_opened(length) or stop + _TAG > len(received):
                break
            header, sealed, tag = received[start:inside], received[inside:stop], received[stop : stop + _TAG]
            packet = encryption.decrypt_packet(self._recv_seq, header, sealed, _LENGTH.size, tag)
            data = self._data_of(packet)
            if data is not None and not pieces:
                channel = data[0]
                room, enough = self._room_of(channel)
            # One that its channel has no room for is refused by asyncssh, after what came before it was delivered.
            if data is None or data[0] != channel or len(data[1]) > room:
                self._opened = _Opened(packet)
                break
            room -= len(data[1])
            pieces.append(data[1])
            self._recv_seq = (self._recv_seq + 1) & _NUMBERS
            start = stop + _TAG
            if room < enough:
                break
        return channel, pieces, start

    def _room_of(self, channel: int) -> tuple[int, float]:
        """How much the channel takes, and with how much left of it asyncssh allows more: none while it is paused."""
        taking = self._channels[channel]
        return taking._recv_window, 0 if taking._recv_paused else taking._init_recv_window / 2  # noqa: SLF001

    def _is_opened(self, length: int) -> bool:
        """Whether a packet of that length is decrypted here; one that is too long or too short is asyncssh's."""
        return _SHORTEST <= length <= self._max_recv_pktlen

    def _data_of(self, packet: bytes | None) -> tuple[int, memoryview] | None:
        """The channel and the data of a packet that brings data as it should; `None` for any other."""
        if packet is None or len(packet) < _DATA.size:
            return None
        padding, kind, channel, size = _DATA.unpack_from(packet)
        if kind != MSG_CHANNEL_DATA or channel not in self._channels or len(packet) != _DATA.size + size + padding:
            return None
        if not padding:  # asyncssh finds nothing in such a packet
            return None
        return channel, memoryview(packet)[_DATA.size : _DATA.size + size]

    def _deliver(self, channel: int, pieces: list[memoryview]) -> None:
        size = sum(map(len, pieces))
        packet = SSHPacket(b"".join((_DATA.pack(0, MSG_CHANNEL_DATA, channel, size), *pieces)))
        packet.get_bytes(_DATA.size - _LENGTH.size)
        try:
            self._channels[channel].process_packet(MSG_CHANNEL_DATA, self._recv_seq, packet)
        except PacketDecodeError as error:
            raise ProtocolError(str(error)) from None


class _Opened(GCMEncryption):
    """Stands in for the encryption when asyncssh takes a packet that was decrypted already; `None`: it was forged."""

    def __init__(self, packet: bytes | None) -> None:
        self._opened = packet

    def decrypt_packet(self, seq: int, first: bytes, rest: bytes, header_len: int, mac: bytes) -> bytes | None:
        """Called by asyncssh."""
        return self._opened
