"""Newline-delimited JSON in pieces: lines of any length pass through without ever being whole in memory."""

from collections.abc import Iterator
from typing import Final

import msgspec

from remora.wire.jsonrpc import RequestId, leading_id
from remora.wire.socket_pieces import Piece

_HEAD: Final = 64 * 1024
_NO_BREAKS: Final = bytes.maketrans(b"\n\r", b"  ")
_METHOD: Final = b'"method"'


class LineCutter:
    """Cuts a stream of lines into the pieces of one message a line. Blank lines are no messages."""

    def __init__(self) -> None:
        self._in_line = False

    def feed(self, data: bytes) -> Iterator[Piece]:
        """Take what arrived; give its pieces."""
        *whole, rest = data.split(b"\n")
        for part in whole:
            yield from self._take(part, last=True)
        yield from self._take(rest, last=False)

    def finish(self) -> Iterator[Piece]:
        """Nothing more will come; a last line without its newline counts."""
        yield from self._take(b"", last=True)

    def _take(self, part: bytes, *, last: bool) -> Iterator[Piece]:
        if not self._in_line:
            part = part.lstrip()
        if part or (self._in_line and last):
            self._in_line = not last
            yield Piece(part, last)


def as_line(piece: Piece) -> bytes:
    """A piece of a message as a part of one line: breaks between JSON tokens become spaces."""
    data = piece.data.translate(_NO_BREAKS) if b"\n" in piece.data or b"\r" in piece.data else piece.data
    return data + b"\n" if piece.last else data


class _Envelope(msgspec.Struct):
    id: RequestId | None = None
    method: str | None = None


class OpenRequests:
    """Which requests of the client the server has still to answer.

    What is too long to be looked into, and does not begin with its id, is not counted.
    """

    def __init__(self) -> None:
        self._said = bytearray()
        self._heard = bytearray()
        self._open: set[RequestId] = set()

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._open)

    def said(self, piece: Piece) -> None:
        """The client sent this."""
        whole = _gather(self._said, piece)
        if piece.last:
            envelope = _read(whole, self._said)
            if envelope.id is not None and envelope.method is not None:
                self._open.add(envelope.id)
            self._said = bytearray()

    def heard(self, piece: Piece) -> None:
        """The server sent this."""
        if not self._open and not self._heard and piece.last:
            return
        whole = _gather(self._heard, piece)
        if piece.last:
            envelope = _read(whole, self._heard)
            if envelope.id is not None and envelope.method is None:
                self._open.discard(envelope.id)
            self._heard = bytearray()


def _gather(head: bytearray, piece: Piece) -> bool:
    """Keep the beginning of a message; whether that is all of it. One byte too many marks what is not."""
    head += piece.data[: _HEAD + 1 - len(head)]
    return len(head) <= _HEAD


def _read(whole: bool, head: bytearray) -> _Envelope:  # noqa: FBT001, RUF100 - what was gathered, in order
    if whole:
        try:
            return msgspec.json.decode(head, type=_Envelope)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return _Envelope()
    return _Envelope(leading_id(bytes(head[:200])), "" if _METHOD in head else None)
