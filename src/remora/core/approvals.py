"""What an agent may ask a person, and what can be answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Literal

DecidedBy = Literal["person", "rule", "unattended"]
UNATTENDED: Final = "unattended"
"""Nobody was there to decide."""


class RequestKind(StrEnum):
    """What kind of decision the app server asks for."""

    COMMAND = "command"
    FILE_CHANGE = "file-change"
    PERMISSIONS = "permissions"
    USER_INPUT = "user-input"
    ELICITATION = "elicitation"


@dataclass(frozen=True, slots=True)
class Choice:
    """One decision that the server offers for one request.

    `value` is what goes back to the server, untouched. `grants` is true when choosing it lets the agent
    do something; such a choice is only ever made by a person or a rule.
    """

    name: str
    label: str
    value: Any
    grants: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRequest:
    """One pending request of the app server, with all that a person needs to decide.

    `request_id` is the server's own id (an answer is bound to it), `detail` the complete parameters. The
    texts come from the remote side: neutralise before display.
    """

    request_id: str | int
    kind: RequestKind
    thread_id: str
    turn_id: str | None = None
    item_id: str | None = None
    command: str | None = None
    folder: str | None = None
    diff: str | None = None
    reason: str | None = None
    questions: tuple[Mapping[str, Any], ...] = ()
    choices: tuple[Choice, ...] = ()
    detail: Mapping[str, Any] = field(default_factory=dict)
    unlisted_decline: Choice | None = None
    """A plain decline that every server takes for this kind of request, even when it lists only cancel.
    It is never shown to a person; nobody being there must not end the whole turn."""

    @property
    def refusal(self) -> Choice:
        """The choice that grants nothing and lets the turn go on: decline before cancel."""
        refusals = [choice for choice in self.choices if not choice.grants]
        listed = next((choice for choice in refusals if choice.name == "decline"), None)
        return listed or self.unlisted_decline or refusals[0]


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to one request: the chosen choice, who made it and why.

    `note` is a text for the agent (shown to it when the request is declined and the server allows that);
    `answers` are the replies to questions, by question id.
    """

    choice: Choice
    decided_by: DecidedBy
    note: str | None = None
    answers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
