"""The public document of a request: whole, and enough to compute the digest from it."""

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
import rfc8785
from tests.support.approval.requests import REQUEST

from remora.core.approval.request import ApprovalRequest, RequestKind
from remora.wire.reports import encode
from remora.wire.reports.approval import requested

SAME = ("request", "environment", "command", "terminal_input", "folder", "opens", "permissions")
ALSO = ("additional_permissions", "network", "asked_by", "url", "questions", "unknown")


def picked(document: dict[str, Any] | None, *names: str) -> dict[str, Any] | None:
    return None if document is None else {name: document[name] for name in names}


def digest_by_the_documentation(event: dict[str, Any]) -> str:
    """As docs/scripting.md says."""
    asks_in_words = event["request"] == "elicitation" or (
        event["request"] == "mcp-tool" and (event["tool"] is None or event["tool"]["name"] is None)
    )
    document = {
        **{name: event[name] for name in (*SAME, *ALSO)},
        "changes": [picked(each, "path", "change", "diff", "moved_to") for each in event["changes"]],
        "tool": picked(event["tool"], "server", "name", "arguments", "hints"),
        "choices": [picked(each, "name", "value", "grants", "stores") for each in event["choices"]],
        "reason": event["reason"] if asks_in_words else None,
    }
    return hashlib.sha256(rfc8785.dumps(document)).hexdigest()


@pytest.mark.parametrize(
    "request_",
    [
        REQUEST,
        replace(REQUEST, kind=RequestKind.ELICITATION, tool=None),
        ApprovalRequest(request_id="x", kind=RequestKind.MCP_TOOL, thread_id="", reason="Allow it?", choices=()),
    ],
)
def test_a_program_computes_the_digest_from_the_event(request_: ApprovalRequest) -> None:
    event = json.loads(encode(requested(request_)))
    assert event["digest"] == request_.digest == digest_by_the_documentation(event)
    assert event["id"] == request_.id


def test_the_document_has_every_member_of_a_request() -> None:
    event = json.loads(encode(requested(REQUEST)))
    assert event["parent_thread_id"] == "parent"
    assert (event["thread_id"], event["turn_id"], event["item_id"], event["asked_at_ms"]) == (
        *("thread", "turn", "item"),
        1_000,
    )
    assert event["terminal_input"] == {"terminal": "1", "text": "y\n", "runs": "sh"}
    assert event["choices"][0]["value"] == "accept"
    assert event["unknown"] == {"new": 1}
