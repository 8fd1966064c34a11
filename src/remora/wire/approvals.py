"""The server's questions as :class:`~remora.core.approvals.ApprovalRequest`, and decisions as its answers."""

import shlex
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from remora.core.approvals import ApprovalRequest, Choice, Decision, RequestKind
from remora.wire.appserver import mapping, sequence, text
from remora.wire.items import legacy_changes, whole_diff
from remora.wire.jsonrpc import RequestId

_REFUSALS: Final = frozenset({"decline", "cancel", "denied", "abort", "timed_out"})
_LABELS: Final = {
    "accept": "Yes, this once",
    "acceptForSession": "Yes, and the same for this session",
    "acceptWithExecpolicyAmendment": "Yes, and always for commands that begin like this",
    "applyNetworkPolicyAmendment": "Apply a rule for this network host",
    "decline": "No, and let the agent go on",
    "cancel": "No, and stop the turn",
    "approved": "Yes, this once",
    "approved_for_session": "Yes, and the same for this session",
    "denied": "No, and let the agent go on",
    "timed_out": "No answer in time, and let the agent go on",
    "abort": "No, and stop the turn",
}
_AMENDMENTS: Final = frozenset({"acceptWithExecpolicyAmendment", "applyNetworkPolicyAmendment"})
"""The decisions that are objects."""
_OTHER: Final = "other"
_DECLINE: Final = Choice("decline", _LABELS["decline"], "decline", grants=False)
_LEGAL: Final = ("accept", "acceptForSession", "decline", "cancel")
_LEGAL_LEGACY: Final = ("approved", "approved_for_session", "abort")


def read_request(request_id: RequestId, method: str, params: Mapping[str, Any]) -> ApprovalRequest | None:
    """Read a server request that somebody decides; `None` when this is not one of them."""
    reader = _READERS.get(method)
    return reader(request_id, params) if reader is not None else None


def answer(method: str, request: ApprovalRequest, decision: Decision) -> dict[str, Any]:
    """The result to send for `decision`. Only what was offered, or the plain refusal, can be sent."""
    allowed = (*request.choices, request.unlisted_decline)
    if decision.choice not in allowed:
        raise ValueError(f"{decision.choice.name} is not among the decisions offered")
    if method == "item/permissions/requestApproval":
        return dict(mapping(decision.choice.value))
    if method == "item/tool/requestUserInput":
        return {"answers": _answers(decision)}
    if method == "mcpServer/elicitation/request":
        return _elicitation_answer(request, decision)
    return {"decision": decision.choice.value}


def _command(request_id: RequestId, params: Mapping[str, Any]) -> ApprovalRequest:
    return ApprovalRequest(
        request_id=request_id,
        kind=RequestKind.COMMAND,
        thread_id=text(params.get("threadId")) or "",
        turn_id=text(params.get("turnId")),
        item_id=text(params.get("itemId")),
        command=text(params.get("command")) or _network_target(params),
        folder=text(params.get("cwd")),
        reason=text(params.get("reason")),
        choices=_offered(params),
        detail=params,
        unlisted_decline=_DECLINE,
    )


def _file_change(request_id: RequestId, params: Mapping[str, Any]) -> ApprovalRequest:
    return ApprovalRequest(
        request_id=request_id,
        kind=RequestKind.FILE_CHANGE,
        thread_id=text(params.get("threadId")) or "",
        turn_id=text(params.get("turnId")),
        item_id=text(params.get("itemId")),
        folder=text(params.get("grantRoot")),
        reason=text(params.get("reason")),
        choices=_offered(params),
        detail=params,
        unlisted_decline=_DECLINE,
    )


def _permissions(request_id: RequestId, params: Mapping[str, Any]) -> ApprovalRequest:
    wanted = dict(mapping(params.get("permissions")))
    return ApprovalRequest(
        request_id=request_id,
        kind=RequestKind.PERMISSIONS,
        thread_id=text(params.get("threadId")) or "",
        turn_id=text(params.get("turnId")),
        item_id=text(params.get("itemId")),
        folder=text(params.get("cwd")),
        reason=text(params.get("reason")),
        choices=(
            Choice("accept", "Yes, for this turn", {"permissions": wanted, "scope": "turn"}, grants=True),
            Choice("acceptForSession", _LABELS["acceptForSession"], {"permissions": wanted, "scope": "session"}, True),
            Choice("decline", _LABELS["decline"], {"permissions": {}, "scope": "turn"}, grants=False),
        ),
        detail=params,
    )


def _user_input(request_id: RequestId, params: Mapping[str, Any]) -> ApprovalRequest:
    return ApprovalRequest(
        request_id=request_id,
        kind=RequestKind.USER_INPUT,
        thread_id=text(params.get("threadId")) or "",
        turn_id=text(params.get("turnId")),
        item_id=text(params.get("itemId")),
        questions=tuple(mapping(question) for question in sequence(params.get("questions"))),
        choices=(
            Choice("answer", "Answer", None, grants=True),
            Choice("decline", "Do not answer", None, grants=False),
        ),
        detail=params,
    )


def _elicitation(request_id: RequestId, params: Mapping[str, Any]) -> ApprovalRequest:
    properties = mapping(mapping(params.get("requestedSchema")).get("properties"))
    names = [name for name in ("accept", "decline", "cancel") if name != "accept" or _can_accept(params)]
    return ApprovalRequest(
        request_id=request_id,
        kind=RequestKind.ELICITATION,
        thread_id=text(params.get("threadId")) or "",
        turn_id=text(params.get("turnId")),
        command=text(params.get("url")),
        reason=text(params.get("message")) or text(params.get("description")),
        questions=tuple(_form_question(name, mapping(schema)) for name, schema in properties.items()),
        choices=tuple(_choice(name) for name in names),
        detail=params,
    )


def _legacy_command(request_id: RequestId, params: Mapping[str, Any]) -> ApprovalRequest:
    words = [word for word in sequence(params.get("command")) if isinstance(word, str)]
    return ApprovalRequest(
        request_id=request_id,
        kind=RequestKind.COMMAND,
        thread_id=text(params.get("conversationId")) or "",
        item_id=text(params.get("callId")),
        command=shlex.join(words),
        folder=text(params.get("cwd")),
        reason=text(params.get("reason")),
        choices=tuple(_choice(name) for name in _LEGAL_LEGACY),
        detail=params,
    )


def _legacy_patch(request_id: RequestId, params: Mapping[str, Any]) -> ApprovalRequest:
    return ApprovalRequest(
        request_id=request_id,
        kind=RequestKind.FILE_CHANGE,
        thread_id=text(params.get("conversationId")) or "",
        item_id=text(params.get("callId")),
        folder=text(params.get("grantRoot")),
        diff=whole_diff(legacy_changes(mapping(params.get("fileChanges")))),
        reason=text(params.get("reason")),
        choices=tuple(_choice(name) for name in _LEGAL_LEGACY),
        detail=params,
    )


_READERS: Final[dict[str, Callable[[RequestId, Mapping[str, Any]], ApprovalRequest]]] = {
    "item/commandExecution/requestApproval": _command,
    "item/fileChange/requestApproval": _file_change,
    "item/permissions/requestApproval": _permissions,
    "item/tool/requestUserInput": _user_input,
    "mcpServer/elicitation/request": _elicitation,
    "execCommandApproval": _legacy_command,
    "applyPatchApproval": _legacy_patch,
}


def _offered(params: Mapping[str, Any]) -> tuple[Choice, ...]:
    """Exactly what the server lists; when it lists nothing, what the schema allows for every such request."""
    listed = sequence(params.get("availableDecisions"))
    choices = tuple(_choice(value) for value in listed if isinstance(value, str | dict) and value)
    if not choices:
        return tuple(_choice(name) for name in _LEGAL)
    return choices


def _choice(value: Any) -> Choice:
    """Only a plain word refuses: an object grants, whatever its members are called."""
    if isinstance(value, str):
        return Choice(value, _label(value, value), value, grants=value not in _REFUSALS)
    name = next(iter(value)) if len(value) == 1 and next(iter(value)) in _AMENDMENTS else _OTHER
    return Choice(name, _label(name, value), value, grants=True)


def _label(name: str, value: Any) -> str:
    if name == "acceptWithExecpolicyAmendment":
        words = sequence(mapping(mapping(value).get(name)).get("execpolicy_amendment"))
        if words:
            return f"Yes, and always for commands that begin with: {shlex.join(str(word) for word in words)}"
    if name == "applyNetworkPolicyAmendment":
        rule = mapping(mapping(mapping(value).get(name)).get("network_policy_amendment"))
        if rule:
            return f"Always {rule.get('action', 'apply a rule for')} network access to {rule.get('host', '?')}"
    told = name if isinstance(value, str) else msgspec.json.encode(value).decode()
    return _LABELS.get(name) or f"Yes, in a way that remora does not know: {told!r}"


def _network_target(params: Mapping[str, Any]) -> str | None:
    context = mapping(params.get("networkApprovalContext"))
    host = text(context.get("host"))
    return f"network access to {context.get('protocol', '')} {host}".replace("  ", " ") if host else None


def _answers(decision: Decision) -> dict[str, Any]:
    if not decision.choice.grants:
        return {}
    return {name: {"answers": list(values)} for name, values in decision.answers.items()}


def _can_accept(params: Mapping[str, Any]) -> bool:
    """A browser page or a form can be answered; a proof of being the user cannot."""
    return params.get("mode") in ("form", "url", "openai/form", "openaiForm")


def _form_question(name: str, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    options = [{"label": str(value), "description": ""} for value in sequence(schema.get("enum"))]
    question = text(schema.get("description")) or text(schema.get("title")) or name
    return {"id": name, "header": text(schema.get("title")) or name, "question": question, "options": options or None}


def _elicitation_answer(request: ApprovalRequest, decision: Decision) -> dict[str, Any]:
    if not decision.choice.grants:
        return {"action": decision.choice.value, "content": None}
    properties = mapping(mapping(request.detail.get("requestedSchema")).get("properties"))
    content = {name: _form_value(mapping(properties.get(name)), values) for name, values in decision.answers.items()}
    return {"action": "accept", "content": content}


def _form_value(schema: Mapping[str, Any], values: tuple[str, ...]) -> Any:
    first = values[0] if values else ""
    match schema.get("type"):
        case "boolean":
            return first.lower() in ("true", "yes", "y", "1")
        case "integer":
            return int(first)
        case "number":
            return float(first)
        case "array":
            return list(values)
    return first
