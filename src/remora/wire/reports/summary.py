"""The closing report, gathered from the events as they pass."""

import shlex
from collections.abc import Sequence

import msgspec

from remora.core.approval.request import UNATTENDED
from remora.core.errors import Code, Denied, ExitCode, NeedsPerson, RemoraError, TaskFailed
from remora.core.thread.remains import Remains, remains_problem, subagents_left, turn_elsewhere, turn_left
from remora.wire.reports import NoticeBody, error_body
from remora.wire.reports.run import (
    ApprovalRequested,
    ApprovalResolved,
    CommandCompleted,
    CommandStarted,
    CommandSummary,
    Connected,
    FileChange,
    Message,
    Reconnected,
    ReviewCompleted,
    RunEvent,
    RunReport,
    SubagentEnded,
    SubagentStarted,
    SubagentSummary,
    ThreadReady,
    TokenUsage,
    TurnStarted,
    process_bodies,
)

_EXIT_CODES = {
    "completed": ExitCode.DONE,
    "failed": ExitCode.TASK_FAILED,
    "interrupted": ExitCode.INTERRUPTED,
    "left": ExitCode.INTERRUPTED,
    "unknown": ExitCode.PROTOCOL,
}
_CUT_SHORT = ("interrupted", "left")
_CANCELS = ("cancel", "abort")
_UNFINISHED = "unfinished"


class Summary:
    """Remembers what the report needs; every event passes :meth:`note` once.

    `options` are those of the command line that hold for the thread, not only for one prompt.
    """

    def __init__(self, alias: str, options: Sequence[str] = ()) -> None:
        self._alias = alias
        self._options = tuple(options)
        self._connected: Connected | None = None
        self._thread: ThreadReady | None = None
        self._way: tuple[str, str] | None = None
        self._turn_id: str | None = None
        self._message: str | None = None
        self._files: dict[str, None] = {}
        self._commands: list[CommandSummary] = []
        self._running: dict[tuple[str | None, str], CommandSummary] = {}
        self._asked: dict[str | int, str] = {}
        self._approvals: list[ApprovalResolved] = []
        self._reviews: list[ReviewCompleted] = []
        self._subagents: dict[str, SubagentSummary] = {}
        self._usage: TokenUsage | None = None
        self._reconnects = 0

    def note(self, event: RunEvent) -> None:
        """Take what the report needs from `event`."""
        match event:
            case Connected():
                self._connected = event
                self._way = (event.launch_mode, event.byte_path)
            case Reconnected():
                self._reconnects += 1
                self._way = (event.launch_mode, event.byte_path)
            case ThreadReady():
                self._thread = event
            case TurnStarted():
                self._turn_id = event.turn_id
            case Message(subagent=None):
                self._message = event.text
            case FileChange(status="completed"):
                self._files |= dict.fromkeys(entry.path for entry in event.changes)
            case TokenUsage(subagent=None):
                self._usage = event
            case _:
                self._note_work(event)

    def _note_work(self, event: RunEvent) -> None:
        match event:
            case CommandStarted() | CommandCompleted():
                self._note_command(event)
            case ApprovalRequested() | ApprovalResolved():
                self._note_approval(event)
            case ReviewCompleted():
                self._reviews.append(event)
            case SubagentStarted() | SubagentEnded():
                self._note_subagent(event)

    def _note_command(self, event: CommandStarted | CommandCompleted) -> None:
        key = (event.thread_id, event.item_id)
        summary = CommandSummary(
            command=event.command,
            folder=event.folder,
            status=_UNFINISHED if isinstance(event, CommandStarted) else event.status,
            exit_code=None if isinstance(event, CommandStarted) else event.exit_code,
            subagent=event.subagent,
        )
        if isinstance(event, CommandStarted):
            self._running[key] = summary
        else:
            self._running.pop(key, None)
            self._commands.append(summary)

    def _note_subagent(self, event: SubagentStarted | SubagentEnded) -> None:
        label = event.subagent or ""
        if isinstance(event, SubagentStarted):
            self._subagents[label] = SubagentSummary(
                subagent=label,
                thread_id=event.thread_id or "",
                parent_thread_id=event.parent_thread_id,
                status=_UNFINISHED,
                name=event.name,
            )
        elif label in self._subagents:
            self._subagents[label].status = event.status

    def _note_approval(self, event: ApprovalRequested | ApprovalResolved) -> None:
        if isinstance(event, ApprovalResolved):
            self._approvals.append(event)
        else:
            self._asked[event.request_id] = _gist(event)

    def report(
        self,
        outcome: str,
        *,
        goes_on: bool,
        seconds: float,
        error: RemoraError | None,
        interrupted: bool,
        reason: RemoraError | None,
        remains: Remains | None = None,
    ) -> RunReport:
        """The last document. `interrupted` says that the run was asked to stop, `reason` why, if not by the user.

        That decides the exit code of a run that came to no end of its own. `remains` is what is left of a stopped turn.
        """
        mode, path = self._way or (None, None)
        reason = reason if outcome in _CUT_SHORT else None
        cause = error or reason or self._cause(outcome, interrupted=interrupted)
        thread = self._thread
        moved = error is not None and error.code == Code.HOST_CHANGED
        unfinished = self._unfinished(remains, outcome, goes_on=goes_on, moved=moved)
        return RunReport(
            host=self._alias,
            outcome=outcome,
            exit_code=int(reason.exit_code) if reason else self._exit_code(outcome, error, interrupted=interrupted),
            goes_on=unfinished is not None,
            thread_id=thread.thread_id if thread else None,
            turn_id=self._turn_id,
            folder=thread.folder if thread else None,
            launch_mode=mode,
            byte_path=path,
            final_message=self._message,
            changed_files=list(self._files),
            commands=[*self._commands, *self._running.values()],
            approvals=self._approvals,
            reviews=self._reviews,
            subagents=list(self._subagents.values()),
            trust=thread.trust if thread else None,
            token_usage=self._usage,
            reconnects=self._reconnects,
            seconds=seconds,
            continue_with=shlex.join(
                ["remora", "run", self._alias, "--thread", thread.thread_id, *self._options, "PROMPT"]
            )
            if thread and not moved
            else None,
            notices=self._notices(),
            error=error_body(cause) if cause else None,
            unfinished=error_body(unfinished) if unfinished else None,
            still_running=process_bodies(remains.left if remains else ()),
        )

    def _unfinished(self, remains: Remains | None, outcome: str, *, goes_on: bool, moved: bool) -> RemoraError | None:
        """What may still be under way at the host, and how to end it. `moved`: the alias leads elsewhere now."""
        thread_id = self._thread.thread_id if self._thread else ""
        if remains is not None:
            return remains_problem(remains, self._alias, thread_id)
        left = turn_elsewhere if moved else turn_left
        if outcome in ("completed", "failed", "interrupted"):
            left = subagents_left
        return left(self._alias, thread_id) if goes_on else None

    def _cause(self, outcome: str, *, interrupted: bool) -> RemoraError | None:
        """Why a run did not end well, where its end does not say so itself."""
        if self._needed_person(outcome, interrupted=interrupted):
            return _nobody_there(self._unattended())
        if interrupted:
            return None
        cancelled = any(approval.decision in _CANCELS for approval in self._approvals)
        return _stopped_there() if outcome == "interrupted" and not cancelled else None

    def _notices(self) -> list[NoticeBody]:
        return list(self._connected.notices) if self._connected else []

    def _exit_code(self, outcome: str, error: RemoraError | None, *, interrupted: bool) -> int:
        if error is not None and (outcome == "unknown" or isinstance(error, Denied)):
            return int(error.exit_code)
        if self._needed_person(outcome, interrupted=interrupted):
            return int(ExitCode.NEEDS_PERSON)
        if outcome == "interrupted" and not interrupted and not self._cancelled_by_person():
            return int(ExitCode.TASK_FAILED)
        return int(_EXIT_CODES[outcome])

    def _needed_person(self, outcome: str, *, interrupted: bool) -> bool:
        """Whether the run came to its end without what nobody was there to approve; a stop that worked is no end."""
        ends = ("completed", "failed") if interrupted else ("completed", "failed", "interrupted")
        return outcome in ends and bool(self._unattended())

    def _unattended(self) -> list[str]:
        """What was asked while nobody was there."""
        return [
            self._asked.get(approval.request_id, "a request")
            for approval in self._approvals
            if approval.decided_by == UNATTENDED
        ]

    def _cancelled_by_person(self) -> bool:
        return any(approval.decided_by == "person" and approval.decision == "cancel" for approval in self._approvals)


def _gist(event: ApprovalRequested) -> str:
    """What was asked, in one line or the command's own lines."""
    gist = event.command or (event.diff and "\n".join(f"{each.change} {each.path}" for each in event.changes))
    if event.tool is not None:
        arguments = msgspec.json.encode(event.tool.arguments).decode()
        gist = f"{event.tool.server}: {event.tool.name or event.reason} {arguments}"
    elif wanted := event.permissions:
        gist = f"{event.reason or 'permissions'}: {msgspec.json.encode(wanted).decode()}"
    gist = gist or event.reason or event.request
    return gist if event.subagent is None else f"{event.subagent}: {gist}"


def _nobody_there(asked: list[str]) -> NeedsPerson:
    return NeedsPerson(
        Code.APPROVAL_UNATTENDED,
        "A request of the agent was declined, because nobody could approve it.",
        seen="\n".join(asked),
        next_step="Run it on a terminal, or set --on-approval.",
    )


def _stopped_there() -> TaskFailed:
    return TaskFailed(
        Code.TURN_FAILED,
        "The turn was stopped by another client or with its app server.",
        next_step="Continue the thread to resume the work.",
    )
