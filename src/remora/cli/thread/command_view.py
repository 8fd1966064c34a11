"""Commands that the agent runs: what, where, their output in its order, capped for the screen, and how they ended.

Servers do not stream what a command writes before they have begun to listen; only its end tells the whole. Where
lines can be drawn again, the output of a running command moves below everything else and is printed when it is whole.
Elsewhere it is printed as it comes once a command takes longer, and again in its order if its beginning was missing.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from rich.text import Text

from remora.cli.draw.measures import duration
from remora.cli.draw.output_cap import OutputCap
from remora.cli.draw.page import Page, remote
from remora.cli.draw.short_forms import without_shell
from remora.cli.thread.report_view import exit_words
from remora.wire.reports.work import CommandCompleted, CommandOutput, CommandStarted

_BAR: Final = Text("│ ", style="dim")
_PATIENCE: Final = 3.0
"""Seconds for which output is held back where it cannot be drawn again: most commands have ended by then."""
_MOVING_LINES: Final = 6


@dataclass(slots=True)
class _Running:
    started: CommandStarted
    since: float
    output: OutputCap = field(default_factory=lambda: OutputCap(keep_head=True))
    shown: OutputCap | None = None
    """What is printed as it comes; `None`: nothing yet."""
    held: list[str] = field(default_factory=list)
    """Pieces that are not printed yet, where they will be."""


class CommandView:
    """Shows commands; several may run at once, and each output stands below the command it belongs to."""

    def __init__(self, page: Page, *, now: Callable[[], float] = time.monotonic) -> None:
        self._page = page
        self._now = now
        self._running: dict[tuple[str | None, str], _Running] = {}
        self._current: tuple[str | None, str] | None = None
        self.folder: str | None = None
        """The thread's folder: a command elsewhere says so."""

    @property
    def moving(self) -> Text | None:
        """What is under way, for the moving part of the screen."""
        rows: list[Text] = []
        for running in self._running.values():
            latest = running.output.latest(_MOVING_LINES if len(self._running) == 1 else 1)
            if running.output.count > len(latest):
                rows.append(Text(f"│ … {running.output.count - len(latest)} lines above", style="dim"))
            for line in latest:
                row = Text("│ ", style="dim").append_text(remote(line.expandtabs(), "dim", one_line=True))
                row.truncate(max(10, self._page.width - 1), overflow="ellipsis")
                rows.append(row)
        return Text("\n").join(rows) if rows else None

    def show(self, event: CommandStarted | CommandOutput | CommandCompleted) -> None:
        """Show one event of a command."""
        if isinstance(event, CommandStarted):
            self._start(event)
        elif isinstance(event, CommandOutput):
            self._output(event)
        else:
            self._complete(event)

    def tick(self) -> None:
        """Time goes on: where nothing can be drawn again, print the output of a command that takes long."""
        if self._page.live:
            return
        for key, running in self._running.items():
            if running.held and self._now() - running.since >= _PATIENCE:
                self._print_held(key, running)

    def leave(self, *, about: tuple[str | None, str | None] | None = None) -> None:
        """Something else is printed: the next output names its command again, unless it is `about` that command."""
        if about is None or about != self._current:
            self._current = None

    def end(self) -> None:
        """The run has ended: what was seen of commands that did not end is printed as it came."""
        for key, running in self._running.items():
            if running.output.empty:
                continue
            if self._current != key:
                self._head(key, again=True)
            if running.shown is not None:
                self._lines(running.shown.feed("".join(running.held)))
            self._finish(running.shown or running.output)
        self._running.clear()

    def _start(self, event: CommandStarted) -> None:
        key = (event.thread_id, event.item_id)
        self._running[key] = _Running(event, self._now())
        self._head(key, again=False)

    def _head(self, key: tuple[str | None, str], *, again: bool) -> None:
        started = self._running[key].started
        self._current = key
        text = remote(without_shell(started.command), "bold")
        if started.folder and started.folder != self.folder:
            text.append("  in ", style="dim").append_text(remote(started.folder, "dim", one_line=True))
        if started.subagent is not None:
            text.append(f"  by {started.subagent}", style="dim")
        if again:
            text.append("  (goes on)", style="dim")
        self._page.line()
        self._page.line(text, prefix=Text("$ ", style="bold cyan"))

    def _output(self, event: CommandOutput) -> None:
        key = (event.thread_id, event.item_id)
        running = self._running.get(key)
        if running is None:
            return  # missed its start in a reconnect; the completed command brings the whole output
        running.output.feed(event.text)
        if self._page.live:
            return
        running.held.append(event.text)
        if running.shown is not None:
            self._print_held(key, running)

    def _print_held(self, key: tuple[str | None, str], running: _Running) -> None:
        if self._current != key:
            self._head(key, again=True)
        running.shown = running.shown or OutputCap()
        pieces, running.held = running.held, []
        self._lines(running.shown.feed("".join(pieces)))

    def _complete(self, event: CommandCompleted) -> None:
        key = (event.thread_id, event.item_id)
        if key not in self._running:
            self._start(
                CommandStarted(
                    thread_id=event.thread_id,
                    subagent=event.subagent,
                    item_id=event.item_id,
                    command=event.command,
                    folder=event.folder,
                )
            )
        elif self._current != key:
            self._head(key, again=True)
        running = self._running.pop(key)
        if running.shown is None:
            self._finish(_whole(event.output) if event.output is not None else running.output)
        elif event.output is None or event.pieces_whole:
            self._lines(running.shown.feed("".join(running.held)))
            self._finish(running.shown)
        else:
            self._note("… part of the output was missing or late; the output from the start:")
            self._finish(_whole(event.output))
        took = f" after {duration(event.duration_ms / 1000)}" if event.duration_ms is not None else ""
        self._page.line(exit_words(event.status, event.exit_code).append(took, style="dim"), prefix="└ ")
        self._current = None

    def _finish(self, output: OutputCap) -> None:
        first, left_out, last = output.finish()
        self._lines(first)
        if left_out > 0:
            self._note(f"… {left_out} {'line' if left_out == 1 else 'lines'}")
        self._lines(last)

    def _note(self, words: str) -> None:
        self._page.line(Text(words, style="dim"), prefix=_BAR)

    def _lines(self, lines: list[str]) -> None:
        for line in lines:
            self._page.line(remote(line), prefix=_BAR)


def _whole(text: str) -> OutputCap:
    output = OutputCap(keep_head=True)
    output.feed(text)
    return output
