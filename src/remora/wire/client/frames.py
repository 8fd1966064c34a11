"""What a WebSocket client says, taken apart so far that its messages can be looked at, and put together again.

The upgrade and control frames stay the bytes that they are; so does everything the server says, which is not seen here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from websockets.frames import Frame, Opcode

from remora.core.errors import Code, ProtocolProblem
from remora.wire.socket.socket_pieces import Piece

_END_OF_REQUEST: Final = b"\r\n\r\n"
_REQUEST_LIMIT: Final = 64 * 1024
_MASK: Final = 4


@dataclass(frozen=True, slots=True)
class _Header:
    opcode: Opcode
    final: bool
    length: int
    mask: bytes
    size: int

    @property
    def is_control(self) -> bool:
        return self.opcode in (Opcode.CLOSE, Opcode.PING, Opcode.PONG)


class ClientFrames:
    """One direction of one connection: from the client to the server."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._upgraded = False
        self._header: _Header | None = None
        self._taken = 0
        self._kind = Opcode.TEXT
        self._sending = False

    def feed(self, data: bytes) -> Iterator[bytes | Piece]:
        """Take what came; give bytes to pass on as they are, and pieces of messages.

        Raises :class:`~remora.core.errors.ProtocolProblem`.
        """
        self._buffer += data
        if not self._upgraded:
            end = self._buffer.find(_END_OF_REQUEST)
            if end < 0:
                if len(self._buffer) > _REQUEST_LIMIT:
                    raise _violation("its upgrade is incomplete")
                return
            self._upgraded = True
            yield self._take(end + len(_END_OF_REQUEST))
        while (part := self._next()) is not None:
            yield part

    def encode(self, piece: Piece) -> bytes:
        """A piece as a frame for the server."""
        opcode = Opcode.CONT if self._sending else self._kind
        self._sending = not piece.last
        return Frame(opcode, piece.data, piece.last).serialize(mask=True)

    def _next(self) -> bytes | Piece | None:
        header = self._header or _read_header(self._buffer)
        if header is None:
            return None
        if header.is_control:
            whole = header.size + header.length
            return self._take(whole) if len(self._buffer) >= whole else None
        if self._header is None:
            if header.opcode is not Opcode.CONT:
                self._kind = header.opcode
            del self._buffer[: header.size]
            self._header, self._taken = header, 0
        left = header.length - self._taken
        if left and not self._buffer:
            return None
        shift = self._taken % _MASK
        masked = self._take(min(left, len(self._buffer)))
        self._taken += len(masked)
        ends = self._taken == header.length
        if ends:
            self._header = None
        return Piece(_unmasked(masked, header.mask[shift:] + header.mask[:shift]), ends and header.final)

    def _take(self, size: int) -> bytes:
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data


def _read_header(buffer: bytearray) -> _Header | None:
    if len(buffer) < 2:
        return None
    first, second = buffer[0], buffer[1]
    if first & 0x70:
        raise _violation("a frame uses an extension that was not negotiated")
    if not second & 0x80:
        raise _violation("a frame is not masked")
    try:
        opcode = Opcode(first & 0x0F)
    except ValueError:
        raise _violation("a frame is of an unknown kind") from None
    extra = {126: 2, 127: 8}.get(second & 0x7F, 0)
    size = 2 + extra + _MASK
    if len(buffer) < size:
        return None
    length = int.from_bytes(buffer[2 : 2 + extra], "big") if extra else second & 0x7F
    if opcode in (Opcode.CLOSE, Opcode.PING, Opcode.PONG) and length > 125:
        raise _violation("a control frame is too long")
    return _Header(opcode, bool(first & 0x80), length, bytes(buffer[2 + extra : size]), size)


def _unmasked(data: bytes, mask: bytes) -> bytes:
    size = len(data)
    key = int.from_bytes((mask * (size // _MASK + 1))[:size], "little")
    return (int.from_bytes(data, "little") ^ key).to_bytes(size, "little")


def _violation(what: str) -> ProtocolProblem:
    return ProtocolProblem(
        Code.PROTOCOL_VIOLATION,
        f"The client on this machine broke the WebSocket protocol: {what}.",
        next_step="Update it, or report this.",
    )
