"""The event stream of ``remora run``: what a program reads with ``--json`` and what the terminal shows.

Order: ``connected``, ``thread``, ``turn-started``, then items as they come, and one ``report`` at the end.
``link-lost`` … ``reconnected`` may come at any point; nothing that was shown before is sent again after it.
All texts are the remote side's own, unneutralised: JSON escapes them, and the terminal view neutralises.
"""

from collections.abc import Iterable
from typing import ClassVar

import msgspec

from remora.core.remains import HostProcess
from remora.wire.reports import Document, ErrorBody, NoticeBody


class Connected(Document, kw_only=True):
    """The app server answered. `launch_mode` and `byte_path` use the words of docs/architecture.md."""

    kind: ClassVar[str] = "connected"
    host: str
    user: str
    hostname: str
    launch_mode: str
    byte_path: str
    server_version: str | None
    server_owner: str | None
    codex_path: str | None
    notices: list[NoticeBody] = []


class ThreadReady(Document, kw_only=True):
    """A thread is open. What stands here is what the server says is in force, not what was asked."""

    kind: ClassVar[str] = "thread"
    thread_id: str
    folder: str
    resumed: bool
    model: str | None = None
    effort: str | None = None
    sandbox: str | None = None
    approval_policy: str | None = None


class TurnStarted(Document, kw_only=True):
    """The server took the prompt."""

    kind: ClassVar[str] = "turn-started"
    thread_id: str
    turn_id: str


class TextDelta(Document, kw_only=True):
    """A piece of the agent's answer."""

    kind: ClassVar[str] = "text-delta"
    item_id: str
    text: str


class Message(Document, kw_only=True):
    """One complete message of the agent; its deltas, if any, came before."""

    kind: ClassVar[str] = "message"
    item_id: str
    text: str


class Reasoning(Document, kw_only=True):
    """A summary of the agent's reasoning, complete."""

    kind: ClassVar[str] = "reasoning"
    item_id: str
    text: str


class CommandStarted(Document, kw_only=True):
    """The agent runs a command on the host."""

    kind: ClassVar[str] = "command-started"
    item_id: str
    command: str
    folder: str


class CommandOutput(Document, kw_only=True):
    """A piece of a running command's output."""

    kind: ClassVar[str] = "command-output"
    item_id: str
    text: str


class CommandCompleted(Document, kw_only=True):
    """A command ended. `status` is ``completed``, ``failed`` or ``declined``; `output` is the whole output."""

    kind: ClassVar[str] = "command-completed"
    item_id: str
    command: str
    folder: str
    status: str
    exit_code: int | None = None
    duration_ms: int | None = None
    output: str | None = None
    pieces_whole: bool = True
    """False: the pieces that came before are not the whole output; `output` is."""
    missed_beginning: str | None = None
    """What of `output` stands before the first piece, where only that is missing."""


class FileChangeEntry(msgspec.Struct, kw_only=True):
    """One file of a change: `change` is ``add``, ``delete`` or ``update``; `diff` is unified where there is one.

    `moved_to` is where an updated file is moved; `None`: it stays.
    """

    path: str
    change: str
    diff: str
    moved_to: str | None = None


class FileChange(Document, kw_only=True):
    """The agent changed files, or wants to (`status` ``in-progress``, ``completed``, ``failed``, ``declined``)."""

    kind: ClassVar[str] = "file-change"
    item_id: str
    status: str
    changes: list[FileChangeEntry]


class PlanStep(msgspec.Struct, kw_only=True):
    """One step of the agent's plan: ``pending``, ``in-progress`` or ``completed``."""

    text: str
    status: str


class Plan(Document, kw_only=True):
    """The agent's plan as it stands now."""

    kind: ClassVar[str] = "plan"
    steps: list[PlanStep]
    explanation: str | None = None


class OtherItem(Document, kw_only=True):
    """An item without a view of its own: a tool call, a web search, a review mode change."""

    kind: ClassVar[str] = "item"
    item_id: str
    item_type: str
    status: str
    summary: str


class Warned(Document, kw_only=True):
    """The app server or remora warns of something."""

    kind: ClassVar[str] = "warning"
    message: str


class TokenUsage(Document, kw_only=True):
    """Tokens of the whole thread so far."""

    kind: ClassVar[str] = "token-usage"
    input: int
    cached_input: int
    output: int
    reasoning_output: int
    total: int


class ChoiceBody(msgspec.Struct, kw_only=True):
    """One decision on offer."""

    name: str
    label: str
    grants: bool


class ApprovalRequested(Document, kw_only=True):
    """The agent waits for a decision. `request` is ``command``, ``file-change``, ``permissions``, ``user-input`` …"""

    kind: ClassVar[str] = "approval-requested"
    request_id: str | int
    request: str
    item_id: str | None = None
    command: str | None = None
    folder: str | None = None
    diff: str | None = None
    reason: str | None = None
    choices: list[ChoiceBody] = []
    again: bool = False
    """True when the request was shown before a reconnect and is still open."""


class ApprovalResolved(Document, kw_only=True):
    """A request is answered: by us (`decided_by` ``person``, ``rule``, ``unattended``) or ``elsewhere``."""

    kind: ClassVar[str] = "approval-resolved"
    request_id: str | int
    decision: str
    decided_by: str
    delivered: bool | None = True
    """False or null: the answer was not, or may not have been, received."""


class LinkLost(Document, kw_only=True):
    """The SSH connection broke; the turn may go on at the host."""

    kind: ClassVar[str] = "link-lost"
    error: ErrorBody


class Reconnecting(Document, kw_only=True):
    """The next attempt starts after `delay` seconds."""

    kind: ClassVar[str] = "reconnecting"
    attempt: int
    delay: float


class Reconnected(Document, kw_only=True):
    """The thread is open again; events missed meanwhile follow, each once."""

    kind: ClassVar[str] = "reconnected"
    launch_mode: str
    byte_path: str


class CommandSummary(msgspec.Struct, kw_only=True):
    """One command of the turn and how it ended; `status` is ``unfinished`` when that was not seen."""

    command: str
    folder: str
    status: str
    exit_code: int | None = None


class ProcessBody(msgspec.Struct, kw_only=True):
    """A process on the host."""

    pid: int
    command: str


class RunReport(Document, kw_only=True):
    """How the run ended; always the last line.

    `outcome` is ``completed``, ``failed``, ``interrupted``, ``left`` (we stopped watching, the turn goes
    on) or ``unknown``. `exit_code` is the exit status of the command. `goes_on` says whether work may
    still be under way at the host.
    """

    kind: ClassVar[str] = "report"
    host: str
    outcome: str
    exit_code: int
    goes_on: bool
    thread_id: str | None = None
    turn_id: str | None = None
    folder: str | None = None
    launch_mode: str | None = None
    byte_path: str | None = None
    final_message: str | None = None
    changed_files: list[str] = []
    commands: list[CommandSummary] = []
    approvals: list[ApprovalResolved] = []
    token_usage: TokenUsage | None = None
    reconnects: int = 0
    seconds: float = 0.0
    continue_with: str | None = None
    """A command line that continues the thread."""
    unfinished: ErrorBody | None = None
    """What may still be under way at the host because of this run, and how to end it: `goes_on` in words."""
    still_running: list[ProcessBody] = []
    """Processes that commands of a stopped turn left on the host."""
    notices: list[NoticeBody] = []
    error: ErrorBody | None = None


def process_bodies(processes: Iterable[HostProcess]) -> list[ProcessBody]:
    """The public form of processes on a host."""
    return [ProcessBody(pid=process.pid, command=process.command) for process in processes]


RunEvent = (
    Connected
    | ThreadReady
    | TurnStarted
    | TextDelta
    | Message
    | Reasoning
    | CommandStarted
    | CommandOutput
    | CommandCompleted
    | FileChange
    | Plan
    | OtherItem
    | Warned
    | TokenUsage
    | ApprovalRequested
    | ApprovalResolved
    | LinkLost
    | Reconnecting
    | Reconnected
    | RunReport
)
