"""Newline-delimited JSON in pieces: lines of any length pass through without ever being whole in memory."""

import codecs
from collections.abc import Iterator
from typing import Final

from remora.core.errors import Code, UsageProblem
from remora.wire.socket.socket_pieces import Piece

_NO_BREAKS: Final = bytes.maketrans(b"\n\r", b"  ")


class LineCutter:
    """Cuts a stream of lines into the pieces of one message a line. Blank lines are no messages.

    Raises :class:`~remora.core.errors.UsageProblem` for a line that is not UTF-8: the app server ends with one, too.
    """

    def __init__(self) -> None:
        self._in_line = False
        self._number = 1
        self._decoder = codecs.getincrementaldecoder("utf-8")()

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
        try:
            self._decoder.decode(part, final=last)
        except UnicodeDecodeError:
            raise UsageProblem(
                Code.USAGE,
                f"Line {self._number} of standard input is not UTF-8.",
                next_step="Write each message as a line of JSON in UTF-8.",
            ) from None
        self._number += last
        if not self._in_line:
            part = part.lstrip()
        if part or (self._in_line and last):
            self._in_line = not last
            yield Piece(part, last)


def as_line(piece: Piece) -> bytes:
    """A piece of a message as a part of one line: breaks between JSON tokens become spaces."""
    data = piece.data.translate(_NO_BREAKS) if b"\n" in piece.data or b"\r" in piece.data else piece.data
    return data + b"\n" if piece.last else data
