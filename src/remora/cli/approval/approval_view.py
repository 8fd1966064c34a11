"""A request for a decision, with all that a person needs to decide.

Every row begins with our bar, and what came from the host stands to the right of it and of a label: no text of it can
begin a row. Nothing is left out.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from rich.cells import cell_len
from rich.text import Text

from remora.cli.draw.diff import counts, show_lines
from remora.cli.draw.page import Page, remote
from remora.cli.draw.short_forms import quoted
from remora.core.lookalikes import lookalikes
from remora.core.text import escape_breaks
from remora.core.thread.changes import read_lines
from remora.wire.reports.approval import ApprovalRequested, ChoiceBody, ToolBody

_ASKS: Final = {
    "command": "asks to run a command",
    "terminal-input": "asks to type into a running program",
    "network": "asks for network access",
    "file-change": "asks to change files",
    "permissions": "asks for permissions",
    "user-input": "has a question",
    "mcp-tool": "asks to call a tool",
    "elicitation": "has a question from a tool",
}
_BLIND: Final = {
    "command": ("command", "the server does not say which command"),
    "terminal-input": ("command", "the server does not say what is typed"),
    "network": ("network", "the server does not say which host"),
    "file-change": ("change", "the server does not say which changes"),
    "permissions": ("permits", "the server does not say which permissions"),
    "mcp-tool": ("with", "the server does not say with which arguments"),
}
_LABEL_WIDTH: Final = 9
_BAR: Final = Text("▌ ", style="yellow")
_HERE: Final = "local"
"""Codex calls the host that it runs on so, which is not what is local here."""
_RENAMED: Final = {"autoResolutionMs": "answers itself after milliseconds"}


def show_request(page: Page, request: ApprovalRequested, *, where: str | None) -> None:
    """Print what is asked. `where` names the user and host that a granting answer would act on; `None`: not here."""
    who = request.subagent.capitalize() if request.subagent else "The agent"
    asks = _ASKS.get(request.request, "asks for a decision")
    page.line()
    _row(page, remote(f"{who} {asks}" + (" (still open)" if request.again else ""), "bold yellow", one_line=True))
    if where is not None:
        _row(page, _exact(where), label="host")
    for label, text in _facts(request):
        _row(page, text, label=label)
    for entry in request.changes:
        lines = read_lines(entry.change, entry.diff)
        head = Text.assemble(_exact(f"{entry.change} {quoted(entry.path)}", "bold"), " ")
        if entry.moved_to is not None:
            head.append("and move it to ").append_text(_exact(quoted(entry.moved_to), "bold")).append(" ")
        _row(page, head.append_text(counts(lines)), label="change")
        # The whole change, never a part: a person cannot consent to lines that were left out.
        show_lines(page, lines, bar=_BAR.copy().append("  "), limit=None)
    if not any(choice.grants for choice in request.choices) and request.choices:
        label, words = _BLIND.get(request.request, ("answer", "this cannot be granted here"))
        _row(page, Text(f"{words}: it can only be denied", style="bold red"), label=label)
    for name in _odd_characters(request):
        _row(page, Text(f"a character that looks like another one: {name}", style="bold red"), label="note")


def _facts(request: ApprovalRequested) -> Iterator[tuple[str, Text]]:
    yield from _place(request)
    yield from _action(request)
    for label, document in (
        ("network", request.network),
        ("permits", request.permissions),
        ("permits", request.additional_permissions),
    ):
        if document is not None:
            yield label, _json(document)
    if request.asked_by:
        yield "server", _exact(request.asked_by)
    if request.tool is not None:
        yield from _tool(request.tool)
    if request.url:
        yield "opens", _exact(request.url, "bold")
    if request.reason:
        yield "reason", remote(request.reason)
    yield from _rest(request.unknown)


def _place(request: ApprovalRequested) -> Iterator[tuple[str, Text]]:
    if request.subagent is not None:
        yield "thread", _exact(f"{request.thread_id}, started by {request.parent_thread_id}")
    if request.environment not in (None, _HERE):
        yield "runs in", _exact(str(request.environment), "bold")
    if request.folder:
        yield "folder", _exact(request.folder)
    if request.opens:
        yield "opens", _exact(f"{request.opens} for writing", "bold")


def _action(request: ApprovalRequested) -> Iterator[tuple[str, Text]]:
    if request.terminal_input is not None:
        typed = request.terminal_input
        yield "program", _exact(f"terminal {typed.terminal}" + (f": {typed.runs}" if typed.runs else ""))
        yield "types", _exact(typed.text, "bold")
    elif request.command and request.request != "network":
        yield "command", remote(request.command.replace("\r\n", "\\x0d\n"), "bold")  # a shell takes it for a character


def _tool(tool: ToolBody) -> Iterator[tuple[str, Text]]:
    yield "tool", _exact(tool.name, "bold") if tool.name else Text("the server does not name it but below", style="dim")
    yield "with", _json(tool.arguments)
    if tool.read_only is True and tool.destructive is not True:
        effect, style = "only reads", ""
    elif tool.destructive is False and tool.read_only is not True:
        effect, style = "changes things, destroys nothing", ""
    else:
        effect, style = "may destroy", "bold red"
    yield "effect", Text(f"{effect} ({'by its own word' if tool.hints else 'it does not say'})", style=style)
    if tool.hints:
        yield "hints", _json(tool.hints)
    if tool.description:
        yield "it says", remote(tool.description)


def _rest(unknown: dict[str, Any]) -> Iterator[tuple[str, Text]]:
    """What the server tells that has no row: whatever it means, it is shown."""
    if unknown:
        yield "also", _json({_RENAMED.get(name, name): value for name, value in unknown.items()})


def _odd_characters(request: ApprovalRequested) -> list[str]:
    texts = [request.command, request.folder, request.opens, request.url, request.asked_by]
    texts += [each for entry in request.changes for each in (entry.path, entry.moved_to)]
    if request.terminal_input is not None:
        texts.append(request.terminal_input.text)
    if request.tool is not None:
        texts += [request.tool.name, json.dumps(request.tool.arguments, ensure_ascii=False)]
    if request.network is not None:
        texts.append(json.dumps(request.network, ensure_ascii=False))
    return list(dict.fromkeys(name for text in texts if text for name in lookalikes(text)))


def _row(page: Page, text: Text, *, label: str = "") -> None:
    for number, line in enumerate(text.split("\n", allow_blank=True)):
        head = _BAR.copy()
        if label:
            head.append(f"{'' if number else label:<{_LABEL_WIDTH}}", style="dim")
        page.line(line, prefix=head)


def _exact(text: str, style: str = "") -> Text:
    """Text in one row, with each of its characters."""
    return Text(escape_breaks(text, limit=None), style=style)


def _json(value: Any) -> Text:
    """A document, whole; what is not ASCII stands as an escape."""
    return Text(json.dumps(value, indent=2, ensure_ascii=True), style="bold")


def lines_of(request: ApprovalRequested, width: int) -> int:
    """About how many lines of a terminal a request takes."""
    texts = [text.plain for _, text in _facts(request)]
    texts += [text for entry in request.changes for text in (f"{entry.path} {entry.moved_to}", entry.diff)]
    texts += [text for choice in request.choices for text in (choice.label, choice.stores) if text]
    if request.questions:
        texts.append(json.dumps(request.questions, indent=2))
    lines = (line for text in texts for line in text.split("\n"))
    room = max(1, width - len(_BAR) - _LABEL_WIDTH)
    return sum(1 + cell_len(line.expandtabs()) // room for line in lines)


def show_choices(page: Page, choices: list[tuple[str, ChoiceBody]]) -> None:
    """Print the decisions on offer, each with the keys that choose it."""
    for keys, choice in choices:
        page.line(
            _exact(choice.label, "" if choice.grants else "dim"), prefix=_BAR.copy().append(f"[{keys}] ", style="bold")
        )
        if choice.stores:
            page.line(_exact(choice.stores, "dim"), prefix=_BAR.copy().append("    ", style="dim"))
