"""A running command's output on screen: its first lines as they come, its last lines when it ended."""

from collections import deque
from typing import Final

HEAD: Final = 20
TAIL: Final = 5
LINE_WIDTH: Final = 2_000


class OutputCap:
    """Decides which lines of an output are shown. Holds no more than the first and last lines and one under way.

    The first lines are given out as they come, or with `keep_head` at the end.
    """

    def __init__(self, *, keep_head: bool = False) -> None:
        self._keep_head = keep_head
        self._first: list[str] = []
        self._last: deque[str] = deque(maxlen=TAIL)
        self._latest: deque[str] = deque(maxlen=HEAD)
        self._count = 0
        self._line = ""

    @property
    def empty(self) -> bool:
        """Whether nothing came yet."""
        return not (self._count or self._line)

    @property
    def count(self) -> int:
        """How many lines came, one under way among them."""
        return self._count + bool(self._line)

    def latest(self, most: int) -> list[str]:
        """The newest lines, oldest first, complete or not."""
        lines = [*self._latest, *([self._line.rstrip("\r")] if self._line else [])]
        return lines[-most:]

    def feed(self, text: str) -> list[str]:
        """Take a piece; returns the lines to show now."""
        ready: list[str] = []
        first, *rest = text.split("\n")
        self._extend(first)
        for following in rest:
            ready += self._complete()
            self._extend(following)
        return ready

    def finish(self) -> tuple[list[str], int, list[str]]:
        """The output has ended: lines to show now, how many are left out, and the last lines."""
        ready = self._complete() if self._line else []
        last = list(self._last)
        return (self._first if self._keep_head else ready), max(0, self._count - HEAD - len(last)), last

    def _extend(self, text: str) -> None:
        # A carriage return begins the line again, as in progress bars: the newest state is what counts.
        whole = (self._line + text)[-LINE_WIDTH:]
        ended = whole.endswith("\r")
        self._line = whole.rstrip("\r").rpartition("\r")[2] + ("\r" if ended else "")

    def _complete(self) -> list[str]:
        line, self._line = self._line.rstrip("\r"), ""
        self._count += 1
        self._latest.append(line)
        if self._count <= HEAD:
            if self._keep_head:
                self._first.append(line)
                return []
            return [line]
        self._last.append(line)
        return []
