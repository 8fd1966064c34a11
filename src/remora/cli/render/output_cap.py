"""A running command's output on screen: its first lines as they come, its last lines when it ended."""

from collections import deque
from typing import Final

HEAD: Final = 20
TAIL: Final = 5
LINE_WIDTH: Final = 2_000


class OutputCap:
    """Decides which lines of an output are shown. Holds no more than :data:`TAIL` lines and one under way."""

    def __init__(self, *, head: int = HEAD) -> None:
        self._head = head
        self._shown = 0
        self._held: deque[str] = deque(maxlen=TAIL)
        self._beyond = 0
        self._line = ""

    @property
    def empty(self) -> bool:
        """Whether nothing came yet."""
        return not (self._shown or self._beyond or self._line)

    @property
    def latest(self) -> str:
        """The newest line, complete or not."""
        return self._line.rstrip("\r") or (self._held[-1] if self._held else "")

    @property
    def beyond(self) -> int:
        """How many lines came after the first ones."""
        return self._beyond

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
        last = list(self._held)
        return ready, self._beyond - len(last), last

    def _extend(self, text: str) -> None:
        # A carriage return begins the line again, as in progress bars: the newest state is what counts.
        whole = (self._line + text)[-LINE_WIDTH:]
        ended = whole.endswith("\r")
        self._line = whole.rstrip("\r").rpartition("\r")[2] + ("\r" if ended else "")

    def _complete(self) -> list[str]:
        line, self._line = self._line.rstrip("\r"), ""
        if self._shown < self._head:
            self._shown += 1
            return [line]
        self._beyond += 1
        self._held.append(line)
        return []
