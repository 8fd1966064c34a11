"""A view that remembers."""

import asyncio

from rich.text import Text

from remora.core.errors import RemoraError
from remora.wire.reports.run import RunEvent


class Recorder:
    """A view that keeps what it is shown, and counts interrupts."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.said: list[str] = []
        self.interrupts = 0
        self.reasons: list[RemoraError | None] = []
        self.changed = asyncio.Event()

    def show(self, event: RunEvent) -> None:
        self.shown.append(event.kind)

    def redraw(self) -> None:
        """Nothing moves."""

    def settle(self) -> None:
        """Nothing moves."""

    def say(self, text: Text) -> None:
        self.said.append(text.plain)

    def interrupt(self, reason: RemoraError | None = None) -> None:
        self.interrupts += 1
        self.reasons.append(reason)
        self.changed.set()
