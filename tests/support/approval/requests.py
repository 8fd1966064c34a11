"""A request with every member set."""

from typing import Final

from remora.core.approval.request import ApprovalRequest, Choice, RequestKind, TerminalInput, ToolCall
from remora.core.thread.changes import ChangedFile

ACCEPT = Choice("accept", "Yes, this once", "accept", grants=True)
DECLINE = Choice("decline", "No", "decline", grants=False)
REQUEST: Final = ApprovalRequest(
    request_id=1,
    kind=RequestKind.COMMAND,
    thread_id="thread",
    parent_thread_id="parent",
    turn_id="turn",
    item_id="item",
    asked_at_ms=1_000,
    environment="local",
    command="git push",
    terminal_input=TerminalInput(terminal="1", text="y\n", runs="sh"),
    folder="/srv",
    opens="/etc",
    changes=(ChangedFile("a", "update", "@@ -1 +1 @@\n-a\n+b\n", "b"),),
    diff="the same, as one text",
    reason="It is needed.",
    permissions={"network": {"enabled": True}},
    additional_permissions={"fileSystem": {"write": ["/srv"]}},
    network={"host": "h", "protocol": "https"},
    tool=ToolCall(server="s", name="t", arguments={"a": 1}, description="It helps.", hints={"readOnlyHint": True}),
    asked_by="s",
    url="https://x.example",
    questions=({"id": "q", "question": "Which?", "options": [{"label": "a"}]},),
    choices=(ACCEPT, DECLINE),
    unknown={"new": 1},
)
