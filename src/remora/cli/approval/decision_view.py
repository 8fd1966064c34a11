"""What was decided, in plain words: by a person, a rule, nobody, or codex's automatic reviewer."""

import json
from typing import Any, Final

from rich.text import Text

from remora.cli.draw.page import remote
from remora.cli.draw.short_forms import without_shell
from remora.wire.reports.approval import ApprovalResolved, ReviewCompleted

_DECISIONS: Final = {
    "accept": "allowed once",
    "approved": "allowed once",
    "acceptForSession": "allowed for this session",
    "approved_for_session": "allowed for this session",
    "acceptWithExecpolicyAmendment": "always allowed",
    "acceptAlways": "always allowed",
    "applyNetworkPolicyAmendment": "network rule stored",
    "answer": "answered",
    "decline": "denied",
    "denied": "denied",
    "timed_out": "denied",
    "cancel": "denied and turn stopped",
    "abort": "denied and turn stopped",
    "withdrawn": "answered or withdrawn",
}
_BY: Final = {
    "person": "by you",
    "rule": "by a rule",
    "unattended": "because nobody may answer here",
    "elsewhere": "elsewhere",
}


def resolution(event: ApprovalResolved) -> Text:
    """One line: what was decided and by whom, and whether the host knows."""
    decision = _DECISIONS.get(event.decision, event.decision)
    who = _BY.get(event.decided_by, f"by {event.decided_by}")
    text = Text.assemble(("→ ", "yellow"), remote(decision, "bold", one_line=True))
    text.append(" ").append_text(remote(who, one_line=True))
    if event.subagent is not None:
        text.append(f", asked by {event.subagent}")
    if event.delivered is False:
        text.append(" — not delivered", style="red")
    elif event.delivered is None:
        text.append(" — it is not known whether the host received it", style="red")
    return text


def verdict(event: ReviewCompleted) -> Text:
    """One line: what the automatic reviewer decided about what, and why."""
    words = {"approved": "allowed", "denied": "denied"}.get(event.verdict, event.verdict)
    text = Text.assemble(("→ ", "yellow"), remote(words, "bold", one_line=True), " by the automatic reviewer")
    grounds = ", ".join(
        f"{name} {value}" for name, value in (("risk", event.risk), ("authorization", event.authorization)) if value
    )
    if grounds:
        text.append_text(remote(f" ({grounds})", one_line=True))
    if event.rationale:
        text.append(": ").append_text(remote(event.rationale, one_line=True))
    if event.subagent is not None:
        text.append(f", for {event.subagent}")
    return text.append(" — ", style="dim").append_text(remote(target_of(event.target), "dim", one_line=True))


def target_of(target: dict[str, Any]) -> str:
    """What was reviewed, in one line."""
    command = target.get("command")
    if isinstance(command, str):
        return without_shell(command)
    rest = {name: value for name, value in target.items() if name != "type"}
    return f"{target.get('type', 'a request')} {json.dumps(rest)}" if rest else str(target.get("type", "a request"))
