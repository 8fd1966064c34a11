"""What the agent and its sub-agents do, as events of ``remora run``.

All texts are the remote side's own, unneutralised.
"""

from typing import ClassVar

import msgspec

from remora.core.thread.changes import ChangedFile, read_lines
from remora.wire.reports import Document


class ThreadEvent(Document, kw_only=True):
    """Something that happens in a thread. `subagent` is our name for the sub-agent whose thread it is.

    `None`: it is the thread of the run.
    """

    thread_id: str | None = None
    subagent: str | None = None


class SubagentStarted(ThreadEvent, kw_only=True):
    """A sub-agent begins a turn. What it does follows with its `subagent`, among everything else."""

    kind: ClassVar[str] = "subagent-started"
    parent_thread_id: str
    """The thread whose agent started it."""
    turn_id: str | None = None
    name: str | None = None
    """What the server calls it."""
    prompt: str | None = None


class SubagentEnded(ThreadEvent, kw_only=True):
    """A sub-agent's turn ended. The run goes on."""

    kind: ClassVar[str] = "subagent-ended"
    turn_id: str | None = None
    status: str
    """``completed``, ``failed`` or ``interrupted``."""
    error: str | None = None


class TextDelta(ThreadEvent, kw_only=True):
    """A piece of the agent's answer."""

    kind: ClassVar[str] = "text-delta"
    item_id: str
    text: str


class Message(ThreadEvent, kw_only=True):
    """One complete message of the agent; its deltas, if any, came before."""

    kind: ClassVar[str] = "message"
    item_id: str
    text: str


class Reasoning(ThreadEvent, kw_only=True):
    """A summary of the agent's reasoning, complete."""

    kind: ClassVar[str] = "reasoning"
    item_id: str
    text: str


class CommandStarted(ThreadEvent, kw_only=True):
    """The agent runs a command on the host."""

    kind: ClassVar[str] = "command-started"
    item_id: str
    command: str
    folder: str


class CommandOutput(ThreadEvent, kw_only=True):
    """A piece of a running command's output."""

    kind: ClassVar[str] = "command-output"
    item_id: str
    text: str


class CommandCompleted(ThreadEvent, kw_only=True):
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
    """One file of a change: `change` is ``add``, ``delete`` or ``update``.

    `diff` is the bare content of an added or deleted file, and the hunks of an update; `moved_to` is where an updated
    file is moved, `None`: it stays. `added` and `removed` count lines; `None`: the diff is not well-formed.
    """

    path: str
    change: str
    diff: str
    moved_to: str | None = None
    added: int | None = None
    removed: int | None = None

    @classmethod
    def of(cls, file: ChangedFile) -> "FileChangeEntry":
        """The change of one file, with its counts."""
        lines = read_lines(file.change, file.diff)
        return cls(
            path=file.path,
            change=file.change,
            diff=file.diff,
            moved_to=file.moved_to,
            added=lines.added,
            removed=lines.removed,
        )


class FileChange(ThreadEvent, kw_only=True):
    """The agent changed files, or wants to (`status` ``in-progress``, ``completed``, ``failed``, ``declined``)."""

    kind: ClassVar[str] = "file-change"
    item_id: str
    status: str
    changes: list[FileChangeEntry]


class PlanStep(msgspec.Struct, kw_only=True):
    """One step of the agent's plan: ``pending``, ``in-progress`` or ``completed``."""

    text: str
    status: str


class Plan(ThreadEvent, kw_only=True):
    """The agent's plan as it stands now."""

    kind: ClassVar[str] = "plan"
    steps: list[PlanStep]
    explanation: str | None = None


class OtherItem(ThreadEvent, kw_only=True):
    """An item without a view of its own: a tool call, a web search, a review mode change."""

    kind: ClassVar[str] = "item"
    item_id: str
    item_type: str
    status: str
    summary: str


class Warned(ThreadEvent, kw_only=True):
    """The app server or remora warns of something. `standing`: the server says it of itself, again with each run."""

    kind: ClassVar[str] = "warning"
    message: str
    standing: bool = False


class TokenUsage(ThreadEvent, kw_only=True):
    """Tokens of the whole thread so far."""

    kind: ClassVar[str] = "token-usage"
    input: int
    cached_input: int
    output: int
    reasoning_output: int
    total: int
