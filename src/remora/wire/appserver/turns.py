"""Turns as history has them: did our prompt arrive, and how did it end?"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from remora.wire.appserver.calls import mapping, sequence, text

IN_PROGRESS: Final = "inProgress"
INTERRUPTED: Final = "interrupted"


@dataclass(frozen=True, slots=True)
class TurnState:
    """One turn. `status` is the server's own word: completed, interrupted, failed or inProgress."""

    turn_id: str
    status: str
    error: str | None
    error_details: str | None
    items: tuple[Mapping[str, Any], ...]

    @property
    def has_ended(self) -> bool:
        """Nothing more will come of it."""
        return self.status != IN_PROGRESS


def read_turn(turn: Mapping[str, Any]) -> TurnState:
    """Read a turn, from history or from ``turn/completed``."""
    error = mapping(turn.get("error"))
    return TurnState(
        turn_id=text(turn.get("id")) or "",
        status=text(turn.get("status")) or IN_PROGRESS,
        error=text(error.get("message")),
        error_details=text(error.get("additionalDetails")),
        items=tuple(map(mapping, sequence(turn.get("items")))),
    )


def find_by_message(
    turns: Iterable[TurnState], *, message_id: str, prompt: str, known: Collection[str]
) -> TurnState | None:
    """The turn that our prompt started, if history proves that it arrived.

    Servers that keep the client's message id are believed by that alone. From older ones a turn counts
    that was not there before (`known`) and holds a user message of exactly our text.
    """
    candidates = list(turns)
    for turn in candidates:
        if any(item.get("clientId") == message_id for item in turn.items):
            return turn
    for turn in candidates:
        messages = [item for item in turn.items if item.get("type") == "userMessage"]
        keeps_ids = any(text(item.get("clientId")) for item in messages)
        if turn.turn_id not in known and not keeps_ids and any(_text_of(item) == prompt for item in messages):
            return turn
    return None


def _text_of(message: Mapping[str, Any]) -> str:
    parts = map(mapping, sequence(message.get("content")))
    return "".join(text(part.get("text")) or "" for part in parts if part.get("type") == "text")
