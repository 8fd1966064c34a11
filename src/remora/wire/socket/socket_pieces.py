"""The client side of a WebSocket whose messages pass through in pieces: none is ever whole in memory.

The bytes of the handshake are the websockets library's; what follows it is small enough to be read here, because no
library gives the payload of a frame before its end.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from remora.core.errors import Code, ProtocolProblem
from remora.core.text import SEEN_LIMIT
from remora.core.text import decode as text_of

_HEADER_LIMIT: Final = 64 * 1024
_CONTROL_LIMIT: Final = 125
_MOST_PENDING: Final = 64 * 1024
_END_OF_HEADER: Final = b"\r\n\r\n"
_NORMAL: Final = (1000).to_bytes(2, "big")


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes of a message; `last` ends it. A message may consist of one empty piece."""

    data: bytes
    last: bool


class PieceSocket:
    """One WebSocket connection without its transport.

    Send :meth:`upgrade` first; feed everything that arrives to :meth:`receive`; after each call send what
    :meth:`pending` holds. No extensions, no compression.
    """

    def __init__(self) -> None:
        self._handshake: ClientProtocol | None = ClientProtocol(parse_uri("ws://localhost/"))
        self._buffer = bytearray()
        self._pending = bytearray()
        self._left = 0
        self._final = False
        self._in_message = False
        self._sending = False
        self._closing = False
        self.work = 0
        """Frames of every kind in what was received last."""
        self.is_over = False
        """The other side has said farewell."""

    @property
    def is_open(self) -> bool:
        """The upgrade was accepted."""
        return self._handshake is None

    def upgrade(self) -> bytes:
        """The HTTP request that opens the connection."""
        if self._handshake is None:
            raise RuntimeError("a connection is opened once")
        self._handshake.send_request(self._handshake.connect())
        return b"".join(self._handshake.data_to_send())

    @property
    def has_pending(self) -> bool:
        """Whether :meth:`pending` holds anything."""
        return bool(self._pending)

    def pending(self) -> bytes:
        """What has to be sent now; taken once."""
        data, self._pending = bytes(self._pending), bytearray()
        return data

    def send(self, piece: Piece) -> bytes:
        """The next part of what is said, as bytes to send."""
        opcode = Opcode.CONT if self._sending else Opcode.TEXT
        self._sending = not piece.last
        return _frame(opcode, piece.data, last=piece.last)

    def close(self) -> bytes:
        """The bytes that begin the farewell; nothing the second time."""
        if self._closing or not self.is_open:
            return b""
        self._closing = True
        return _frame(Opcode.CLOSE, _NORMAL)

    def receive(self, data: bytes) -> list[Piece]:
        """Take what arrived; give the parts of messages in it.

        Raises :class:`~remora.core.errors.ProtocolProblem`: ``handshake-failed``, ``protocol-violation``.
        """
        self._buffer += data
        self.work = 0
        if not self.is_open and not self._take_answer():
            return []
        return list(self._pieces())

    def _take_answer(self) -> bool:
        """Whether the whole answer to the upgrade is here, and fits."""
        handshake, end = self._handshake, self._buffer.find(_END_OF_HEADER)
        if handshake is None or (end < 0 and len(self._buffer) <= _HEADER_LIMIT):
            return False
        cut = end + len(_END_OF_HEADER) if end >= 0 else len(self._buffer)
        answer = bytes(self._buffer[:cut])
        del self._buffer[:cut]
        handshake.receive_data(answer)
        handshake.events_received()
        if handshake.state is not State.OPEN:
            raise ProtocolProblem(
                Code.HANDSHAKE_FAILED,
                f"What answered on the host refused the WebSocket upgrade ({handshake.handshake_exc or 'see below'}).",
                seen=text_of(answer[:SEEN_LIMIT]),
                next_step="Check which program listens there; see each candidate with: remora check ALIAS",
            )
        self._handshake = None
        return True

    def _pieces(self) -> Iterator[Piece]:
        while not self.is_over:
            if self._left:
                data = bytes(self._buffer[: self._left])
                if not data:
                    return
                del self._buffer[: len(data)]
                self._left -= len(data)
                last = self._final and not self._left
                self._in_message = not last
                yield Piece(data, last)
                continue
            self.work += 1
            if (header := _read_header(self._buffer)) is None:
                return
            if header.is_control:
                if len(self._buffer) < header.length + header.size:
                    return
                self._control(header.opcode, bytes(self._buffer[header.size : header.size + header.length]))
                del self._buffer[: header.size + header.length]
            else:
                del self._buffer[: header.size]
                if (header.opcode is Opcode.CONT) != self._in_message:
                    raise _violation("a message started inside another message")
                self._final, self._left, self._in_message = header.final, header.length, True
                if not header.length and header.final:
                    self._in_message = False
                    yield Piece(b"", last=True)

    def _control(self, opcode: Opcode, payload: bytes) -> None:
        if opcode is Opcode.PING and len(self._pending) < _MOST_PENDING:  # else it asks and does not listen
            self._pending += _frame(Opcode.PONG, payload)
        elif opcode is Opcode.CLOSE:
            self.is_over = True
            self._pending += self.close()


@dataclass(frozen=True, slots=True)
class _Header:
    opcode: Opcode
    final: bool
    length: int
    size: int

    @property
    def is_control(self) -> bool:
        return self.opcode in (Opcode.PING, Opcode.PONG, Opcode.CLOSE)


def _read_header(buffer: bytearray) -> _Header | None:
    """The header at the beginning of `buffer`, once all of it is there."""
    if len(buffer) < 2:
        return None
    first, second = buffer[0], buffer[1]
    if first & 0x70 or second & 0x80:
        raise _violation("a frame uses an extension that was not negotiated")
    try:
        opcode = Opcode(first & 0x0F)
    except ValueError:
        raise _violation("a frame has an unknown kind") from None
    extra = {126: 2, 127: 8}.get(second, 0)
    if len(buffer) < 2 + extra:
        return None
    length = int.from_bytes(buffer[2 : 2 + extra], "big") if extra else second
    header = _Header(opcode, bool(first & 0x80), length, 2 + extra)
    if header.is_control and (length > _CONTROL_LIMIT or not header.final):
        raise _violation("a control frame is too long or in parts")
    return header


def _frame(opcode: Opcode, data: bytes, *, last: bool = True) -> bytes:
    return Frame(opcode, data, last).serialize(mask=True)


def _violation(what: str) -> ProtocolProblem:
    return ProtocolProblem(
        Code.PROTOCOL_VIOLATION,
        f"The app server broke the WebSocket protocol: {what}.",
        next_step="Update codex on the host, or report this.",
    )
