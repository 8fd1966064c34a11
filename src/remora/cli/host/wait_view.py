"""Hosts while they are waited for."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from rich.console import Group
from rich.text import Text

from remora.cli.draw.failure import show_failure
from remora.cli.draw.page import Page, remote
from remora.core.readiness.awaited import Awaited
from remora.wire.reports.wait import WaitMoved, WaitProgress, WaitReport

_PATIENCE: Final = 1.0
"""Seconds of waiting that need no word."""


class AwaitView:
    """What each host is moves on `activity`. Elsewhere that is said only to who asked for more."""

    def __init__(
        self,
        results: Page,
        activity: Page,
        aliases: Sequence[str],
        awaited: Sequence[Awaited],
        *,
        json: bool,
        verbosity: int,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._results = results
        self._activity = activity
        self._awaited = " and ".join(awaited)
        self._json = json
        self._quiet = verbosity < 0
        self._talks = verbosity > 0
        self._is: dict[str, str] = dict.fromkeys(aliases, "")
        self._width = max(map(len, aliases), default=0)
        self._now = now
        self._began = now()

    def show(self, step: WaitProgress) -> None:
        """Show what a host is, or what came of waiting for it."""
        if isinstance(step, WaitReport):
            return
        if isinstance(step, WaitMoved):
            self._is[step.host] = step.detail
            if self._talks and not self._activity.live:
                self._activity.line(remote(f"… {step.host}: {step.detail}", one_line=True))
            return
        self._is.pop(step.host, None)
        self.settle()
        if self._json:
            return
        if step.error is not None:
            show_failure(self._activity, step.error)
        elif not self._quiet:
            words = remote(step.host, "bold").append(" is ").append(self._awaited, style="green")
            self._results.line(words.append(f"  {step.seconds:.1f} s", style="dim"))

    def redraw(self) -> None:
        """See :class:`~remora.cli.frame.audience.Drawn`."""
        seconds = self._now() - self._began
        if self._quiet or not self._activity.live or seconds < _PATIENCE or not self._is:
            return
        rows = [
            Text.assemble(("… ", "dim"), remote(f"{alias:<{self._width}}"), "  ")
            .append_text(remote(detail or "connecting", "dim", one_line=True))
            .append(f"  {seconds:.0f} s", style="dim")
            for alias, detail in self._is.items()
        ]
        self._activity.draw(Group(*rows))

    def settle(self) -> None:
        """See :class:`~remora.cli.frame.audience.Drawn`."""
        self._activity.clear()
