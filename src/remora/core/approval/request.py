"""What an agent may ask a person, and what can be answered."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Any, Final, Literal, Self

from remora.core.approval.canonical import canonical_hash
from remora.core.thread.changes import ChangedFile

DecidedBy = Literal["person", "rule", "unattended"]
UNATTENDED: Final = "unattended"
"""Nobody was there to decide."""
_GO_ON: Final = ("decline", "denied")
CANCELS: Final = ("cancel", "abort")
"""The names of refusals that stop the turn."""
_ID_LENGTH: Final = 32
"""Hexadecimal digits of a request's id: 128 bits, so that nobody makes two requests with one id."""


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

    @property
    def decisive(self) -> Mapping[str, Any]:
        """What of it determines what happens: all but the label."""
        return {"name": self.name, "value": self.value, "grants": self.grants, "stores": self.stores}


def mildest_refusal(choices: Sequence[Choice]) -> Choice | None:
    """The refusal that lets the turn go on, else any; `None`: there is none."""
    refusals = [choice for choice in choices if not choice.grants]
    return next((each for each in refusals if each.name in _GO_ON), next(iter(refusals), None))


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call of an MCP tool. What the server does not tell is `None`; `hints` is all that the tool says of itself."""

    server: str | None = None
    name: str | None = None
    arguments: Any = None
    description: str | None = None
    hints: Mapping[str, Any] = field(default_factory=dict)

    @property
    def decisive(self) -> Mapping[str, Any]:
        """What of it determines what happens: all but the description."""
        return {"server": self.server, "name": self.name, "arguments": self.arguments, "hints": self.hints}


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalInput:
    """Text for a program that runs already: `runs` is the command that started it, where that is known."""

    terminal: str
    text: str
    runs: str | None = None


@dataclass(frozen=True, kw_only=True)
class ApprovalRequest:
    """One pending request of the app server, with all that a person needs to decide.

    `request_id` is the server's own id (an answer is bound to it), `detail` the complete parameters. The
    texts come from the remote side: neutralise before display.
    """

    request_id: str | int
    kind: RequestKind
    thread_id: str
    asked_at_ms: int | None = None
    """When the server began to ask, by its clock: ids of requests begin at 0 again with each server."""
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
    unknown: Mapping[str, Any] = field(default_factory=dict)
    """What the server tells beyond all that is named here, by the server's own names."""
    detail: Mapping[str, Any] = field(default_factory=dict)
    unlisted_decline: Choice | None = None
    """A plain decline that every server takes for this kind of request, even when it lists only cancel.
    It is never shown to a person; nobody being there must not end the whole turn."""

    @cached_property
    def id(self) -> str:
        """What names this request on this side: the same when the server sends it again, never that of another one."""
        return canonical_hash(
            {
                "thread": self.thread_id,
                "turn": self.turn_id,
                "item": self.item_id,
                "request": self.request_id,
                "asked_at_ms": self.asked_at_ms,
            }
        )[:_ID_LENGTH]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the RFC 8785 form of all that determines what a yes does, without texts that only explain it."""
        return canonical_hash(
            {
                "request": self.kind.value,
                "environment": self.environment,
                "command": self.command,
                "terminal_input": None if self.terminal_input is None else asdict(self.terminal_input),
                "folder": self.folder,
                "opens": self.opens,
                "changes": [asdict(change) for change in self.changes],
                "permissions": self.permissions,
                "additional_permissions": self.additional_permissions,
                "network": self.network,
                "tool": None if self.tool is None else self.tool.decisive,
                "asked_by": self.asked_by,
                "url": self.url,
                "questions": self.questions,
                "reason": self.reason if self._asks_in_words else None,
                "choices": [each.decisive for each in self.choices],
                "unknown": self.unknown,
            }
        )

    @property
    def _asks_in_words(self) -> bool:
        """Whether `reason` is the question itself, and nothing else tells what an answer means."""
        unnamed = self.tool is None or self.tool.name is None
        return self.kind is RequestKind.ELICITATION or (self.kind is RequestKind.MCP_TOOL and unnamed)

    def decision(
        self,
        choice: Choice,
        decided_by: DecidedBy,
        *,
        note: str | None = None,
        answers: Mapping[str, tuple[str, ...]] | None = None,
    ) -> "Decision":
        """`choice` as the answer to exactly this request."""
        return Decision(choice, decided_by, note, answers or {}, digest=self.digest)

    @property
    def refusal(self) -> Choice:
        """The choice that grants nothing and lets the turn go on: decline before cancel."""
        mildest = mildest_refusal(self.choices)
        if mildest is not None and mildest.name in _GO_ON:
            return mildest
        refusal = self.unlisted_decline or mildest
        if refusal is None:
            raise ValueError("a request without a refusal")
        return refusal

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
    `answers` are the replies to questions, by question id. `digest` is that of the request it was made for; it counts
    for no other one. :meth:`ApprovalRequest.decision` makes one.
    """

    choice: Choice
    decided_by: DecidedBy
    note: str | None = None
    answers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    digest: str = field(kw_only=True)
