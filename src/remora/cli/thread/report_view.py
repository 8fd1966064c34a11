"""The closing report of ``remora run``."""

from collections.abc import Sequence
from typing import Final

from rich.text import Text

from remora.cli.approval.decision_view import resolution, verdict
from remora.cli.draw.failure import show_advice, show_failure
from remora.cli.draw.measures import duration
from remora.cli.draw.page import Page, remote
from remora.cli.draw.short_forms import quoted, within, without_shell
from remora.wire.reports import NoticeBody
from remora.wire.reports.run import CommandSummary, RunReport, ThreadReady, TokenUsage

_OUTCOMES: Final = {
    "completed": ("completed", "bold green"),
    "failed": ("failed", "bold red"),
    "interrupted": ("interrupted", "bold yellow"),
    "left": ("left", "bold yellow"),
    "unknown": ("outcome unknown", "bold red"),
}
COMMANDS_SHOWN: Final = 10


def show_report(page: Page, report: RunReport, thread: ThreadReady | None, notices: Sequence[NoticeBody]) -> None:
    """Print how the run ended. `thread` brings what the server said was in force; `notices` are those to show."""
    words, style = _OUTCOMES.get(report.outcome, (report.outcome, "bold"))
    page.line()
    page.line(Text.assemble(remote(words, style, one_line=True), (_took(report), "dim")))
    for notice in notices:
        page.line(remote(notice.message, "yellow"), prefix=Text("! ", style="yellow"))
    _row(page, "host", _place(report))
    if report.thread_id:
        _row(page, "thread", remote(report.thread_id, one_line=True))
    if thread is not None:
        _row(page, "in force", in_force(thread))
    _changes(page, report)
    _decisions(page, report)
    if report.token_usage is not None:
        _row(page, "tokens", _tokens(report.token_usage))
    if report.error is not None:
        show_failure(page, report.error)
    if report.unfinished is not None:
        page.line(remote(report.unfinished.message, "bold yellow"))
        show_advice(page, report.unfinished)
    if report.continue_with:
        page.line(Text("Continue with:", style="dim"))
        page.whole_line(Text("  ").append_text(remote(report.continue_with, "bold", one_line=True)))


def in_force(thread: ThreadReady) -> Text:
    """What the server says applies to this thread."""
    facts = (("model", thread.model), ("effort", thread.effort), ("sandbox", thread.sandbox))
    parts = [f"{name} {value}" for name, value in facts if value]
    if thread.approval_policy:
        parts.append(f"approvals {thread.approval_policy}")
    return remote(" · ".join(parts) or "the server did not say", one_line=True)


def exit_words(status: str, exit_code: int | None) -> Text:
    """How a command ended, coloured by it."""
    if status == "declined":
        return Text("declined", style="yellow")
    if exit_code is None:
        return remote(status, "red" if status == "failed" else "dim", one_line=True)
    return Text(f"exit {exit_code}", style="green" if exit_code == 0 else "red")


def _row(page: Page, label: str, text: Text) -> None:
    page.line(text, prefix=Text(f"{label:<9} ", style="dim"))


def _took(report: RunReport) -> str:
    again = {0: "", 1: ", 1 reconnect"}.get(report.reconnects, f", {report.reconnects} reconnects")
    word = "after" if report.outcome in ("left", "unknown") else "in"
    return f" {word} {duration(report.seconds)}{again}"


def _place(report: RunReport) -> Text:
    place = report.host + (f":{report.folder}" if report.folder else "")
    way = " · ".join(part for part in (report.launch_mode, report.byte_path) if part)
    return remote(place + (f" ({way})" if way else ""), one_line=True)


def _changes(page: Page, report: RunReport) -> None:
    for path in report.changed_files:
        _row(page, "changed", remote(quoted(within(path, report.folder)), one_line=True))
    for command in report.commands[:COMMANDS_SHOWN]:
        _row(page, "command", _command(command))
    left = len(report.commands) - COMMANDS_SHOWN
    if left > 0:
        _row(page, "", Text(f"… {left} more", style="dim"))


def _decisions(page: Page, report: RunReport) -> None:
    for approval in report.approvals:
        _row(page, "approval", resolution(approval))
    for review in report.reviews:
        _row(page, "review", verdict(review))
    for subagent in report.subagents:
        _row(
            page,
            "subagent",
            remote(f"{subagent.subagent} {subagent.status}, thread {subagent.thread_id}", one_line=True),
        )


def _command(command: CommandSummary) -> Text:
    ended = exit_words(command.status, command.exit_code)
    ended.append("  ").append_text(remote(without_shell(command.command), "default", one_line=True))
    return ended.append(f"  by {command.subagent}", style="dim") if command.subagent else ended


def _tokens(usage: TokenUsage) -> Text:
    cached = f" ({usage.cached_input:,} cached)" if usage.cached_input else ""
    return Text(f"{usage.total:,} · in {usage.input:,}{cached} · out {usage.output:,}")
