"""The event stream of ``remora run``: what a program reads with ``--json`` and what the terminal shows.

Order: ``connected``, ``thread``, ``turn-started``, then items as they come (:mod:`remora.wire.reports.work`), what is
asked and reviewed (:mod:`remora.wire.reports.approval`), and one ``report`` at the end.
``link-lost`` … ``reconnected`` may come at any point; nothing that was shown before is sent again after it.
All texts are the remote side's own, unneutralised: JSON escapes them, and the terminal view neutralises.
"""

from collections.abc import Iterable
from typing import ClassVar

import msgspec

from remora.core.thread.remains import HostProcess
from remora.wire.reports import Document, ErrorBody, NoticeBody
from remora.wire.reports.approval import ApprovalRequested, ApprovalResolved, ChoiceBody, ReviewCompleted, ReviewStarted
from remora.wire.reports.work import (
    CommandCompleted,
    CommandOutput,
    CommandStarted,
    FileChange,
    FileChangeEntry,
    Message,
    OtherItem,
    Plan,
    PlanStep,
    Reasoning,
    SubagentEnded,
    SubagentStarted,
    TextDelta,
    TokenUsage,
    Warned,
)

__all__ = [
    "ApprovalRequested",
    "ApprovalResolved",
    "ChoiceBody",
    "CommandCompleted",
    "CommandOutput",
    "CommandStarted",
    "CommandSummary",
    "Connected",
    "FileChange",
    "FileChangeEntry",
    "LinkLost",
    "Message",
    "OtherItem",
    "Plan",
    "PlanStep",
    "Reasoning",
    "Reconnected",
    "Reconnecting",
    "ReviewCompleted",
    "ReviewStarted",
    "RunEvent",
    "RunReport",
    "SubagentEnded",
    "SubagentStarted",
    "SubagentSummary",
    "TextDelta",
    "ThreadReady",
    "TokenUsage",
    "TurnStarted",
    "Warned",
]


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


class BroughtBody(msgspec.Struct, kw_only=True):
    """One thing that a repository brings: `what` is ``mcp-server``, ``hook``, ``rule``, ``program``, ``safety``, …"""

    what: str
    name: str
    detail: str = ""


class TrustBody(msgspec.Struct, kw_only=True):
    """What the repository of the folder brings, and whether it is in force in this thread.

    `trusted_by` is ``codex`` (the host's configuration trusts it), ``answer`` (a person was asked), ``option``
    (``--trust-folder``), ``manifest`` (provisioning was given its hash) or null: nothing of it is in force.
    `hash` is null where nobody can vouch for the content; `problem` then says why.
    """

    trusted_by: str | None
    hash: str | None
    folder: str
    brings: list[BroughtBody] = []
    problem: str | None = None


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
    trust: TrustBody | None = None
    """Null where the repository brings nothing that depends on trust."""


class TurnStarted(Document, kw_only=True):
    """The server took the prompt."""

    kind: ClassVar[str] = "turn-started"
    thread_id: str
    turn_id: str


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
    subagent: str | None = None


class SubagentSummary(msgspec.Struct, kw_only=True):
    """One sub-agent of the turn; `status` is ``unfinished`` when its end was not seen."""

    subagent: str
    thread_id: str
    parent_thread_id: str
    status: str
    name: str | None = None


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
    reviews: list[ReviewCompleted] = []
    subagents: list[SubagentSummary] = []
    trust: TrustBody | None = None
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
    | SubagentStarted
    | SubagentEnded
    | ApprovalRequested
    | ApprovalResolved
    | ReviewStarted
    | ReviewCompleted
    | LinkLost
    | Reconnecting
    | Reconnected
    | RunReport
)
