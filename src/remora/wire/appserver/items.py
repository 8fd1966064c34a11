"""One turn told as the documents of ``remora run``, from the stream and from history alike."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from remora.core.server.request_faults import too_much
from remora.core.thread.transcript import Ending, Transcript
from remora.wire.appserver.calls import mapping, number, sequence, text
from remora.wire.appserver.file_changes import read_changes
from remora.wire.appserver.reviews import review_completed, review_started
from remora.wire.appserver.under_way import UnderWay
from remora.wire.reports.run import (
    CommandCompleted,
    CommandOutput,
    CommandStarted,
    FileChange,
    Message,
    OtherItem,
    Plan,
    PlanStep,
    Reasoning,
    RunEvent,
    TextDelta,
    TokenUsage,
    Warned,
)
from remora.wire.reports.work import FileChangeEntry

_IN_PROGRESS: Final = "in-progress"
_LARGEST_PIECE: Final = 64 * 1024
"""Characters of a text that are told at once; a longer piece of the server's becomes several."""
_MOST_KEPT: Final = 64 * 1024 * 1024
"""Characters of one turn's commands, names of files, and changes under way: who tells of them keeps them to its end."""
_MOST_WARNINGS: Final = 1_000
"""Warnings that are remembered, so that none is told twice; the oldest go."""
_LONGEST_WARNING: Final = 10_000
_LONGEST_SUMMARY: Final = 2_000
_SILENT: Final = frozenset({"userMessage", "hookPrompt"})
_VERDICT: Final = "Automatic approval review "
_SUMMARY_MEMBERS: Final = ("tool", "query", "path", "review", "text", "prompt", "name", "savedPath", "agentPath")


class Narrator:
    """Turns what the server says about one turn into events, each once, across reconnects.

    Set :attr:`turn_id` as soon as it is known; items of other turns and threads are left out. With `any_turn` all
    turns of the thread count.
    """

    def __init__(self, thread_id: str, *, any_turn: bool = False) -> None:
        self.thread_id = thread_id
        self.turn_id: str | None = None
        self.under_way = UnderWay()
        self._any_turn = any_turn
        self._transcript = Transcript()
        self._warned: dict[str, None] = {}
        self._reviewed = False
        self._kept = 0
        self._plan: Plan | None = None
        self._usage: TokenUsage | None = None
        self._tellers: Final[dict[str, Callable[[Mapping[str, Any]], Iterable[RunEvent]]]] = {
            "item/started": self._started,
            "item/completed": self._completed,
            "item/agentMessage/delta": self._text_piece,
            "item/commandExecution/outputDelta": self._output_piece,
            "turn/plan/updated": self._plan_updated,
            "thread/tokenUsage/updated": self._usage_updated,
            "warning": self._warning,
            "guardianWarning": self._guardian_warning,
            "item/autoApprovalReview/started": self._review_started,
            "item/autoApprovalReview/completed": self._review_completed,
            "configWarning": self._warning,
            "error": self._error,
            "model/rerouted": self._rerouted,
        }

    def cut(self) -> None:
        """The connection broke."""
        self._transcript.cut()

    def knows(self, item_id: str) -> bool:
        """Whether anything of this item was seen."""
        return self._transcript.knows(item_id)

    def notification(self, method: str, params: Mapping[str, Any]) -> list[RunEvent]:
        """What to show for one notification."""
        teller = self._tellers.get(method)
        if teller is None or not self._is_ours(params):
            return []
        return list(teller(params))

    def history(self, items: Iterable[Mapping[str, Any]], *, stable_ids: bool) -> list[RunEvent]:
        """What to show of a turn's items as history has them, oldest first."""
        events: list[RunEvent] = []
        for item in items:
            key = text(item.get("id")) or ""
            kind = text(item.get("type")) or ""
            if kind in _SILENT:
                continue
            if not stable_ids:
                key = self._transcript.key_in_stream(key, kind, _whole(kind, item))
            tell = self._begin if item.get("status") == "inProgress" else self._finish
            events += tell(key, kind, item)
        return events

    def ending(self) -> list[RunEvent]:
        """What to say when the turn has ended: something came after a break that could not be put in its place."""
        if not self._transcript.lacks_pieces():
            return []
        return [Warned(message="Output that came after the reconnect is not shown: the turn ended before its command.")]

    def _is_ours(self, params: Mapping[str, Any]) -> bool:
        turn_id = params.get("turnId")
        ours = params.get("threadId") in (None, self.thread_id)
        return ours and (turn_id is None or self._any_turn or turn_id == self.turn_id)

    # -- items

    def _started(self, params: Mapping[str, Any]) -> Iterator[RunEvent]:
        item = mapping(params.get("item"))
        yield from self._begin(text(item.get("id")) or "", text(item.get("type")) or "", item)

    def _completed(self, params: Mapping[str, Any]) -> Iterator[RunEvent]:
        item = mapping(params.get("item"))
        yield from self._finish(text(item.get("id")) or "", text(item.get("type")) or "", item)

    def _begin(self, key: str, kind: str, item: Mapping[str, Any]) -> Iterator[RunEvent]:
        self._keep(key, kind, item)
        self.under_way.began(key, kind, item)
        if kind in _SILENT or not self._transcript.start(key, kind):
            return
        if kind == "commandExecution":
            yield _command_started(key, item)
        elif kind == "fileChange":
            yield _file_change(key, item, _IN_PROGRESS)
        elif kind not in ("agentMessage", "reasoning"):
            yield _other(key, kind, item, _IN_PROGRESS)

    def _finish(self, key: str, kind: str, item: Mapping[str, Any]) -> Iterator[RunEvent]:
        if kind in _SILENT:
            return
        whole = _whole(kind, item)
        self._keep(key, kind, item)
        ending = self._transcript.finish(key, kind, whole)
        self.under_way.ended(key)
        if ending is not None:
            yield from _told(key, kind, item, whole, ending)

    def _text_piece(self, params: Mapping[str, Any]) -> Iterator[RunEvent]:
        key = text(params.get("itemId")) or ""
        piece = self._transcript.piece(key, "agentMessage", text(params.get("delta")) or "")
        yield from (TextDelta(item_id=key, text=part) for part in _parts(piece))

    def _output_piece(self, params: Mapping[str, Any]) -> Iterator[RunEvent]:
        key = text(params.get("itemId")) or ""
        piece = self._transcript.piece(key, "commandExecution", text(params.get("delta")) or "")
        yield from (CommandOutput(item_id=key, text=part) for part in _parts(piece))

    def _keep(self, key: str, kind: str, item: Mapping[str, Any]) -> None:
        """Count what is kept of an item. Raises ``protocol-violation`` when it is more than any turn has."""
        self._kept += len(key) + len(text(item.get("command")) or "") + len(text(item.get("cwd")) or "")
        if kind == "mcpToolCall":
            self._kept += len(str(item.get("arguments") or ""))
        if kind == "fileChange":
            for change in map(mapping, sequence(item.get("changes"))):
                self._kept += len(text(change.get("path")) or "") + len(text(change.get("diff")) or "")
        if self._kept > _MOST_KEPT:
            raise too_much("characters of commands and changes in one turn", _MOST_KEPT)

    # -- the rest

    def _plan_updated(self, params: Mapping[str, Any]) -> Iterator[RunEvent]:
        steps = [
            PlanStep(text=text(step.get("step")) or "", status=_dashed(text(step.get("status")) or "pending"))
            for step in map(mapping, sequence(params.get("plan")))
        ]
        plan = Plan(steps=steps, explanation=text(params.get("explanation")))
        if plan != self._plan:
            self._plan = plan
            yield plan

    def _usage_updated(self, params: Mapping[str, Any]) -> Iterator[RunEvent]:
        total = mapping(mapping(params.get("tokenUsage")).get("total"))
        usage = TokenUsage(
            input=number(total.get("inputTokens")) or 0,
            cached_input=number(total.get("cachedInputTokens")) or 0,
            output=number(total.get("outputTokens")) or 0,
            reasoning_output=number(total.get("reasoningOutputTokens")) or 0,
            total=number(total.get("totalTokens")) or 0,
        )
        if usage != self._usage:
            self._usage = usage
            yield usage

    def _warning(self, params: Mapping[str, Any]) -> Iterator[RunEvent]:
        yield from self.warn(_warning_of(params), params.get("details"), standing=True)

    def _guardian_warning(self, params: Mapping[str, Any]) -> Iterator[RunEvent]:
        """Servers that tell of reviews say each verdict once more, as a warning."""
        if not (self._reviewed and _warning_of(params).startswith(_VERDICT)):
            yield from self.warn(_warning_of(params), params.get("details"))

    def _review_started(self, params: Mapping[str, Any]) -> Iterator[RunEvent]:
        self._reviewed = True
        yield review_started(params)

    def _review_completed(self, params: Mapping[str, Any]) -> Iterator[RunEvent]:
        yield review_completed(params)

    def _error(self, params: Mapping[str, Any]) -> Iterator[RunEvent]:
        if params.get("willRetry") is True:
            error = mapping(params.get("error"))
            yield from self.warn(f"{text(error.get('message')) or 'An error'} (the server tries again)", None)

    def _rerouted(self, params: Mapping[str, Any]) -> Iterator[RunEvent]:
        yield from self.warn(f"The server uses {params.get('toModel')} instead of {params.get('fromModel')}.", None)

    def warn(self, message: str, details: Any, *, standing: bool = False) -> list[Warned]:
        """A warning, unless the same was given before: servers repeat theirs to every connection."""
        whole = f"{message} {details}" if isinstance(details, str) and details else message
        whole = whole[:_LONGEST_WARNING]
        if not whole or whole in self._warned:
            return []
        self._warned[whole] = None
        if len(self._warned) > _MOST_WARNINGS:
            del self._warned[next(iter(self._warned))]
        return [Warned(message=whole, standing=standing)]


def _told(key: str, kind: str, item: Mapping[str, Any], whole: str, ending: Ending) -> Iterator[RunEvent]:
    match kind:
        case "agentMessage":
            yield from (TextDelta(item_id=key, text=part) for part in _parts(ending.remainder))
            yield Message(item_id=key, text=whole)
        case "reasoning":
            if whole:
                yield Reasoning(item_id=key, text=whole)
        case "commandExecution":
            if ending.first:
                yield _command_started(key, item)
            yield from (CommandOutput(item_id=key, text=part) for part in _parts(ending.remainder))
            yield _command_completed(key, item, ending)
        case "fileChange":
            yield _file_change(key, item, _status(item, "completed"))
        case _:
            yield _other(key, kind, item, _status(item, "completed"))


def _parts(whole: str) -> Iterator[str]:
    """A text in pieces that take no long time to show."""
    return (whole[start : start + _LARGEST_PIECE] for start in range(0, len(whole), _LARGEST_PIECE))


def _whole(kind: str, item: Mapping[str, Any]) -> str:
    match kind:
        case "agentMessage":
            return text(item.get("text")) or ""
        case "commandExecution":
            return text(item.get("aggregatedOutput")) or ""
        case "reasoning":
            parts = sequence(item.get("summary")) or sequence(item.get("content"))
            return "\n\n".join(part for part in parts if isinstance(part, str))
    return ""


def _command_started(key: str, item: Mapping[str, Any]) -> CommandStarted:
    return CommandStarted(item_id=key, command=text(item.get("command")) or "", folder=text(item.get("cwd")) or "")


def _command_completed(key: str, item: Mapping[str, Any], ending: Ending) -> CommandCompleted:
    output = text(item.get("aggregatedOutput"))
    return CommandCompleted(
        item_id=key,
        command=text(item.get("command")) or "",
        folder=text(item.get("cwd")) or "",
        status=_status(item, "completed"),
        exit_code=number(item.get("exitCode")),
        duration_ms=number(item.get("durationMs")),
        output=output,
        pieces_whole=(ending.faithful and not ending.missed) or output is None,
        missed_beginning=ending.missed or None,
    )


def _file_change(key: str, item: Mapping[str, Any], status: str) -> FileChange:
    return FileChange(item_id=key, status=status, changes=[FileChangeEntry.of(file) for file in read_changes(item)])


def _other(key: str, kind: str, item: Mapping[str, Any], status: str) -> OtherItem:
    parts = [part for part in (text(item.get(name)) for name in _SUMMARY_MEMBERS) if part]
    return OtherItem(item_id=key, item_type=kind, status=status, summary=" ".join(parts[:2])[:_LONGEST_SUMMARY])


def _status(item: Mapping[str, Any], default: str) -> str:
    return _dashed(text(item.get("status")) or default)


def _dashed(word: str) -> str:
    return _IN_PROGRESS if word == "inProgress" else word


def _warning_of(params: Mapping[str, Any]) -> str:
    return text(params.get("message")) or text(params.get("summary")) or ""
