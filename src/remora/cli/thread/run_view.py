"""``remora run`` as a person watches it: one view of the event stream of :mod:`remora.wire.reports.run`."""

import time
from collections.abc import Callable, Sequence
from typing import IO, TYPE_CHECKING, Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from remora.cli.approval.approval_view import show_request
from remora.cli.approval.decision_view import resolution, target_of, verdict
from remora.cli.draw.diff import LINE_LIMIT, counts, show_lines
from remora.cli.draw.page import Indented, Page, remote
from remora.cli.draw.short_forms import quoted, within
from remora.cli.thread.command_view import CommandView
from remora.cli.thread.item_words import item_words
from remora.cli.thread.report_view import in_force, show_report
from remora.core.server.launch_plan import STANDING_NOTICES
from remora.core.text import neutralise
from remora.core.thread.changes import read_lines
from remora.core.thread.transcript import ShownText
from remora.wire.reports import NoticeBody
from remora.wire.reports import run as events

if TYPE_CHECKING:
    from remora.cli.draw.markdown import MarkdownStream

REASONING_LIMIT: Final = 600
_LEFT_OUT_WHEN_QUIET: Final = (
    events.Connected,
    events.ThreadReady,
    events.Reasoning,
    events.CommandStarted,
    events.CommandOutput,
    events.CommandCompleted,
    events.FileChange,
    events.Plan,
    events.OtherItem,
    events.SubagentStarted,
    events.SubagentEnded,
    events.ReviewStarted,
)
_MARGIN: Final = 2
_EDGE: Final = Text("│ ", style="dim")
_BETWEEN_NOTHING: Final = (
    events.CommandStarted,
    events.CommandOutput,
    events.CommandCompleted,
    events.TurnStarted,
    events.TokenUsage,
    events.TextDelta,
    events.ReviewStarted,
    events.ApprovalResolved,
)
"""What stands with the output of a command, or prints nothing; after anything else the command is named again."""
_STEP_MARKS: Final = {"completed": "[x] ", "in-progress": "[>] ", "pending": "[ ] "}


class PlainAnswer:
    """The agent's messages on a pipe: their text as it comes and nothing else, a blank line between two."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._said = False
        self._ends_line = True

    def feed(self, text: str) -> None:
        """Write a piece of the current message."""
        if text:
            self._stream.write(neutralise(text, limit=None))
            self._stream.flush()
            self._ends_line = text.endswith("\n")

    def begin(self) -> None:
        """A message begins."""
        if self._said:
            self._stream.write("\n")
        self._said = True

    def finish(self) -> None:
        """The message has ended."""
        if not self._ends_line:
            self.feed("\n")


class MarkdownAnswer:
    """The agent's messages on a terminal, `margin` columns from its edge: what stands at the edge is ours.

    What reads Markdown is loaded with the first message: a run waits for its host before there is one.
    """

    def __init__(self, page: Page, *, margin: int = 0) -> None:
        self._page = page
        self._margin = margin
        self._blocks: MarkdownStream | None = None

    @property
    def pending(self) -> RenderableType | None:
        """The block under way."""
        pending = None if self._blocks is None else self._blocks.pending
        return None if pending is None else Indented(pending, self._margin)

    def feed(self, text: str) -> None:
        """Take a piece of the current message."""
        for block in self._stream().feed(text):
            self._page.put(block, margin=self._margin)

    def begin(self) -> None:
        """A message begins."""
        self._blocks = None
        self._page.line()

    def finish(self) -> None:
        """The message has ended."""
        for block in self._stream().finish():
            self._page.put(block, margin=self._margin)
        self._blocks = None

    def _stream(self) -> "MarkdownStream":
        if self._blocks is None:
            from remora.cli.draw import markdown

            self._blocks = markdown.MarkdownStream()
        return self._blocks


class RunView:
    """Shows events one after another. :meth:`redraw` brings the moving part up to date; call it a few times a second.

    `page` carries what happens; the agent's messages go there too, as Markdown, unless `answer` takes them. A standing
    warning is shown when `is_news` says that nobody has read it yet.
    """

    def __init__(
        self,
        page: Page,
        answer: PlainAnswer | MarkdownAnswer | None = None,
        *,
        quiet: bool = False,
        is_news: Callable[[str], bool] = lambda _: True,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._page = page
        self._quiet = quiet
        self._is_news = is_news
        self._answer = answer or MarkdownAnswer(page, margin=_MARGIN)
        self._commands = CommandView(page, now=now)
        self._message: tuple[str, ShownText] | None = None
        self._where = ""
        self._thread: events.ThreadReady | None = None
        self._moving: Text | None = None
        self._shown_diffs: set[tuple[str | None, str]] = set()
        self._changed = False

    def show(self, event: events.RunEvent) -> None:
        """Show one event."""
        if isinstance(event, events.ThreadReady):
            self._thread = event
        if isinstance(event, events.Connected):
            self._where, self._moving = f"{event.user}@{event.hostname} ({event.host})", None
        if self._quiet and (isinstance(event, _LEFT_OUT_WHEN_QUIET) or _is_said_by_subagent(event)):
            return
        if isinstance(event, events.TextDelta | events.TokenUsage) and event.subagent is not None:
            return  # its whole message comes; the tokens are those of a thread of its own
        if not isinstance(event, events.TextDelta | events.Message | events.TokenUsage):
            self._end_message()
        if not isinstance(event, _BETWEEN_NOTHING):
            self._commands.leave(about=_decided_item(event))
        self._VIEWS[type(event)](self, event)
        self._changed = True

    def redraw(self) -> None:
        """Draw the moving part again, when something changed."""
        self._commands.tick()
        if not self._changed or not self._page.live:
            return
        self._changed = False
        pending = self._answer.pending if isinstance(self._answer, MarkdownAnswer) else None
        parts = [part for part in (pending, self._commands.moving, self._moving) if part is not None]
        self._page.draw(Group(*parts) if parts else None)

    def wait_for(self, what: str) -> None:
        """Something is under way that has no events yet."""
        self._moving = remote(f"… {what}", "dim", one_line=True)
        self._changed = True

    def say(self, text: Text) -> None:
        """Show a line of our own, such as the answer to Ctrl-C."""
        self._end_message()
        self._page.line(text, hang=_MARGIN)

    def settle(self) -> None:
        """Take the moving part away, so that something else may use the terminal."""
        self._page.clear()
        self._changed = True

    def _connected(self, event: events.Connected) -> None:
        server = f"codex {event.server_version}" if event.server_version else "app server"
        mode = event.launch_mode + (f" ({event.server_owner})" if event.server_owner else "")
        self._page.line(
            remote(f"{self._where} · {server} · {mode} · {event.byte_path}", "dim", one_line=True), hang=_MARGIN
        )
        for notice in self._worth_telling(event.notices):
            self._warn(notice.message)

    def _thread_ready(self, event: events.ThreadReady) -> None:
        self._commands.folder = event.folder
        verb = "continued" if event.resumed else "started"
        self._page.line(
            remote(f"thread {event.thread_id} {verb} in {event.folder}", "dim", one_line=True), hang=_MARGIN
        )
        self._page.line(in_force(event), prefix=Text("in force: ", style="dim"))

    @property
    def _folder(self) -> str | None:
        return self._thread.folder if self._thread else None

    def _turn_started(self, event: events.TurnStarted) -> None:
        pass

    def _text_delta(self, event: events.TextDelta) -> None:
        if self._message is None or self._message[0] != event.item_id:
            self._begin_message(event.item_id)
        self._add(event.text)

    def _whole_message(self, event: events.Message) -> None:
        if event.subagent is not None:
            self._end_message()
            self._page.line()
            self._page.line(remote(event.text), prefix=Text(f"· {event.subagent}: ", style="dim"))
            return
        if self._message is None or self._message[0] != event.item_id:
            self._begin_message(event.item_id)
        said = self._message[1] if self._message else ShownText()
        # Pieces can be missing after a reconnect; the complete message brings the rest, or stands anew.
        if not said.begins(event.text):
            self._begin_message(event.item_id)
            said = ShownText()
        self._add(event.text[said.length :])
        self._end_message()

    def _begin_message(self, item_id: str) -> None:
        self._end_message()
        self._message = (item_id, ShownText())
        self._commands.leave()
        self._answer.begin()

    def _add(self, text: str) -> None:
        if self._message is not None:
            self._message[1].add(text)
        self._answer.feed(text)

    def _end_message(self) -> None:
        if self._message is not None:
            self._message = None
            self._answer.finish()

    def _reasoning(self, event: events.Reasoning) -> None:
        text = event.text.strip()
        if text:
            shown = text[:REASONING_LIMIT] + ("…" if len(text) > REASONING_LIMIT else "")
            who = f"{event.subagent}: " if event.subagent else ""
            self._page.line()
            self._page.line(remote(shown, "dim italic"), prefix=Text(f"· {who}", style="dim"))

    def _file_change(self, event: events.FileChange) -> None:
        names = [_name(entry, self._folder) for entry in event.changes]
        if event.status == "in-progress":
            self._moving = remote(f"… changing {', '.join(names)}", "dim", one_line=True)
            return
        self._moving = None
        self._page.line()
        verb = {"completed": "changed", "declined": "did not change (declined)"}.get(event.status, "could not change")
        for name, entry in zip(names, event.changes, strict=True):
            lines = read_lines(entry.change, entry.diff)
            what = {"add": "(new) ", "delete": "(deleted) "}.get(entry.change, "")
            line = Text.assemble(("± ", "bold"), f"{verb} ", remote(name, "bold", one_line=True), f" {what}")
            line.append_text(counts(lines)).append(_by(event), style="dim")
            self._page.line(line, hang=_MARGIN)
            if event.status == "completed" and (event.thread_id, event.item_id) not in self._shown_diffs:
                show_lines(self._page, lines, bar=_EDGE, limit=LINE_LIMIT)

    def _plan(self, event: events.Plan) -> None:
        self._page.line()
        if event.explanation:
            self._page.line(remote(event.explanation, "dim"), prefix=Text("· ", style="dim"))
        for step in event.steps:
            style = {"completed": "green", "in-progress": "bold"}.get(step.status, "")
            self._page.line(remote(step.text, style, one_line=True), prefix=_STEP_MARKS.get(step.status, "[?] "))

    def _other_item(self, event: events.OtherItem) -> None:
        said = remote(item_words(event), "dim", one_line=True).append(_by(event))
        self._page.line(said, prefix=Text("· ", style="dim"))

    def _subagent_started(self, event: events.SubagentStarted) -> None:
        self._page.line()
        text = f"· {event.subagent} begins" + (f": {event.prompt}" if event.prompt else "")
        self._page.line(remote(text, "dim", one_line=True), hang=_MARGIN)

    def _subagent_ended(self, event: events.SubagentEnded) -> None:
        text = f"· {event.subagent} has ended: {event.status}" + (f", {event.error}" if event.error else "")
        self._page.line(remote(text, "dim", one_line=True), hang=_MARGIN)

    def _review_started(self, event: events.ReviewStarted) -> None:
        self._moving = remote(f"… the automatic reviewer looks at: {target_of(event.target)}", "dim", one_line=True)

    def _review_completed(self, event: events.ReviewCompleted) -> None:
        self._moving = None
        self._page.line(verdict(event), hang=_MARGIN)

    def _warned(self, event: events.Warned) -> None:
        if event.standing and (self._quiet or not self._is_news(event.message)):
            return
        self._warn(event.message)

    def _worth_telling(self, notices: Sequence[NoticeBody]) -> list[NoticeBody]:
        """Without those about what the host is like that a person has read, or does not want to."""
        return [
            notice
            for notice in notices
            if notice.code not in STANDING_NOTICES or (not self._quiet and self._is_news(notice.message))
        ]

    def _warn(self, message: str) -> None:
        self._page.line(remote(message, "yellow"), prefix=Text("! ", style="yellow"))

    def _token_usage(self, event: events.TokenUsage) -> None:
        pass

    def _approval_requested(self, event: events.ApprovalRequested) -> None:
        if event.item_id and event.diff:
            self._shown_diffs.add((event.thread_id, event.item_id))
        show_request(self._page, event, where=self._where)

    def _approval_resolved(self, event: events.ApprovalResolved) -> None:
        self._page.line(resolution(event), hang=_MARGIN)

    def _link_lost(self, event: events.LinkLost) -> None:
        self._page.line(
            Text.assemble(("link lost: ", "bold red"), remote(event.error.message, one_line=True)), hang=_MARGIN
        )

    def _reconnecting(self, event: events.Reconnecting) -> None:
        text = Text(f"reconnecting: attempt {event.attempt} in {event.delay:.1f} s", style="yellow")
        self._moving = text
        if not self._page.live:
            self._page.line(text)

    def _reconnected(self, event: events.Reconnected) -> None:
        self._moving = None
        text = f"reconnected ({event.launch_mode} · {event.byte_path})"
        self._page.line(remote(text, "green", one_line=True), hang=_MARGIN)

    def _report(self, event: events.RunReport) -> None:
        self._moving = None
        self._commands.end()
        self.settle()
        show_report(self._page, event, self._thread, self._worth_telling(event.notices))

    def _command(self, event: Any) -> None:
        self._commands.show(event)

    _VIEWS: Final[dict[type, Callable[["RunView", Any], None]]] = {
        events.Connected: _connected,
        events.ThreadReady: _thread_ready,
        events.TurnStarted: _turn_started,
        events.TextDelta: _text_delta,
        events.Message: _whole_message,
        events.Reasoning: _reasoning,
        events.CommandStarted: _command,
        events.CommandOutput: _command,
        events.CommandCompleted: _command,
        events.FileChange: _file_change,
        events.Plan: _plan,
        events.OtherItem: _other_item,
        events.Warned: _warned,
        events.TokenUsage: _token_usage,
        events.SubagentStarted: _subagent_started,
        events.SubagentEnded: _subagent_ended,
        events.ReviewStarted: _review_started,
        events.ReviewCompleted: _review_completed,
        events.ApprovalRequested: _approval_requested,
        events.ApprovalResolved: _approval_resolved,
        events.LinkLost: _link_lost,
        events.Reconnecting: _reconnecting,
        events.Reconnected: _reconnected,
        events.RunReport: _report,
    }


def _name(entry: events.FileChangeEntry, folder: str | None) -> str:
    name = quoted(within(entry.path, folder))
    return name if entry.moved_to is None else f"{name} → {quoted(within(entry.moved_to, folder))}"


def _by(event: events.FileChange | events.OtherItem) -> str:
    return f" by {event.subagent}" if event.subagent else ""


def _decided_item(event: events.RunEvent) -> tuple[str | None, str | None] | None:
    """The item that a question or a verdict is about."""
    if isinstance(event, events.ApprovalRequested | events.ReviewCompleted):
        return event.thread_id, event.item_id
    return None


def _is_said_by_subagent(event: events.RunEvent) -> bool:
    return isinstance(event, events.TextDelta | events.Message) and event.subagent is not None
