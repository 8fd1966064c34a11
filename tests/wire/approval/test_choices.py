"""What is sent is what was shown: never a wider rule, never a value that its label does not tell."""

from typing import Any

import pytest

from remora.core.approval.request import ApprovalRequest, Choice
from remora.wire.approval import answer, read_request

COMMAND, MCP = "item/commandExecution/requestApproval", "mcpServer/elicitation/request"


def asked(method: str, **params: Any) -> ApprovalRequest:
    request = read_request(1, method, {"threadId": "t", "turnId": "u", "itemId": "i", **params})
    assert request is not None
    return request


def named(request: ApprovalRequest, name: str) -> Choice:
    return next(choice for choice in request.choices if choice.name == name)


def test_a_rule_for_commands_is_told_word_by_word_and_sent_untouched() -> None:
    value = {"acceptWithExecpolicyAmendment": {"execpolicy_amendment": ["git", "a b\nc"]}}
    request = asked(COMMAND, command="git x", availableDecisions=["accept", value, "cancel"])
    choice = named(request, "acceptWithExecpolicyAmendment")
    assert choice.label.endswith("git 'a b\nc'")
    assert choice.stores is not None
    assert "every thread" in choice.stores
    assert "outside of the sandbox" in choice.stores
    assert answer(COMMAND, request, request.decision(choice, "person")) == {"decision": value}


@pytest.mark.parametrize(
    "value",
    [
        {"acceptWithExecpolicyAmendment": {"execpolicy_amendment": ["git"], "also": ["rm"]}},
        {"acceptWithExecpolicyAmendment": {"execpolicy_amendment": ["git", 1]}},
        {"acceptWithExecpolicyAmendment": {"execpolicy_amendment": []}},
        {"applyNetworkPolicyAmendment": {"network_policy_amendment": {"host": "h", "action": "allow", "all": True}}},
        {"applyNetworkPolicyAmendment": {"network_policy_amendment": {"host": ["h"], "action": "allow"}}},
    ],
)
def test_a_value_with_more_in_it_than_a_label_would_tell_is_told_whole(value: Any) -> None:
    (choice,) = asked(COMMAND, command="git x", availableDecisions=[value]).choices
    assert choice.name == "other"
    assert choice.grants
    assert "remora does not know" in choice.label
    assert str(next(iter(value))) in choice.label


def test_a_rule_for_a_host_says_which_and_that_it_stays() -> None:
    value = {"applyNetworkPolicyAmendment": {"network_policy_amendment": {"host": "h.example", "action": "allow"}}}
    (choice,) = asked(COMMAND, networkApprovalContext={"host": "h.example"}, availableDecisions=[value]).choices
    assert choice.label == "Always allow network access to h.example"
    assert choice.stores


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("accept", {"action": "accept", "content": {}}),
        ("acceptForSession", {"action": "accept", "content": {}, "_meta": {"persist": "session"}}),
        ("acceptAlways", {"action": "accept", "content": {}, "_meta": {"persist": "always"}}),
        ("decline", {"action": "decline", "content": None}),
        ("cancel", {"action": "cancel", "content": None}),
    ],
)
def test_a_yes_to_a_tool_is_kept_only_as_long_as_was_chosen(name: str, sent: Any) -> None:
    meta = {
        "codex_approval_kind": "mcp_tool_call",
        "persist": ["session", "always"],
        "tool_name": "x",
        "tool_params": {},
    }
    request = asked(MCP, serverName="s", mode="form", message="?", _meta=meta, requestedSchema={"properties": {}})
    assert answer(MCP, request, request.decision(named(request, name), "person")) == sent


def test_only_what_the_server_keeps_is_offered_for_longer() -> None:
    meta = {
        "codex_approval_kind": "mcp_tool_call",
        "persist": ["session", "world"],
        "tool_name": "x",
        "tool_params": {},
    }
    names = [choice.name for choice in asked(MCP, serverName="s", _meta=meta).choices]
    assert names == ["accept", "acceptForSession", "decline", "cancel"]


@pytest.mark.parametrize(("typed", "value"), [("yes", True), ("no", False)])
def test_a_form_gets_values_of_its_types(typed: str, value: bool) -> None:
    schema = {"properties": {"sure": {"type": "boolean"}, "age": {"type": "integer"}}, "required": ["sure"]}
    request = asked(MCP, serverName="s", mode="form", message="?", requestedSchema=schema)
    assert [(each["id"], each["required"]) for each in request.questions] == [("sure", True), ("age", False)]
    decision = request.decision(named(request, "accept"), "person", answers={"sure": (typed,), "age": ("3",)})
    assert answer(MCP, request, decision)["content"] == {"sure": value, "age": 3}
