"""A turn and the work of its sub-agents, told as one stream.

The server sends what sub-agents do to whoever is subscribed to the thread that started them, each under the id of a
thread of its own. Which threads these are is told by the calls that start them, and by the turn that theirs names as
its root; what comes under any other id is not told. A question under another id is: somebody has to answer it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from remora.core.approval.request import ApprovalRequest
from remora.wire.appserver.calls import mapping, sequence, text
from remora.wire.appserver.items import Narrator
from remora.wire.appserver.turns import TurnState, read_turn
from remora.wire.reports.run import RunEvent, SubagentEnded, SubagentStarted
from remora.wire.reports.work import ThreadEvent

_COLLABORATION: Final = "collabAgentToolCall"
_WORK: Final = ("item/", "turn/")
"""Notifications under these names come to subscribers only."""
_MOST: Final = 500
"""Sub-agents that are told apart in one run; a server may invent any number of them."""


@dataclass(slots=True)
class _Subagent:
    label: str
    parent: str
    narrator: Narrator
    prompt: str | None = None
    name: str | None = None
    turn_id: str | None = None
    """The turn that is under way."""


class Story:
    """Routes what the server says to the thread that it is about, and labels what comes out."""

    def __init__(self) -> None:
        self.main: Final = Narrator("")
        self._subagents: dict[str, _Subagent] = {}
        self._spawning: dict[str, tuple[str, str | None]] = {}
        self._missed: dict[str, None] = {}

    @property
    def working(self) -> bool:
        """Whether a sub-agent is at work."""
        return any(each.turn_id is not None for each in self._subagents.values())

    def label(self, thread_id: str) -> str | None:
        """What a thread is called; `None` for the thread of the run."""
        subagent = self._subagents.get(thread_id)
        return subagent.label if subagent else None

    def complete(self, request: ApprovalRequest) -> ApprovalRequest:
        """`request` with who asks and what was told of it before; a yes can only be said to what is known."""
        narrator = self.main
        if request.thread_id not in ("", self.main.thread_id):
            subagent = self._known(request.thread_id)
            narrator = subagent.narrator
            request = replace(request, parent_thread_id=subagent.parent)
        request = narrator.under_way.complete(request)
        return request.without_grants() if request.blind else request

    def notification(self, method: str, params: Mapping[str, Any]) -> list[RunEvent]:
        """What to show for one notification."""
        thread_id = text(params.get("threadId"))
        if thread_id is None or thread_id == self.main.thread_id:
            self._note_spawn(self.main.thread_id, mapping(params.get("item")), done=method == "item/completed")
            return self._told(self.main.thread_id, self.main.notification(method, params))
        if thread_id not in self._subagents and not self._is_begun_here(method, mapping(params.get("turn"))):
            return []
        subagent = self._known(thread_id)
        self._note_spawn(thread_id, mapping(params.get("item")), done=method == "item/completed")
        turn = mapping(params.get("turn"))
        if method == "turn/started":
            return self._began(thread_id, text(turn.get("id")) or "")
        if method == "turn/completed":
            return self._ended(thread_id, read_turn(turn))
        return self._told(thread_id, subagent.narrator.notification(method, params))

    def cut(self) -> None:
        """The connection broke."""
        self._missed = {thread_id: None for thread_id, each in self._subagents.items() if each.turn_id is not None}
        for narrator in (self.main, *(each.narrator for each in self._subagents.values())):
            narrator.cut()

    def missed(self) -> str | None:
        """The next sub-agent whose work has to be looked up after a break, each once."""
        thread_id = next(iter(self._missed), None)
        if thread_id is not None:
            del self._missed[thread_id]
        return thread_id

    def history(self, items: Iterable[Mapping[str, Any]], *, stable_ids: bool) -> list[RunEvent]:
        """What to show of the run's own turn as history has it."""
        return self._from_history(self.main.thread_id, self.main, list(items), stable_ids=stable_ids)

    def subagent_history(
        self, thread_id: str, items: Iterable[Mapping[str, Any]], turn: TurnState | None, *, stable_ids: bool
    ) -> list[RunEvent]:
        """What to show of a sub-agent as history has it; `turn` is its latest."""
        subagent = self._known(thread_id)
        events = self._began(thread_id, turn.turn_id) if turn is not None and turn.turn_id else []
        events += self._from_history(thread_id, subagent.narrator, list(items), stable_ids=stable_ids)
        return events + (self._ended(thread_id, turn) if turn is not None and turn.has_ended else [])

    def ending(self) -> list[RunEvent]:
        """What to say when the turn of the run has ended."""
        return self._told(self.main.thread_id, self.main.ending())

    # -- sub-agents

    def _is_begun_here(self, method: str, turn: Mapping[str, Any]) -> bool:
        """Whether a thread that is not known is one that the turn of the run has begun."""
        rooted = self.main.turn_id is not None and turn.get("rootTurnId") == self.main.turn_id
        return rooted or (bool(self._spawning) and method.startswith(_WORK))

    def _known(self, thread_id: str) -> _Subagent:
        subagent = self._subagents.get(thread_id)
        if subagent is None:
            parent, prompt = self._spawner()
            number = len(self._subagents) + 1
            label = f"sub-agent {number}" if number <= _MOST else "another sub-agent"
            subagent = _Subagent(label, parent, Narrator(thread_id, any_turn=True), prompt)
            if number <= _MOST:
                self._subagents[thread_id] = subagent
        return subagent

    def _spawner(self) -> tuple[str, str | None]:
        """Who starts a sub-agent that nobody has named yet: the thread that is about to, if no other is."""
        spawning = list(self._spawning.values())
        return spawning[0] if len(spawning) == 1 else (self.main.thread_id, None)

    def _note_spawn(self, thread_id: str, item: Mapping[str, Any], *, done: bool) -> None:
        if item.get("type") != _COLLABORATION:
            return
        key, prompt = text(item.get("id")) or "", text(item.get("prompt"))
        spawns = item.get("tool") == "spawnAgent"
        if spawns and not done:
            self._spawning[key] = (thread_id, prompt)
        for receiver in sequence(item.get("receiverThreadIds")):
            if isinstance(receiver, str) and receiver != self.main.thread_id:
                subagent = self._known(receiver)
                if spawns:
                    subagent.parent, subagent.prompt = thread_id, prompt
        if done:
            self._spawning.pop(key, None)

    def _began(self, thread_id: str, turn_id: str) -> list[RunEvent]:
        subagent = self._known(thread_id)
        if subagent.turn_id == turn_id or subagent.narrator.turn_id == turn_id:
            return []
        subagent.turn_id = subagent.narrator.turn_id = turn_id
        event = SubagentStarted(
            parent_thread_id=subagent.parent, turn_id=turn_id, name=subagent.name, prompt=subagent.prompt
        )
        return self._told(thread_id, [event])

    def _ended(self, thread_id: str, turn: TurnState) -> list[RunEvent]:
        subagent = self._known(thread_id)
        if subagent.turn_id != turn.turn_id:
            return []
        subagent.turn_id = None
        return self._told(thread_id, [SubagentEnded(turn_id=turn.turn_id, status=turn.status, error=turn.error)])

    def _from_history(
        self, thread_id: str, narrator: Narrator, items: list[Mapping[str, Any]], *, stable_ids: bool
    ) -> list[RunEvent]:
        for item in items:
            self._note_spawn(thread_id, item, done=item.get("status") != "inProgress")
            if item.get("type") == _COLLABORATION and not narrator.knows(text(item.get("id")) or ""):
                receivers = (each for each in sequence(item.get("receiverThreadIds")) if isinstance(each, str))
                self._missed |= dict.fromkeys(each for each in receivers if each != self.main.thread_id)
        return self._told(thread_id, narrator.history(items, stable_ids=stable_ids))

    def _told(self, thread_id: str, events: list[RunEvent]) -> list[RunEvent]:
        for event in events:
            if isinstance(event, ThreadEvent):
                event.thread_id, event.subagent = thread_id or None, self.label(thread_id)
        return events
