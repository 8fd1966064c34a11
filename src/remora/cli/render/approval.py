"""A request for a decision, with all that a person needs to decide."""

from typing import Final

from rich.text import Text

from remora.cli.render.diff import counts, diff_lines, show_diff
from remora.cli.render.page import Page, remote
from remora.core.approvals import ApprovalRequest
from remora.wire.reports.run import ApprovalRequested, ApprovalResolved

_TITLES: Final = {
    "command": "The agent asks to run a command",
    "file-change": "The agent asks to change files",
    "permissions": "The agent asks for permissions",
    "user-input": "The agent has a question",
    "elicitation": "A tool of the agent has a question",
}
_HEAD_WIDTH: Final = 11
_BAR: Final = Text("▌ ", style="yellow")


def show_request(page: Page, request: ApprovalRequested, *, where: str) -> None:
    """Print what is asked. `where` names the user and host that a granting answer would act on."""
    title = _TITLES.get(request.request, "The agent asks for a decision")
    page.line()
    _row(page, Text(title + (" (still open)" if request.again else ""), style="bold yellow"))
    _row(page, remote(where, one_line=True), label="host")
    if request.folder:
        # For a change of files the server names no folder of the work here, but a root that a yes opens for writing.
        label = "opens" if request.request == "file-change" else "folder"
        _row(page, remote(request.folder, one_line=True), label=label)
    if request.command is not None:
        _row(page, remote(request.command, "bold"), label="command")
    elif request.request == "command":
        _row(page, Text("the server does not say which command", style="bold red"), label="command")
    if request.reason:
        _row(page, remote(request.reason), label="reason")
    if request.diff:
        _diff(page, request.diff)
    elif request.request == "file-change":
        _row(page, Text("the server does not say which changes", style="bold red"), label="change")


def _row(page: Page, text: Text, *, label: str = "") -> None:
    for number, line in enumerate(text.split("\n", allow_blank=True)):
        head = _BAR.copy()
        if label:
            head.append(f"{'' if number else label:<8} ", style="dim")
        page.line(line, prefix=head)


def _diff(page: Page, text: str) -> None:
    # The whole diff, never a part: a person cannot consent to lines that were left out.
    diff = diff_lines(text)
    _row(page, counts(diff.added, diff.removed), label="change")
    show_diff(page, diff, limit=None)


def lines_of(request: ApprovalRequest, width: int) -> int:
    """About how many lines of a terminal a request takes."""
    texts = (request.command, request.reason, request.diff)
    lines = (line for text in texts if text for line in text.split("\n"))
    return sum(1 + len(line.expandtabs()) // max(1, width - _HEAD_WIDTH) for line in lines)


def show_choices(page: Page, labels: list[tuple[str, str, bool]]) -> None:
    """Print the decisions on offer as (keys, label, grants)."""
    for keys, label, grants in labels:
        text = remote(label, "" if grants else "dim", one_line=True)
        page.line(text, prefix=_BAR.copy().append(f"[{keys}] ", style="bold"))


def resolution(event: ApprovalResolved) -> Text:
    """One line: what was decided and by whom, and whether the host knows."""
    who = {
        "person": "by you",
        "rule": "by a rule",
        "unattended": "because nobody may answer here",
        "elsewhere": "by the server",
    }.get(event.decided_by, f"by {event.decided_by}")
    text = Text.assemble(("→ ", "yellow"), remote(event.decision, "bold", one_line=True))
    text.append(" ").append_text(remote(who, one_line=True))
    if event.delivered is False:
        text.append(" — not delivered", style="red")
    elif event.delivered is None:
        text.append(" — it is not known whether the host received it", style="red")
    return text
