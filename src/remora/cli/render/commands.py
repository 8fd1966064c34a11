"""Commands that the agent runs: what, where, their output capped for the screen, and how they ended."""

from dataclasses import dataclass, field

from rich.text import Text

from remora.cli.render.measures import duration
from remora.cli.render.output_cap import TAIL, OutputCap
from remora.cli.render.page import Page, remote
from remora.cli.render.report import exit_words
from remora.cli.render.shortening import without_shell
from remora.wire.reports.run import CommandCompleted, CommandOutput, CommandStarted

_BAR = Text("  │ ", style="dim")


@dataclass(slots=True)
class _Running:
    command: str
    folder: str
    output: OutputCap = field(default_factory=OutputCap)


class CommandView:
    """Shows commands; several may run at once, and each output line stands below the command it belongs to."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._running: dict[str, _Running] = {}
        self._current: str | None = None
        self.folder: str | None = None
        """The thread's folder: a command elsewhere says so."""

    @property
    def moving(self) -> Text | None:
        """What is under way, for the moving part of the screen."""
        running = self._running.get(self._current or "")
        if running is None:
            return None
        text = Text("  … ", style="dim")
        if running.output.beyond:
            text.append(f"{running.output.beyond} more lines  ", style="dim")
        latest = remote(running.output.latest.expandtabs(), "dim", one_line=True)
        latest.truncate(max(10, self._page.width - text.cell_len - 1), overflow="ellipsis")
        return text.append_text(latest)

    def show(self, event: CommandStarted | CommandOutput | CommandCompleted) -> None:
        """Show one event of a command."""
        if isinstance(event, CommandStarted):
            self._start(event.item_id, event.command, event.folder)
        elif isinstance(event, CommandOutput):
            self._output(event)
        else:
            self._complete(event)

    def leave(self) -> None:
        """Something else was printed: the next output names its command again."""
        self._current = None

    def _start(self, item_id: str, command: str, folder: str) -> None:
        self._running[item_id] = _Running(command, folder)
        self._head(item_id)

    def _head(self, item_id: str) -> None:
        running = self._running[item_id]
        again = not running.output.empty
        self._current = item_id
        text = remote(without_shell(running.command), "bold")
        if running.folder and running.folder != self.folder:
            text.append("  in ", style="dim").append_text(remote(running.folder, "dim", one_line=True))
        if again:
            text.append("  (goes on)", style="dim")
        self._page.line()
        self._page.line(text, prefix=Text("$ ", style="bold cyan"))

    def _output(self, event: CommandOutput) -> None:
        running = self._running.get(event.item_id)
        if running is None:
            return  # missed its start in a reconnect; the completed command brings the whole output
        if self._current != event.item_id:
            self._head(event.item_id)
        self._lines(running.output.feed(event.text))

    def _complete(self, event: CommandCompleted) -> None:
        if event.item_id not in self._running:
            self._start(event.item_id, event.command, event.folder)
        elif self._current != event.item_id:
            self._head(event.item_id)
        output = self._running.pop(event.item_id).output
        if output.empty and event.output:
            self._lines(output.feed(event.output))
        elif event.output and not event.pieces_whole and not event.missed_beginning:
            self._note("… some output was missed; it ends with:")
            output = OutputCap(head=0)
            output.feed(event.output)
        self._finish(output)
        if event.missed_beginning:
            self._note("… and it began, before the server told of it, with:")
            beginning = OutputCap(head=TAIL)
            self._lines(beginning.feed(event.missed_beginning))
            self._finish(beginning)
        took = f" after {duration(event.duration_ms / 1000)}" if event.duration_ms is not None else ""
        self._page.line(exit_words(event.status, event.exit_code).append(took, style="dim"), prefix="  ")
        self._current = None

    def _finish(self, output: OutputCap) -> None:
        ready, left_out, last = output.finish()
        self._lines(ready)
        if left_out > 0:
            self._note(f"… {left_out} {'line' if left_out == 1 else 'lines'}")
        self._lines(last)

    def _note(self, words: str) -> None:
        self._page.line(Text(words, style="dim"), prefix=_BAR)

    def _lines(self, lines: list[str]) -> None:
        for line in lines:
            self._page.line(remote(line), prefix=_BAR)
