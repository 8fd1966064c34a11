"""The server's questions, in every generation, as requests with all that they tell."""

import shlex
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from remora.core.approval.request import ApprovalRequest, Choice, RequestKind, TerminalInput, ToolCall
from remora.wire.approval import choices
from remora.wire.approval.forms import form_questions
from remora.wire.appserver.calls import mapping, sequence, text
from remora.wire.appserver.file_changes import legacy_changes, whole_diff
from remora.wire.appserver.jsonrpc import RequestId

_ANSWERABLE: Final = ("form", "url", "openai/form", "openaiForm")
"""A browser page or a form can be answered; a proof of being the user cannot."""
_TOOL_QUESTION: Final = "mcp_tool_call_approval"
_KINDS: Final = ("command", "writeStdin")
_IDS: Final = ("threadId", "turnId", "itemId", "startedAtMs", "conversationId", "callId", "approvalId", "elicitationId")
_COMMAND_MEMBERS: Final = ("command", "commandActions", "parsedCmd", "cwd", "environmentId", "networkApprovalContext")
_OFFERS: Final = ("availableDecisions", "proposedExecpolicyAmendment", "proposedNetworkPolicyAmendments")
_QUESTION_MEMBERS: Final = ("questions", "isBlocking", "serverName", "mode", "message", "requestedSchema", "url")
_KNOWN: Final = frozenset(
    (
        *_IDS,
        *_COMMAND_MEMBERS,
        *_OFFERS,
        *_QUESTION_MEMBERS,
        *("reason", "description", "fileChanges", "grantRoot", "permissions", "additionalPermissions"),
    )
)
"""Members of requests that are read, or that say nothing about what a yes does."""
_TEXTS: Final = ("cwd", "environmentId", "grantRoot", "message", "reason", "serverName", "url")
"""Members that are read as text only."""
_META_KNOWN: Final = frozenset(
    (
        *("codex_approval_kind", "persist", "tool_name", "tool_annotations", "tool_description", "tool_params"),
        "tool_params_display",
    )
)


def read_request(request_id: RequestId, method: str, params: Mapping[str, Any]) -> ApprovalRequest | None:
    """Read a server request that somebody decides; `None` when this is not one of them."""
    reader = _READERS.get(method)
    if reader is None:
        return None
    asked_at = params.get("startedAtMs")
    return replace(
        reader(request_id, params),
        asked_at_ms=asked_at if isinstance(asked_at, int) and not isinstance(asked_at, bool) else None,
        unknown=_unknown(params),
    )


def _command(request_id: RequestId, params: Mapping[str, Any]) -> ApprovalRequest:
    network = mapping(params.get("networkApprovalContext")) or None
    command = text(params.get("command"))
    typed = _terminal_input(command) if params.get("kind") == "writeStdin" else None
    kind = RequestKind.NETWORK if network is not None and not command else RequestKind.COMMAND
    return ApprovalRequest(
        request_id=request_id,
        kind=RequestKind.TERMINAL_INPUT if params.get("kind") == "writeStdin" else kind,
        **_place(params),
        command=command or _network_target(network),
        terminal_input=typed,
        folder=text(params.get("cwd")),
        reason=text(params.get("reason")),
        network=network,
        additional_permissions=mapping(params.get("additionalPermissions")) or None,
        choices=choices.offered(params),
        detail=params,
        unlisted_decline=choices.DECLINE,
    )


def _file_change(request_id: RequestId, params: Mapping[str, Any]) -> ApprovalRequest:
    return ApprovalRequest(
        request_id=request_id,
        kind=RequestKind.FILE_CHANGE,
        **_place(params),
        opens=text(params.get("grantRoot")),
        reason=text(params.get("reason")),
        choices=choices.offered(params),
        detail=params,
        unlisted_decline=choices.DECLINE,
    )


def _permissions(request_id: RequestId, params: Mapping[str, Any]) -> ApprovalRequest:
    wanted = dict(mapping(params.get("permissions")))
    return ApprovalRequest(
        request_id=request_id,
        kind=RequestKind.PERMISSIONS,
        **_place(params),
        folder=text(params.get("cwd")),
        reason=text(params.get("reason")),
        permissions=wanted,
        choices=choices.for_permissions(wanted),
        detail=params,
    )


def _user_input(request_id: RequestId, params: Mapping[str, Any]) -> ApprovalRequest:
    questions = tuple(mapping(question) for question in sequence(params.get("questions")))
    about_tool = len(questions) == 1 and str(questions[0].get("id")).startswith(_TOOL_QUESTION)
    answers: tuple[Choice, ...] = choices.of_options(questions[0]) if about_tool else choices.for_questions()
    return ApprovalRequest(
        request_id=request_id,
        kind=RequestKind.MCP_TOOL if about_tool else RequestKind.USER_INPUT,
        **_place(params),
        reason=text(questions[0].get("question")) if about_tool else None,
        questions=questions,
        choices=answers,
        detail=params,
        unlisted_decline=Choice("decline", "Do not answer", None, grants=False) if about_tool else None,
    )


def _elicitation(request_id: RequestId, params: Mapping[str, Any]) -> ApprovalRequest:
    meta = mapping(params.get("_meta"))
    server = text(params.get("serverName")) or ""
    shared: dict[str, Any] = {
        **_place(params),
        "asked_by": server or None,
        "reason": text(params.get("message")) or text(params.get("description")),
        "questions": form_questions(mapping(params.get("requestedSchema"))),
        "detail": params,
    }
    if meta.get("codex_approval_kind") == "mcp_tool_call":
        tool = ToolCall(
            server=server or None,
            name=text(meta.get("tool_name")),
            arguments=meta.get("tool_params"),
            description=text(meta.get("tool_description")),
            hints=mapping(meta.get("tool_annotations")),
        )
        offered = choices.for_tool(server, tool.name, meta.get("persist"))
        return ApprovalRequest(request_id=request_id, kind=RequestKind.MCP_TOOL, tool=tool, choices=offered, **shared)
    return ApprovalRequest(
        request_id=request_id,
        kind=RequestKind.ELICITATION,
        url=text(params.get("url")),
        choices=choices.for_form(can_accept=params.get("mode") in _ANSWERABLE),
        **shared,
    )


def _oldest_command(request_id: RequestId, params: Mapping[str, Any]) -> ApprovalRequest:
    words = sequence(params.get("command"))
    return ApprovalRequest(
        request_id=request_id,
        kind=RequestKind.COMMAND,
        thread_id=text(params.get("conversationId")) or "",
        item_id=text(params.get("callId")),
        command=shlex.join(words) if all(isinstance(word, str) for word in words) else None,
        folder=text(params.get("cwd")),
        reason=text(params.get("reason")),
        choices=choices.offered_by_oldest(),
        detail=params,
    )


def _oldest_patch(request_id: RequestId, params: Mapping[str, Any]) -> ApprovalRequest:
    changes = legacy_changes(mapping(params.get("fileChanges")))
    return ApprovalRequest(
        request_id=request_id,
        kind=RequestKind.FILE_CHANGE,
        thread_id=text(params.get("conversationId")) or "",
        item_id=text(params.get("callId")),
        opens=text(params.get("grantRoot")),
        changes=changes,
        diff=whole_diff(changes),
        reason=text(params.get("reason")),
        choices=choices.offered_by_oldest(),
        detail=params,
    )


_READERS: Final[dict[str, Callable[[RequestId, Mapping[str, Any]], ApprovalRequest]]] = {
    "item/commandExecution/requestApproval": _command,
    "item/fileChange/requestApproval": _file_change,
    "item/permissions/requestApproval": _permissions,
    "item/tool/requestUserInput": _user_input,
    "mcpServer/elicitation/request": _elicitation,
    "execCommandApproval": _oldest_command,
    "applyPatchApproval": _oldest_patch,
}


def _unknown(params: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the server tells and nobody here has read, of whatever meaning."""
    rest = {name: value for name, value in params.items() if value is not None and not _is_read(name, value)}
    if isinstance(meta := rest.get("_meta"), dict):
        rest["_meta"] = {name: value for name, value in meta.items() if name not in _META_KNOWN}
    return {name: value for name, value in rest.items() if value != {}}


def _is_read(name: str, value: Any) -> bool:
    if name == "kind":
        return value in _KINDS
    return name in _KNOWN and (isinstance(value, str) or name not in _TEXTS)


def _place(params: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "thread_id": text(params.get("threadId")) or "",
        "turn_id": text(params.get("turnId")),
        "item_id": text(params.get("itemId")),
        "environment": text(params.get("environmentId")),
    }


def _network_target(network: Mapping[str, Any] | None) -> str | None:
    host = text(network.get("host")) if network is not None else None
    protocol = text(network.get("protocol")) if network is not None else None
    return " ".join(part for part in ("network access to", protocol, host) if part) if host else None


def _terminal_input(command: str | None) -> TerminalInput | None:
    """The server writes it as a command line; `None` where that says more or less than terminal and text.

    The two escapes that its quotes have beyond those of :mod:`shlex` are left to the command line itself.
    """
    if command is None or "\\$" in command or "\\`" in command:
        return None
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    match words:
        case ["write_stdin", "--session-id", terminal, typed]:
            return TerminalInput(terminal=terminal, text=typed)
    return None
