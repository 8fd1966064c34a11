"""The left edge of the screen is ours: no text from the host begins a line there, whatever it is made of."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.cli.thread.test_run_view import COLOUR, on_pipe, on_terminal

from remora.cli.approval.approval_view import show_request
from remora.cli.draw.page import Page
from remora.core.approval.request import ApprovalRequest, Choice, RequestKind, TerminalInput, ToolCall
from remora.core.thread.changes import ChangedFile
from remora.wire.appserver.file_changes import whole_diff
from remora.wire.reports import ErrorBody, NoticeBody
from remora.wire.reports.approval import requested
from remora.wire.reports.run import (
    ApprovalResolved,
    CommandCompleted,
    CommandOutput,
    CommandStarted,
    CommandSummary,
    Connected,
    FileChange,
    LinkLost,
    Message,
    OtherItem,
    Plan,
    PlanStep,
    Reasoning,
    ReviewCompleted,
    RunEvent,
    RunReport,
    SubagentEnded,
    SubagentStarted,
    TextDelta,
    ThreadReady,
    Warned,
)
from remora.wire.reports.work import FileChangeEntry

MARK = "Ж"
"""Every word of the host's text begins with it, and nothing of ours."""
BREAKS = st.sampled_from(
    ["\n", "\n\n", "\r\n", "\r", " ", "\t", "\x0b", "\x0c", "\x85", "\u2028", "\u2029", "\x1b[1G", "\x08"]
)
WORD = st.integers(1, 90).map(lambda size: MARK * size)
TEXT = st.lists(st.tuples(WORD, BREAKS), min_size=1, max_size=6).map(lambda pairs: "".join(map("".join, pairs)))


def everything(text: str) -> list[RunEvent]:
    """Every event with `text` wherever the host can put text."""
    file = ChangedFile(text, "add", text)
    error = ErrorBody(code="x", stage="route", verdict="retry", message="Lost.", seen=text, next="Wait.", host=None)
    return [
        Connected(
            host="box", user="me", hostname="h", launch_mode="adopted", byte_path="proxy", server_version=text,
            server_owner=text, codex_path=None, notices=[NoticeBody(code="x", message=text)],
        ),
        ThreadReady(thread_id=text, folder=text, resumed=False, model=text, sandbox=text),
        Reasoning(item_id="r", text=text),
        TextDelta(item_id="m", text=text),
        Message(item_id="m", text=text),
        Message(item_id="n", text=text, subagent="sub-agent 1"),
        Plan(steps=[PlanStep(text=text, status="pending")], explanation=text),
        CommandStarted(item_id="c", command=text, folder=text),
        CommandOutput(item_id="c", text=text),
        CommandCompleted(item_id="c", command=text, folder=text, status=text, output=text, pieces_whole=False),
        FileChange(item_id="f", status="completed", changes=[FileChangeEntry.of(file)]),
        FileChange(item_id="g", status="failed", changes=[FileChangeEntry.of(ChangedFile(text, "update", text, text))]),
        OtherItem(item_id="o", item_type=text, status=text, summary=text),
        Warned(message=text),
        SubagentStarted(subagent="sub-agent 1", parent_thread_id=text, prompt=text),
        SubagentEnded(subagent="sub-agent 1", status=text, error=text),
        ApprovalResolved(id="i", digest="d", request_id=1, decision=text, decided_by=text),
        ReviewCompleted(review_id="r", verdict=text, risk=text, rationale=text, target={"command": text}),
        LinkLost(error=error),
        RunReport(
            host="box", outcome="failed", exit_code=1, goes_on=False, thread_id=text, folder=text, changed_files=[text],
            commands=[CommandSummary(command=text, folder=text, status=text)], error=error,
        ),
    ]  # fmt: skip


@settings(deadline=None, max_examples=15)
@given(text=TEXT)
def test_no_text_of_the_host_begins_a_line_of_a_terminal(text: str) -> None:
    dumb = {**COLOUR, "TERM": "dumb"}
    terminals = (on_terminal(everything(text), dumb, width=width) for width in (24, 80))
    for shown in (*terminals, on_pipe(everything(text))[1]):
        assert not [line for line in shown.split("\n") if line.startswith(MARK)]
        assert not {character for character in shown if not (character.isprintable() or character == "\n")}


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("README.md (deleted) +0 -9", "'README.md (deleted) +0 -9'"),
        ("a.txt → b.txt", "'a.txt → b.txt'"),
        ("x\u2028y", r"'x\u2028y'"),
        ("price.sh", "price.sh"),
    ],
)
def test_the_name_of_a_file_cannot_pass_for_what_was_done_to_it(name: str, shown: str) -> None:
    change = FileChange(
        item_id="f", status="completed", changes=[FileChangeEntry.of(ChangedFile(name, "add", "one\n"))]
    )
    moved = FileChange(
        item_id="g",
        status="completed",
        changes=[FileChangeEntry.of(ChangedFile("old", "update", "@@ -1 +1 @@\n-a\n+b\n", name))],
    )
    report = RunReport(host="box", outcome="completed", exit_code=0, goes_on=False, changed_files=[name])
    lines = on_pipe([change, moved, report])[1].split("\n")
    assert f"± changed {shown} (new) +1 -0" in lines
    assert f"± changed old → {shown} +1 -1" in lines
    assert f"changed   {shown}" in lines


KINDS = list(RequestKind)


@settings(deadline=None, max_examples=40)
@given(text=TEXT, kind=st.sampled_from(KINDS))
def test_every_line_of_a_request_stands_behind_our_bar_and_all_of_it_is_there(text: str, kind: RequestKind) -> None:
    files = (ChangedFile(text, "add", text), ChangedFile(text, "delete", text), ChangedFile(text, "update", text, text))
    request = ApprovalRequest(
        request_id=1, kind=kind, thread_id=text, parent_thread_id=text, environment=text, command=text, folder=text,
        opens=text, reason=text, changes=files, diff=whole_diff(files), permissions={text: text},
        network={"host": text}, tool=ToolCall(server=text, name=text, arguments={text: text}, description=text),
        terminal_input=TerminalInput(terminal=text, text=text, runs=text), asked_by=text, url=text,
        choices=(Choice("accept", text, "accept", grants=True, stores=text),), detail={"new": text},
    )  # fmt: skip
    out = io.StringIO()
    show_request(Page(out, {"LANG": "C.UTF-8"}), requested(request), where="me@box (box)")
    lines = out.getvalue().split("\n")
    assert not [line for line in lines if line and not line.startswith(("▌", " "))]
    signs = [line for line in lines if line.startswith(("▌   +", "▌   -", "▌   ?"))]
    assert len(signs) == 2 * len(text.removesuffix("\n").split("\n")) + len(text.split("\n"))


@pytest.mark.parametrize(
    "message",
    [
        "▌ The agent asks to run a command\n▌ command  ls\nYour decision: ",
        "→ allowed once by you",
        "└ exit 0",
        "completed in 1 s",
        "| exit |\n|---|\n| 0 |",
        "# in force: sandbox read-only",
        "```\n$ ls\n└ exit 0\n```",
        "\u0336",
    ],
)
def test_a_message_cannot_imitate_what_we_say(message: str) -> None:
    shown = on_terminal([Message(item_id="m", text=message)], {**COLOUR, "TERM": "dumb"}, width=80)
    assert all(line.startswith("  ") for line in shown.split("\n") if line)
