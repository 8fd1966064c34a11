"""The decisions on offer: what each is called, and what it keeps beyond the one request.

What goes back is the server's own value, untouched; a value whose members are not exactly those that a label tells
is shown whole instead.
"""

import shlex
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from remora.core.approval.request import Choice
from remora.wire.appserver.calls import mapping, sequence, text

_REFUSALS: Final = frozenset({"decline", "cancel", "denied", "abort", "timed_out"})
_ONCE: Final = "Yes, this once"
_GO_ON: Final = "No, and let the agent go on"
_STOP: Final = "No, and stop the turn"
_LABELS: Final = {
    "accept": _ONCE,
    "acceptForSession": "Yes, and the same for this session",
    "decline": _GO_ON,
    "cancel": _STOP,
    "approved": _ONCE,
    "approved_for_session": "Yes, and the same for this session",
    "denied": _GO_ON,
    "timed_out": "No answer in time, and let the agent go on",
    "abort": _STOP,
}
_SESSION: Final = "kept by codex on the host until this thread's session ends"
_FOR_SESSION: Final = frozenset({"acceptForSession", "approved_for_session"})
_RULES: Final = "a rule in rules/default.rules of codex on the host, for good and for every thread"
_UNCONFINED: Final = "such commands then run without a question and outside of the sandbox"
_OTHER: Final = "other"
_LEGAL: Final = ("accept", "acceptForSession", "decline", "cancel")
_LEGAL_LEGACY: Final = ("approved", "approved_for_session", "abort")

DECLINE: Final = Choice("decline", _GO_ON, "decline", grants=False)


def offered(params: Mapping[str, Any]) -> tuple[Choice, ...]:
    """Exactly what the server lists; when it lists nothing, what the schema allows for every such request."""
    listed = sequence(params.get("availableDecisions"))
    choices = tuple(_choice(value) for value in listed if isinstance(value, str | dict) and value)
    return choices or tuple(map(_choice, _LEGAL))


def offered_by_oldest() -> tuple[Choice, ...]:
    """What can be answered to the oldest requests, which list nothing."""
    return tuple(map(_choice, _LEGAL_LEGACY))


def for_permissions(wanted: Mapping[str, Any]) -> tuple[Choice, ...]:
    """All of the permissions or none; nothing wider than what was asked for can be answered."""
    turn, session = ({"permissions": wanted, "scope": scope} for scope in ("turn", "session"))
    return (
        Choice("accept", "Yes, for this turn", turn, grants=True, stores="kept until this turn ends"),
        Choice("acceptForSession", _LABELS["acceptForSession"], session, grants=True, stores=_SESSION),
        Choice("decline", _GO_ON, {"permissions": {}, "scope": "turn"}, grants=False),
    )


def for_questions() -> tuple[Choice, ...]:
    """To answer or not."""
    return (
        Choice("answer", "Answer", None, grants=True),
        Choice("decline", "Do not answer", None, grants=False),
    )


def for_form(*, can_accept: bool) -> tuple[Choice, ...]:
    """What can be said to a question of an MCP server."""
    names = ("accept", "decline", "cancel") if can_accept else ("decline", "cancel")
    return tuple(Choice(name, _LABELS[name], {"action": name}, grants=name == "accept") for name in names)


def for_tool(server: str, name: str | None, persist: Any) -> tuple[Choice, ...]:
    """What can be said to the call of an MCP tool; `persist` lists how long a yes may be kept."""
    tool = f"{server}.tools.{name}" if name else f"{server}.tools.…"
    kept = {
        "session": Choice(
            "acceptForSession",
            "Yes, and every call of this tool in this session",
            {"action": "accept", "_meta": {"persist": "session"}},
            grants=True,
            stores=f"whatever its arguments; {_SESSION}",
        ),
        "always": Choice(
            "acceptAlways",
            "Yes, and every call of this tool, always",
            {"action": "accept", "_meta": {"persist": "always"}},
            grants=True,
            stores=f'whatever its arguments; approval_mode = "approve" for mcp_servers.{tool} in config.toml of codex '
            "on the host, for good and for every thread",
        ),
    }
    once, *refusals = for_form(can_accept=True)
    longer = (kept[word] for word in dict.fromkeys(map(str, sequence(persist))) if word in kept)
    return (once, *longer, *refusals)


def of_options(question: Mapping[str, Any]) -> tuple[Choice, ...]:
    """The options of a question by which some servers ask for the call of a tool."""
    names = {"Allow": "accept", "Allow for this session": "acceptForSession", "Cancel": "decline"}
    choices = []
    for option in map(mapping, sequence(question.get("options"))):
        label = text(option.get("label")) or ""
        name = names.get(label, _OTHER)
        told = _LABELS.get(name, f"Yes: {label}")
        stores = _SESSION if name == "acceptForSession" else None
        choices.append(Choice(name, told, label, grants=name != "decline", stores=stores))
    return tuple(choices)


def _choice(value: Any) -> Choice:
    """Only a plain word refuses: an object grants, whatever its members are called."""
    if isinstance(value, str):
        label = _LABELS.get(value) or f"Yes, in a way that remora does not know: {value!r}"
        stores = _SESSION if value in _FOR_SESSION else None
        return Choice(value, label, value, grants=value not in _REFUSALS, stores=stores)
    return _rule_for_commands(value) or _rule_for_network(value) or _unknown(value)


def _rule_for_commands(value: Mapping[str, Any]) -> Choice | None:
    words = _only(_only(value, "acceptWithExecpolicyAmendment"), "execpolicy_amendment")
    if not words or not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        return None
    label = f"Yes, and always for commands that begin with: {shlex.join(words)}"
    return Choice("acceptWithExecpolicyAmendment", label, value, grants=True, stores=f"{_RULES}; {_UNCONFINED}")


def _rule_for_network(value: Mapping[str, Any]) -> Choice | None:
    rule = _only(_only(value, "applyNetworkPolicyAmendment"), "network_policy_amendment")
    if not isinstance(rule, dict) or set(rule) != {"host", "action"} or rule["action"] not in ("allow", "deny"):
        return None
    if not isinstance(rule["host"], str):
        return None
    label = f"Always {rule['action']} network access to {rule['host']}"
    return Choice("applyNetworkPolicyAmendment", label, value, grants=True, stores=_RULES)


def _unknown(value: Mapping[str, Any]) -> Choice:
    told = msgspec.json.encode(value).decode()
    return Choice(_OTHER, f"Yes, in a way that remora does not know: {told}", value, grants=True, stores="unknown")


def _only(value: Any, name: str) -> Any:
    """The one member of an object that has no other."""
    return value[name] if isinstance(value, dict) and set(value) == {name} else None
