"""Links while a person waits for them or watches them: what moves."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from rich.console import Group
from rich.text import Text

from remora.cli.draw.failure import show_failure
from remora.cli.draw.page import Page, remote
from remora.cli.link.link_view import label_of, report_lines, server_of, show_links, style_of, trouble
from remora.wire.reports.links import ConnectResult, LinkBody, StatusReport

_PATIENCE: Final = 1.0
"""Seconds of waiting that need no word."""
_PATIENCE_OF_LOGS: Final = 5.0
"""The same where nothing can be drawn again: there a word stays, so it is said once, and later."""
_TICK: Final = 1.0
"""Seconds after which how long something lasts is drawn again, though nothing has changed."""


class WaitView:
    """A line that says what is waited for, once that has taken a while."""

    def __init__(self, page: Page, what: str, *, now: Callable[[], float] = time.monotonic) -> None:
        self._page = page
        self._what = what
        self._now = now
        self._began = now()
        self._said = False

    def redraw(self) -> None:
        """See :class:`~remora.cli.frame.audience.Drawn`."""
        seconds = self._now() - self._began
        if not self._page.live:
            if seconds > _PATIENCE_OF_LOGS and not self._said:
                self._said = True
                self._page.line(f"… {self._what}")
        elif seconds > _PATIENCE:
            self._page.draw(Text.assemble(("… ", "dim"), self._what, (f"  {seconds:.0f} s", "dim")))

    def settle(self) -> None:
        """See :class:`~remora.cli.frame.audience.Drawn`."""
        self._page.clear()


class ConnectView:
    """Hosts being connected: those under way move on `activity`, results go to `results` as they come."""

    def __init__(
        self,
        results: Page,
        activity: Page,
        aliases: Sequence[str],
        *,
        json: bool,
        verbosity: int,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._results = results
        self._activity = activity
        self._json = json
        self._quiet = verbosity < 0
        self._under_way = list(aliases)
        self._width = max(map(len, aliases), default=0)
        self._now = now
        self._began = now()
        self._last: dict[str, str] = {}
        self._said = False

    @property
    def under_way(self) -> list[str]:
        """The hosts that are being connected."""
        return list(self._under_way)

    def show(self, result: ConnectResult) -> None:
        """Show what came of one host."""
        self._under_way = [alias for alias in self._under_way if alias != result.host]
        self.settle()
        if self._json:
            return
        if result.error is not None:
            show_failure(self._activity, result.error)
        elif result.link is not None:
            self._connected(result.link, changed=result.changed)

    def follow(self, report: StatusReport) -> None:
        """Say what has changed about the links."""
        for link in report.links:
            words = link.liveness if link.error is None else f"{link.liveness}: {link.error.message}"
            if self._last.setdefault(link.host, "live") != words:
                self._last[link.host] = words
                self.say(f"{link.host} is {words}")

    def say(self, words: str) -> None:
        """A line about what goes on."""
        if not (self._json or self._quiet):
            self.settle()
            self._activity.line(remote(words, "dim", one_line=True))

    def redraw(self) -> None:
        """See :class:`~remora.cli.frame.audience.Drawn`."""
        seconds = self._now() - self._began
        if self._quiet or seconds < _PATIENCE or not self._under_way:
            return
        if not self._activity.live:
            if seconds > _PATIENCE_OF_LOGS and not self._said:
                self._said = True
                self._activity.line(remote(f"… connecting to {', '.join(self._under_way)}", one_line=True))
            return
        rows = [
            Text.assemble(
                ("… ", "dim"), remote(f"{alias:<{self._width}}"), ("  connecting", "dim"), (f"  {seconds:.0f} s", "dim")
            )
            for alias in self._under_way
        ]
        self._activity.draw(Group(*rows))

    def settle(self) -> None:
        """See :class:`~remora.cli.frame.audience.Drawn`."""
        self._activity.clear()

    def _connected(self, link: LinkBody, *, changed: bool) -> None:
        page = self._results
        if self._quiet:
            page.whole_line(remote(link.socket))
            return
        words = remote(link.host, "bold").append_text(Text.assemble(" is ", (link.liveness, style_of(link))))
        if not changed:
            words.append(" already, nothing changed", style="dim")
        page.line(words)
        for label, value in (("server", server_of(link)), ("through", link.byte_path or "")):
            if value and changed:
                page.line(remote(value, one_line=True), prefix=label_of(label))
        page.whole_line(label_of("socket").append_text(remote(link.socket)))
        if changed:
            for notice in link.notices:
                page.line(remote(notice.message, "yellow"), prefix=Text("! ", style="yellow"))


class StatusView:
    """All links, drawn again at each change; where nothing can be drawn again, printed anew."""

    def __init__(self, page: Page, *, alias: str | None, verbosity: int) -> None:
        self._page = page
        self._alias = alias
        self._verbosity = verbosity
        self._report: StatusReport | None = None
        self._drawn = 0.0

    def show(self, report: StatusReport) -> None:
        """What is so from now on."""
        first, self._report = self._report is None, report
        self._drawn = 0.0
        if not self._page.live:
            if not first:
                self._page.line()
            show_links(self._page, report, alias=self._alias, verbosity=self._verbosity)

    def redraw(self) -> None:
        """See :class:`~remora.cli.frame.audience.Drawn`."""
        now = time.monotonic()
        if self._report is None or now - self._drawn < _TICK:
            return
        self._drawn = now
        troubles = [trouble(link, self._page.width) for link in self._report.links if link.error is not None]
        clock = Text(time.strftime("%H:%M:%S"), style="dim")
        self._page.draw(Group(*report_lines(self._page, self._report, self._alias), *troubles, clock))

    def settle(self) -> None:
        """See :class:`~remora.cli.frame.audience.Drawn`."""
        live = self._page.live and self._report is not None
        self._page.clear()
        if live and self._report is not None:
            show_links(self._page, self._report, alias=self._alias, verbosity=self._verbosity)
            self._report = None
