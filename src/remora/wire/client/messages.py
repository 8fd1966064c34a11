"""Whole messages out of their pieces, as long as they are small enough to be looked into."""

from dataclasses import dataclass
from typing import Final

from remora.wire.socket.socket_pieces import Piece

INSPECTED: Final = 1024 * 1024
"""Bytes of a message that are kept to be looked into. Only images and files make a longer one."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A message."""

    text: bytes


@dataclass(frozen=True, slots=True)
class Beginning:
    """The beginning of a message that is too long to be kept; its :class:`Rest` follows."""

    text: bytes


@dataclass(frozen=True, slots=True)
class Rest:
    """One more piece of a message whose beginning was given."""

    piece: Piece


class MessageGatherer:
    """Puts pieces together. What is longer than ``INSPECTED`` is given in parts, so that it is never all in memory."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._passing = False

    @property
    def is_between(self) -> bool:
        """Whether nothing of a message was taken that has not ended."""
        return not self._held and not self._passing

    def take(self, piece: Piece) -> Whole | Beginning | Rest | None:
        """Take the next piece; `None` while it is kept."""
        if self._passing:
            self._passing = not piece.last
            return Rest(piece)
        self._held += piece.data
        if not piece.last and len(self._held) <= INSPECTED:
            return None
        text, self._held = bytes(self._held), bytearray()
        if len(text) <= INSPECTED:
            return Whole(text)
        self._passing = not piece.last
        return Beginning(text) if self._passing else Whole(text)
