"""One turn told as the documents of ``remora run``, from the stream and from history alike."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from remora.core.transcript import Ending, Transcript
from remora.wire.appserver import mapping, number, sequence, text
from remora.wire.reports.run import (
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
    RunEvent,
    TextDelta,
    TokenUsage,
    Warned,
)

_IN_PROGRESS: Final = "in-progress"
_SILENT: Final = frozenset({"userMessage", "hookPrompt"})
_SUMMARY_MEMBERS: Final = ("tool", "query", "path", "review", "text", "prompt", "name", "savedPath", "agentPath")


class Narrator:
    """Turns what the server says about one turn into events, each once, across reconnects.

    Set :attr:`turn_id` as soon as it is known; items of other turns and threads are left out.
    """

    def __init__(self, thread_id: str) -> None:
        self.thread_id = thread_id
        self.turn_id: str | None = None
        self._transcript = Transcript()
        self._diffs: dict[str, str] = {}
        self._warned: set[str] = set()
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
            "guardianWarning": self._warning,
            "configWarning": self._warning,
            "error": self._error,
            "model/rerouted": self._rerouted,
        }

    def cut(self) -> None:
        """The connection broke."""
        self._transcript.cut()

    def diff(self, item_id: str | None) -> str | None:
        """The changes of a file change item that is under way, for an approval that only names it."""
        return self._diffs.get(item_id) if item_id is not None else None

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
        return ours and (turn_id is None or turn_id == self.turn_id)

    # -- items

    def _started(self, params: Mapping[str, Any]) -> Iterator[RunEvent]:
        item = mapping(params.get("item"))
        yield from self._begin(text(item.get("id")) or "", text(item.get("type")) or "", item)

    def _completed(self, params: Mapping[str, Any]) -> Iterator[RunEvent]:
        item = mapping(params.get("item"))
        yield from self._finish(text(item.get("id")) or "", text(item.get("type")) or "", item)

    def _begin(self, key: str, kind: str, item: Mapping[str, Any]) -> Iterator[RunEvent]:
        if kind in _SILENT or not self._transcript.start(key, kind):
            return
        if kind == "commandExecution":
            yield _command_started(key, item)
        elif kind == "fileChange":
            change = _file_change(key, item, _IN_PROGRESS)
            self._diffs[key] = whole_diff(change.changes)
            yield change
        elif kind not in ("agentMessage", "reasoning"):
            yield _other(key, kind, item, _IN_PROGRESS)

    def _finish(self, key: str, kind: str, item: Mapping[str, Any]) -> Iterator[RunEvent]:
        if kind in _SILENT:
            return
        whole = _whole(kind, item)
        ending = self._transcript.finish(key, kind, whole)
        self._diffs.pop(key, None)
        if ending is not None:
            yield from _told(key, kind, item, whole, ending)

    def _text_piece(self, params: Mapping[str, Any]) -> Iterator[RunEvent]:
        key = text(params.get("itemId")) or ""
        piece = self._transcript.piece(key, "agentMessage", text(params.get("delta")) or "")
        if piece:
            yield TextDelta(item_id=key, text=piece)

    def _output_piece(self, params: Mapping[str, Any]) -> Iterator[RunEvent]:
        key = text(params.get("itemId")) or ""
        piece = self._transcript.piece(key, "commandExecution", text(params.get("delta")) or "")
        if piece:
            yield CommandOutput(item_id=key, text=piece)

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
        yield from self.warn(text(params.get("message")) or text(params.get("summary")) or "", params.get("details"))

    def _error(self, params: Mapping[str, Any]) -> Iterator[RunEvent]:
        if params.get("willRetry") is True:
            error = mapping(params.get("error"))
            yield from self.warn(f"{text(error.get('message')) or 'An error'} (the server tries again)", None)

    def _rerouted(self, params: Mapping[str, Any]) -> Iterator[RunEvent]:
        yield from self.warn(f"The server uses {params.get('toModel')} instead of {params.get('fromModel')}.", None)

    def warn(self, message: str, details: Any) -> list[Warned]:
        """A warning, unless the same was given before: servers repeat theirs to every connection."""
        whole = f"{message} {details}" if isinstance(details, str) and details else message
        if not whole or whole in self._warned:
            return []
        self._warned.add(whole)
        return [Warned(message=whole)]


def whole_diff(changes: Iterable[FileChangeEntry]) -> str:
    """All changes in one text for who has to decide about them.

    Each file begins with a line ``=== CHANGE PATH``, which no line of a diff can be taken for. An added or deleted
    file has its sign on each line, because its bare content does not say which of both happens.
    """
    return "".join(f"=== {_headline(entry)}\n{_signed(entry)}" for entry in changes)


def _headline(entry: FileChangeEntry) -> str:
    words = f"{entry.change} {_in_one_line(entry.path)}"
    return words if entry.moved_to is None else f"{words} and move it to {_in_one_line(entry.moved_to)}"


def _in_one_line(path: str) -> str:
    return path if path.isprintable() else repr(path)


def _signed(entry: FileChangeEntry) -> str:
    sign = "" if entry.diff.startswith("@@ -") else {"add": "+", "delete": "-"}.get(entry.change, "")
    lines = entry.diff.removesuffix("\n").split("\n") if entry.diff else []
    return "".join(f"{sign}{line}\n" for line in lines)


def _told(key: str, kind: str, item: Mapping[str, Any], whole: str, ending: Ending) -> Iterator[RunEvent]:
    match kind:
        case "agentMessage":
            if ending.remainder:
                yield TextDelta(item_id=key, text=ending.remainder)
            yield Message(item_id=key, text=whole)
        case "reasoning":
            if whole:
                yield Reasoning(item_id=key, text=whole)
        case "commandExecution":
            if ending.first:
                yield _command_started(key, item)
            if ending.remainder:
                yield CommandOutput(item_id=key, text=ending.remainder)
            yield _command_completed(key, item, ending)
        case "fileChange":
            yield _file_change(key, item, _status(item, "completed"))
        case _:
            yield _other(key, kind, item, _status(item, "completed"))


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


def legacy_changes(changes: Mapping[str, Any]) -> list[FileChangeEntry]:
    """The changes of a patch as the oldest requests carry them: by path."""
    return [
        FileChangeEntry(
            path=path,
            change=text(change.get("type")) or "update",
            diff=text(change.get("unified_diff")) or text(change.get("content")) or "",
            moved_to=text(change.get("move_path")),
        )
        for path, change in ((path, mapping(change)) for path, change in changes.items())
    ]


def _file_change(key: str, item: Mapping[str, Any], status: str) -> FileChange:
    entries = [
        FileChangeEntry(
            path=text(change.get("path")) or "",
            change=text(mapping(change.get("kind")).get("type")) or text(change.get("kind")) or "update",
            diff=text(change.get("diff")) or "",
            moved_to=text(mapping(change.get("kind")).get("move_path")),
        )
        for change in map(mapping, sequence(item.get("changes")))
    ]
    return FileChange(item_id=key, status=status, changes=entries)


def _other(key: str, kind: str, item: Mapping[str, Any], status: str) -> OtherItem:
    parts = [part for part in (text(item.get(name)) for name in _SUMMARY_MEMBERS) if part]
    return OtherItem(item_id=key, item_type=kind, status=status, summary=" ".join(parts[:2]))


def _status(item: Mapping[str, Any], default: str) -> str:
    return _dashed(text(item.get("status")) or default)


def _dashed(word: str) -> str:
    return _IN_PROGRESS if word == "inProgress" else word
