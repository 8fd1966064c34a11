"""What a laptop says when it begins or resumes a session, read and checked.

Runs on the host: Python 3.8, standard library only.
"""

from __future__ import annotations

from remora.wire.relay.relay_frames import ProtocolBreak

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SMALLEST_WINDOW = 64 * 1024
_LARGEST_WINDOW = 64 * 1024 * 1024


class SessionTerms:
    """What a laptop asks of its session: seconds and bytes."""

    def __init__(self, table: dict[str, Any]) -> None:
        self.window = int(read_number(table, "window"))
        self.memory = int(read_number(table, "memory"))
        self.disk = int(read_number(table, "disk"))
        self.lease = read_number(table, "lease")
        self.lease_idle = read_number(table, "lease_idle")
        if not _SMALLEST_WINDOW <= self.window <= _LARGEST_WINDOW:
            raise ProtocolBreak("the window is too small or too large")


def is_same(one: str, other: str) -> bool:
    """Whether both are equal, in a time that does not tell where they differ."""
    first, second = one.encode(), other.encode()
    difference = len(first) ^ len(second)
    for left, right in zip(first, second):
        difference |= left ^ right
    return not difference


def read_number(table: dict[str, Any], key: str) -> float:
    """A number that a laptop said. Raises ProtocolBreak."""
    value = table.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e15:
        raise ProtocolBreak(f"{key} is not a number")
    return value


def read_word(table: dict[str, Any], key: str) -> str:
    """A word that a laptop said. Raises ProtocolBreak."""
    value = table.get(key)
    if not isinstance(value, str) or not value.isascii() or len(value) > 200:
        raise ProtocolBreak(f"{key} is not a word")
    return value
