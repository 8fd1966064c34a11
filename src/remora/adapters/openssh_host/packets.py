"""The packets that a control master and its client exchange, and SSH's own inside them (RFC 4254)."""

import struct
from typing import Final

from remora.core.text import decode

# What a client asks of a master and what it answers: OpenSSH's PROTOCOL.mux.
MUX_HELLO: Final = 0x00000001
MUX_ALIVE_CHECK: Final = 0x10000004
MUX_TERMINATE: Final = 0x10000005
MUX_OPEN_FORWARD: Final = 0x10000006
MUX_CLOSE_FORWARD: Final = 0x10000007
MUX_PROXY: Final = 0x1000000F
MUX_OK: Final = 0x80000001
MUX_REMOTE_PORT: Final = 0x80000007
MUX_ALIVE: Final = 0x80000005
MUX_PROXY_GRANTED: Final = 0x8000000F
MUX_VERSION: Final = 4
MUX_FORWARD_REMOTE: Final = 2
MUX_UNIX_SOCKET: Final = 0xFFFFFFFE
"""Stands for a port where the host's name is a path."""

# SSH's connection protocol, which a master passes through once it was asked for a proxy.
CHANNEL_OPEN: Final = 90
CHANNEL_OPEN_CONFIRMATION: Final = 91
CHANNEL_OPEN_FAILURE: Final = 92
CHANNEL_WINDOW_ADJUST: Final = 93
CHANNEL_DATA: Final = 94
CHANNEL_EXTENDED_DATA: Final = 95
CHANNEL_EOF: Final = 96
CHANNEL_CLOSE: Final = 97
CHANNEL_REQUEST: Final = 98
CHANNEL_SUCCESS: Final = 99
CHANNEL_FAILURE: Final = 100

_NUMBER: Final = struct.Struct(">I")
_HEADER: Final = struct.Struct(">IBB")
_DATA_HEADER: Final = struct.Struct(">IBBII")


class Reader:
    """Takes the fields of one packet in their order. Raises ``ValueError`` when there are none left."""

    def __init__(self, packet: bytes, position: int = 0) -> None:
        self._packet = packet
        self._position = position

    def number(self) -> int:
        """The next four bytes."""
        return int(_NUMBER.unpack(self._take(_NUMBER.size))[0])

    def flag(self) -> bool:
        """The next byte, as yes or no."""
        return self._take(1) != b"\0"

    def string(self) -> bytes:
        """A length and as many bytes."""
        return self._take(self.number())

    def text(self) -> str:
        """A string for people."""
        return decode(self.string())

    def _take(self, size: int) -> bytes:
        end = self._position + size
        if end > len(self._packet):
            raise ValueError("a packet is shorter than it must be")
        taken = self._packet[self._position : end]
        self._position = end
        return taken


def string(data: bytes) -> bytes:
    """A length and the bytes."""
    return _NUMBER.pack(len(data)) + data


def numbers(*values: int) -> bytes:
    """Four bytes for each."""
    return b"".join(map(_NUMBER.pack, values))


def mux_packet(*values: int, details: bytes = b"") -> bytes:
    """A packet to the master itself."""
    return string(numbers(*values) + details)


def ssh_packet(kind: int, *fields: bytes) -> bytes:
    """A packet that the master passes on: no padding, no encryption."""
    body = b"".join(fields)
    return _HEADER.pack(len(body) + 2, 0, kind) + body


def data_packet(channel: int, data: bytes) -> bytes:
    """CHANNEL_DATA, made with one copy."""
    return _DATA_HEADER.pack(len(data) + 10, 0, CHANNEL_DATA, channel, len(data)) + data
