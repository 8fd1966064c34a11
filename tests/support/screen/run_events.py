"""A run as its events: everything that can come, told once."""

from collections.abc import Iterator

from remora.core.approval.request import ApprovalRequest, Choice, RequestKind
from remora.wire.reports import ErrorBody, NoticeBody
from remora.wire.reports.approval import requested
from remora.wire.reports.run import (
    ApprovalRequested,
    ApprovalResolved,
    CommandCompleted,
    CommandOutput,
    CommandStarted,
    CommandSummary,
    Connected,
    FileChange,
    FileChangeEntry,
    LinkLost,
    Message,
    OtherItem,
    Plan,
    PlanStep,
    Reasoning,
    Reconnected,
    Reconnecting,
    RunEvent,
    RunReport,
    TextDelta,
    ThreadReady,
    TokenUsage,
    TurnStarted,
    Warned,
)

THREAD = "0199a1f2-7c1e-7000-8000-2b6f0c9d1e11"
HOSTILE = "\x1b[31mred\x1b[0m \x1b]8;;http://evil\x07link\x1b]8;;\x07 [bold]markup[/bold] \u202eabc &#x202e;d \x9b2J"
"""Terminal escapes, a hyperlink, console markup, bidirectional overrides, a C1 control sequence."""

DIFF = """--- a/calculator.py
+++ b/calculator.py
@@ -1,2 +1,2 @@
 def add(first, second):
-    return first - second
+    return first + second
"""
ANSWER = """I looked at the **failing test**.

- `add` subtracts, which the long test name in the middle of this sentence says quite clearly
- `sub` is fine

```python
def add(first, second):

    return first + second
```

See [the guide](https://example.org/guide)."""
REQUEST = ApprovalRequest(
    request_id=3,
    kind=RequestKind.COMMAND,
    thread_id=THREAD,
    item_id="command-2",
    command="git push origin main",
    folder="/srv/app",
    reason="The push needs the network.",
    choices=(
        Choice("accept", "Yes, run it", "accept", grants=True),
        Choice("decline", "No, go on without it", "decline", grants=False),
    ),
)
ASKED = requested(REQUEST)
RESOLVED = ApprovalResolved(id=ASKED.id, digest=ASKED.digest, request_id=3, decision="decline", decided_by="person")
TOKENS = TokenUsage(input=12_000, cached_input=8_000, output=300, reasoning_output=20, total=12_300)
BROKEN = ErrorBody(
    code="connection-lost",
    stage="route",
    verdict="retry",
    message="The connection to devbox broke.",
    seen="",
    next="Wait; it is tried again.",
    host="devbox",
)
REPORT = RunReport(
    host="devbox",
    outcome="completed",
    exit_code=0,
    goes_on=False,
    thread_id=THREAD,
    turn_id="turn-1",
    folder="/srv/app",
    launch_mode="adopted",
    byte_path="proxy",
    final_message="All tests pass.",
    changed_files=["calculator.py"],
    commands=[
        CommandSummary(command="pytest -q", folder="/srv/app", status="failed", exit_code=1),
        CommandSummary(command="git push origin main", folder="/srv/app", status="declined"),
    ],
    approvals=[RESOLVED],
    token_usage=TOKENS,
    reconnects=1,
    seconds=75.3,
    continue_with=f"remora run --thread {THREAD} devbox 'go on'",
)


def pieces(item_id: str, text: str, *, size: int = 7) -> Iterator[TextDelta]:
    """`text` as it streams."""
    for start in range(0, len(text), size):
        yield TextDelta(item_id=item_id, text=text[start : start + size])


def whole_run() -> Iterator[RunEvent]:
    """Every kind of event, in an order that happens."""
    yield Connected(
        host="devbox",
        user="joe",
        hostname="devbox.example.org",
        launch_mode="detached",
        byte_path="unix-socket",
        server_version="0.169.0",
        server_owner=None,
        codex_path="/usr/bin/codex",
        notices=[NoticeBody(code="option", message="ForwardX11 is not honoured.")],
    )
    yield ThreadReady(
        thread_id=THREAD,
        folder="/srv/app",
        resumed=False,
        model="scripted",
        effort="high",
        sandbox="workspace-write",
        approval_policy="on-request",
    )
    yield TurnStarted(thread_id=THREAD, turn_id="turn-1")
    yield Reasoning(item_id="reasoning-1", text="The test says what is expected.")
    yield from pieces("message-1", ANSWER)
    yield Message(item_id="message-1", text=ANSWER)
    yield Plan(
        steps=[
            PlanStep(text="read the tests", status="completed"),
            PlanStep(text="repair add so that the whole suite passes again", status="in-progress"),
            PlanStep(text="push", status="pending"),
        ]
    )
    yield CommandStarted(item_id="command-1", command="pytest -q", folder="/srv/app/tests")
    for number in range(40):
        yield CommandOutput(item_id="command-1", text=f"line {number}\n")
    yield CommandCompleted(
        item_id="command-1",
        command="pytest -q",
        folder="/srv/app/tests",
        status="failed",
        exit_code=1,
        duration_ms=1_234,
        output=None,
    )
    yield from _edit_and_push()
    yield from _break_and_end()


def _edit_and_push() -> Iterator[RunEvent]:
    changes = [FileChangeEntry(path="calculator.py", change="update", diff=DIFF)]
    yield FileChange(item_id="change-1", status="in-progress", changes=changes)
    changes.append(FileChangeEntry(path="NOTES", change="add", diff="one\ntwo\n"))
    yield FileChange(item_id="change-1", status="completed", changes=changes)
    yield ASKED
    yield RESOLVED
    yield CommandCompleted(item_id="command-2", command="git push origin main", folder="/srv/app", status="declined")


def _break_and_end() -> Iterator[RunEvent]:
    yield LinkLost(error=BROKEN)
    yield Reconnecting(attempt=1, delay=0.5)
    yield Reconnecting(attempt=2, delay=1.5)
    yield Reconnected(launch_mode="adopted", byte_path="proxy")
    yield Warned(message="The model was slow.")
    yield OtherItem(item_id="search-1", item_type="web-search", status="completed", summary="python add")
    yield Message(item_id="message-2", text="All tests pass.")
    yield TOKENS
    yield REPORT


def hostile_run() -> Iterator[RunEvent]:
    """Terminal escapes in every text that the host controls."""
    bad = HOSTILE
    yield Connected(
        host="devbox",
        user="joe",
        hostname=bad,
        launch_mode="adopted",
        byte_path="proxy",
        server_version=bad,
        server_owner=bad,
        codex_path=bad,
        notices=[NoticeBody(code="x", message=bad)],
    )
    yield ThreadReady(thread_id=bad, folder=bad, resumed=True, model=bad, sandbox=bad, approval_policy=bad)
    yield Reasoning(item_id="r", text=bad)
    yield from pieces("m", bad)
    yield Message(item_id="m", text=f"{bad}\n\n```\n{bad}\n```\n# {bad}\n<b>{bad}</b> [{bad}](http://x/{bad})")
    yield Plan(steps=[PlanStep(text=bad, status=bad)], explanation=bad)
    yield CommandStarted(item_id="c", command=bad, folder=bad)
    yield CommandOutput(item_id="c", text=f"{bad}\r{bad}\n")
    yield CommandCompleted(item_id="c", command=bad, folder=bad, status=bad, exit_code=None, output=bad)
    yield FileChange(item_id="f", status=bad, changes=[FileChangeEntry(path=bad, change=bad, diff=f"+{bad}\n")])
    yield FileChange(
        item_id="g", status="completed", changes=[FileChangeEntry(path=bad, change="update", diff=f"@@\n+{bad}\n")]
    )
    yield ApprovalRequested(
        id="i", digest="d", request_id=1, request=bad, command=bad, folder=bad, reason=bad, diff=f"+{bad}\n", choices=[]
    )
    yield ApprovalResolved(id="i", digest="d", request_id=1, decision=bad, decided_by=bad, delivered=None)
    error = ErrorBody(code="x", stage="route", verdict="retry", message=bad, seen=bad, next=bad, host=bad)
    yield LinkLost(error=error)
    yield Warned(message=bad)
    yield OtherItem(item_id="o", item_type=bad, status=bad, summary=bad)
    yield RunReport(
        host="devbox",
        outcome=bad,
        exit_code=1,
        goes_on=True,
        thread_id=bad,
        folder=bad,
        launch_mode=bad,
        changed_files=[bad],
        commands=[CommandSummary(command=bad, folder=bad, status=bad)],
        approvals=[ApprovalResolved(id="i", digest="d", request_id=1, decision=bad, decided_by=bad)],
        continue_with=bad,
        error=error,
    )
