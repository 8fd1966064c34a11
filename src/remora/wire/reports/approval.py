"""What the agent asks, what was decided, and what an automatic reviewer decided, as events of ``remora run``.

All texts are the remote side's own, unneutralised.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from remora.core.approval.request import ApprovalRequest, Choice
from remora.wire.reports.work import FileChangeEntry, ThreadEvent


class ChoiceBody(msgspec.Struct, kw_only=True):
    """One decision on offer. `value` goes to the server; `stores` says what it keeps beyond this request, and where."""

    name: str
    label: str
    value: Any = None
    grants: bool
    stores: str | None = None


class ToolBody(msgspec.Struct, kw_only=True):
    """The call of an MCP tool; `hints` is all that the tool says of itself, `arguments` all that it would get."""

    server: str | None = None
    name: str | None = None
    arguments: Any = None
    description: str | None = None
    read_only: bool | None = None
    destructive: bool | None = None
    hints: dict[str, Any] = {}


class TerminalInputBody(msgspec.Struct, kw_only=True):
    """Text for a program that runs already, in the server's terminal of that number."""

    terminal: str
    text: str
    runs: str | None = None
    """The command that started the program, where that was seen."""


class ApprovalRequested(ThreadEvent, kw_only=True):
    """The agent waits for a decision, with all that the server tells of it.

    `request` is ``command``, ``terminal-input``, ``network``, ``file-change``, ``permissions``, ``user-input``,
    ``mcp-tool`` or ``elicitation``. `detail` is the server's request as it came.
    """

    kind: ClassVar[str] = "approval-requested"
    id: str
    """Names this request; it is the same when the request is shown again after a reconnect."""
    digest: str
    """SHA-256 of the RFC 8785 form of all that determines what a yes does; a decision counts for this digest only."""
    request_id: str | int
    """The server's own id, which begins at 0 again with each server."""
    asked_at_ms: int | None = None
    """When the server began to ask, in milliseconds since 1970 by its clock."""
    request: str
    parent_thread_id: str | None = None
    """The thread whose agent started the sub-agent that asks."""
    turn_id: str | None = None
    item_id: str | None = None
    environment: str | None = None
    """Where it would run; ``local`` is the host."""
    command: str | None = None
    terminal_input: TerminalInputBody | None = None
    folder: str | None = None
    opens: str | None = None
    """A folder that a yes opens for writing."""
    changes: list[FileChangeEntry] = []
    diff: str | None = None
    """`changes` as one text."""
    reason: str | None = None
    permissions: dict[str, Any] | None = None
    additional_permissions: dict[str, Any] | None = None
    """What the command would have beyond its sandbox."""
    network: dict[str, Any] | None = None
    tool: ToolBody | None = None
    asked_by: str | None = None
    """The MCP server that asks."""
    url: str | None = None
    questions: list[dict[str, Any]] = []
    choices: list[ChoiceBody] = []
    unknown: dict[str, Any] = {}
    """What the server tells beyond all this, by the server's own names."""
    detail: dict[str, Any] = {}
    again: bool = False
    """True when the request was shown before a reconnect and is still open."""


class ApprovalResolved(ThreadEvent, kw_only=True):
    """A request is answered: by us (`decided_by` ``person``, ``rule``, ``unattended``) or ``elsewhere``.

    `id` and `digest` are those of the ``approval-requested`` event.
    """

    kind: ClassVar[str] = "approval-resolved"
    id: str
    digest: str
    request_id: str | int
    decision: str
    decided_by: str
    delivered: bool | None = True
    """False or null: the answer was not, or may not have been, received."""


class ReviewStarted(ThreadEvent, kw_only=True):
    """Codex's automatic reviewer looks at what would otherwise be asked here. Nobody is asked meanwhile."""

    kind: ClassVar[str] = "review-started"
    review_id: str
    turn_id: str | None = None
    item_id: str | None = None
    target: dict[str, Any] = {}
    """What is reviewed, as the server tells it: its `type`, and a command, files, a host, a tool."""


class ReviewCompleted(ThreadEvent, kw_only=True):
    """What the automatic reviewer decided. `verdict` is ``approved``, ``denied`` or another word of the server."""

    kind: ClassVar[str] = "review-completed"
    review_id: str
    turn_id: str | None = None
    item_id: str | None = None
    target: dict[str, Any] = {}
    verdict: str
    risk: str | None = None
    authorization: str | None = None
    """How far the user's words cover it, as the reviewer sees it."""
    rationale: str | None = None
    decided_by: str | None = None


def requested(request: ApprovalRequest, *, again: bool = False) -> ApprovalRequested:
    """The public form of a request."""
    tool, typed = request.tool, request.terminal_input
    return ApprovalRequested(
        id=request.id,
        digest=request.digest,
        asked_at_ms=request.asked_at_ms,
        request_id=request.request_id,
        request=request.kind.value,
        thread_id=request.thread_id or None,
        parent_thread_id=request.parent_thread_id,
        turn_id=request.turn_id,
        item_id=request.item_id,
        environment=request.environment,
        command=request.command,
        terminal_input=TerminalInputBody(terminal=typed.terminal, text=typed.text, runs=typed.runs) if typed else None,
        folder=request.folder,
        opens=request.opens,
        changes=[FileChangeEntry.of(file) for file in request.changes],
        diff=request.diff,
        reason=request.reason,
        permissions=_object(request.permissions),
        additional_permissions=_object(request.additional_permissions),
        network=_object(request.network),
        tool=ToolBody(
            server=tool.server,
            name=tool.name,
            arguments=tool.arguments,
            description=tool.description,
            read_only=_flag(tool.hints.get("readOnlyHint")),
            destructive=_flag(tool.hints.get("destructiveHint")),
            hints=dict(tool.hints),
        )
        if tool
        else None,
        asked_by=request.asked_by,
        url=request.url,
        questions=[dict(question) for question in request.questions],
        choices=choice_bodies(request.choices),
        unknown=dict(request.unknown),
        detail=dict(request.detail),
        again=again,
    )


def choice_bodies(choices: Sequence[Choice]) -> list[ChoiceBody]:
    """The public form of the decisions on offer."""
    return [
        ChoiceBody(name=each.name, label=each.label, value=each.value, grants=each.grants, stores=each.stores)
        for each in choices
    ]


def _object(value: Any) -> dict[str, Any] | None:
    return None if value is None else dict(value)


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None
