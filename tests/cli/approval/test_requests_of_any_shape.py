"""Requests whose members are missing or of another kind: each is told, and what nobody can see is not granted."""

import io
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.screen.person import ENVIRONMENT

from remora.cli.approval.approval_view import lines_of, show_request
from remora.cli.draw.page import Page
from remora.core.approval.typed import choice_keys
from remora.wire.approval import read_request
from remora.wire.appserver.story import Story
from remora.wire.reports import encode
from remora.wire.reports.approval import requested

TOOL = {"codex_approval_kind": "mcp_tool_call", "tool_name": "t", "tool_params": {}, "tool_annotations": {}}
WHOLE: Mapping[str, dict[str, Any]] = {
    "item/commandExecution/requestApproval": {
        "command": "ls",
        "cwd": "/",
        "kind": "command",
        "networkApprovalContext": {"host": "h", "protocol": "https"},
        "additionalPermissions": {"network": {"enabled": True}},
        "availableDecisions": ["accept", {"acceptWithExecpolicyAmendment": {"execpolicy_amendment": ["ls"]}}],
    },
    "item/fileChange/requestApproval": {"itemId": "i", "grantRoot": "/"},
    "item/permissions/requestApproval": {"permissions": {"network": {"enabled": True}}},
    "item/tool/requestUserInput": {"questions": [{"id": "q", "question": "?", "options": [{"label": "a"}]}]},
    "mcpServer/elicitation/request": {"serverName": "s", "mode": "form", "requestedSchema": {}, "_meta": TOOL},
    "execCommandApproval": {"command": ["ls"], "cwd": "/"},
    "applyPatchApproval": {"fileChanges": {"a": {"type": "add", "content": "x"}}},
}
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cn", "Zs"]), max_size=20) | st.sampled_from(
    ["\x1b[2J\r\n▌ host", "\u202e", "a" * 300]
)
ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


def bent(value: Any, data: st.DataObject) -> Any:
    """The same document with one of its members, however deep, made another."""
    if not isinstance(value, dict | list) or not value or data.draw(st.integers(0, 3)) == 0:
        return data.draw(ANY)
    if isinstance(value, list):
        return [bent(value[0], data), *value[1:]]
    name = data.draw(st.sampled_from(sorted(value)))
    return {**value, name: bent(value[name], data)}


@pytest.mark.parametrize("method", sorted(WHOLE))
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_a_request_of_any_shape_is_told_behind_our_bar_or_can_only_be_denied(method: str, data: st.DataObject) -> None:
    params = {"threadId": "t", **WHOLE[method]}
    name = data.draw(st.sampled_from(sorted(params)))
    params = {**params, name: bent(params[name], data)}
    request = read_request(1, method, params)
    assert request is not None
    request = Story().complete(request)
    if request.blind:
        request = request.without_grants()
        assert not any(choice.grants for choice in request.choices)
    document = requested(request)
    assert encode(document)
    assert (document.id, document.digest) == (request.id, request.digest)
    assert lines_of(document, 80) >= 0
    assert len(choice_keys(request.choices)) == len(request.choices)
    assert not request.refusal.grants
    out = io.StringIO()
    show_request(Page(out, ENVIRONMENT, width=100), document, where="me@devbox (devbox)")
    assert all(line.startswith(("▌", " ")) for line in out.getvalue().split("\n") if line)
    assert all(character.isprintable() or character == "\n" for character in out.getvalue())
