"""What an agent may ask a person, and what can be answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, Literal, Self

from remora.core.thread.changes import ChangedFile

DecidedBy = Literal["person", "rule", "unattended"]
UNATTENDED: Final = "unattended"
"""Nobody was there to decide."""
_GO_ON: Final = ("decline", "denied")


class RequestKind(StrEnum):
    """What kind of decision the app server asks for."""

    COMMAND = "command"
    TERMINAL_INPUT = "terminal-input"
    NETWORK = "network"
    FILE_CHANGE = "file-change"
    PERMISSIONS = "permissions"
    USER_INPUT = "user-input"
    MCP_TOOL = "mcp-tool"
    ELICITATION = "elicitation"


@dataclass(frozen=True, slots=True)
class Choice:
    """One decision that the server offers for one request.

    `value` is what goes back to the server, untouched. `grants` is true when choosing it lets the agent
    do something; such a choice is only ever made by a person or a rule. `stores` says what is kept beyond this one
    request, and where; `None`: nothing.
    """

    name: str
    label: str
    value: Any
    grants: bool
    stores: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call of an MCP tool. What the server does not tell is `None`; `hints` is all that the tool says of itself."""

    server: str | None = None
    name: str | None = None
    arguments: Any = None
    description: str | None = None
    hints: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalInput:
    """Text for a program that runs already: `runs` is the command that started it, where that is known."""

    terminal: str
    text: str
    runs: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRequest:
    """One pending request of the app server, with all that a person needs to decide.

    `request_id` is the server's own id (an answer is bound to it), `detail` the complete parameters. The
    texts come from the remote side: neutralise before display.
    """

    request_id: str | int
    kind: RequestKind
    thread_id: str
    parent_thread_id: str | None = None
    """The thread whose agent started the one that asks; `None`: the thread of the run asks."""
    turn_id: str | None = None
    item_id: str | None = None
    environment: str | None = None
    """Where it would run, by the server's own name; ``local`` is the host that the server runs on."""
    command: str | None = None
    terminal_input: TerminalInput | None = None
    folder: str | None = None
    opens: str | None = None
    """A folder that a yes opens for writing."""
    changes: tuple[ChangedFile, ...] = ()
    diff: str | None = None
    """`changes` as one text."""
    reason: str | None = None
    permissions: Mapping[str, Any] | None = None
    """What is asked for."""
    additional_permissions: Mapping[str, Any] | None = None
    """What the command would have beyond its sandbox."""
    network: Mapping[str, Any] | None = None
    """The target: ``host``, ``protocol``, and what else the server tells."""
    tool: ToolCall | None = None
    asked_by: str | None = None
    """The MCP server whose question this is."""
    url: str | None = None
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
        listed = next((choice for choice in refusals if choice.name in _GO_ON), None)
        return listed or self.unlisted_decline or refusals[0]

    @property
    def blind(self) -> bool:
        """The server does not say what a yes would do."""
        match self.kind:
            case RequestKind.COMMAND | RequestKind.TERMINAL_INPUT:
                return not self.command
            case RequestKind.FILE_CHANGE:
                return not self.changes
            case RequestKind.PERMISSIONS:
                return not self.permissions
            case RequestKind.NETWORK:
                return not (self.network and self.network.get("host"))
            case RequestKind.MCP_TOOL:
                return self.tool is None or self.tool.arguments is None
        return False

    def without_grants(self) -> Self:
        """The same request, to which only a no can be said."""
        refusals = tuple(choice for choice in self.choices if not choice.grants)
        return replace(self, choices=refusals or (self.refusal,))


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
