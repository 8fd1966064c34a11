"""Decisions as the server's answers."""

from typing import Any

from remora.core.approval.request import ApprovalRequest, Decision, RequestKind
from remora.wire.approval.forms import form_content
from remora.wire.appserver.calls import mapping


def answer(method: str, request: ApprovalRequest, decision: Decision) -> dict[str, Any]:
    """The result to send for `decision`. Raises :class:`ValueError` for anything but an answer to exactly this request.

    Only what was offered, or the plain refusal, can be sent, and only where the decision names the digest of `request`.
    """
    if decision.digest != request.digest:
        raise ValueError("it was made for a request with another digest")
    allowed = (*request.choices, request.unlisted_decline)
    if decision.choice not in allowed:
        raise ValueError(f"{decision.choice.name} is not among the decisions offered")
    if method == "item/permissions/requestApproval":
        return dict(mapping(decision.choice.value))
    if method == "item/tool/requestUserInput":
        return {"answers": _answers(request, decision)}
    if method == "mcpServer/elicitation/request":
        return _to_mcp_server(request, decision)
    return {"decision": decision.choice.value}


def _answers(request: ApprovalRequest, decision: Decision) -> dict[str, Any]:
    if request.kind is RequestKind.MCP_TOOL:
        name = str(request.questions[0]["id"])
        return {name: {"answers": [decision.choice.value]}} if decision.choice.value else {}
    if not decision.choice.grants:
        return {}
    return {name: {"answers": list(values)} for name, values in decision.answers.items()}


def _to_mcp_server(request: ApprovalRequest, decision: Decision) -> dict[str, Any]:
    said = mapping(decision.choice.value)
    if not decision.choice.grants:
        return {**said, "content": None}
    return {**said, "content": form_content(mapping(request.detail.get("requestedSchema")), decision.answers)}
