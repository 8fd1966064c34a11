"""What is read of a request, and what is handed on because nobody here knows what it means."""

from typing import Any

import pytest

from remora.wire.approval import read_request

COMMAND = "item/commandExecution/requestApproval"
MCP = "mcpServer/elicitation/request"


def unknown(method: str, **params: Any) -> Any:
    request = read_request(1, method, {"threadId": "t", **params})
    assert request is not None
    return request.unknown


@pytest.mark.parametrize(
    ("params", "rest"),
    [
        ({"kind": "command", "command": "ls", "cwd": "/", "reason": None, "startedAtMs": 1, "commandActions": []}, {}),
        ({"command": "ls", "runAs": "root", "later": None}, {"runAs": "root"}),
        ({"command": "ls", "kind": "humanCommand"}, {"kind": "humanCommand"}),
        ({"command": "ls", "cwd": ["/", "/etc"]}, {"cwd": ["/", "/etc"]}),
    ],
)
def test_a_member_that_nobody_here_reads_is_handed_on_as_it_came(params: dict[str, Any], rest: Any) -> None:
    assert unknown(COMMAND, **params) == rest


@pytest.mark.parametrize(
    ("meta", "rest"),
    [
        ({"codex_approval_kind": "mcp_tool_call", "tool_params": {}}, {}),
        ({"codex_approval_kind": "mcp_tool_call", "tool_params": {}, "as": "root"}, {"_meta": {"as": "root"}}),
        ("a text", {"_meta": "a text"}),
        (None, {}),
    ],
)
def test_so_is_a_member_of_what_a_tool_adds(meta: Any, rest: Any) -> None:
    assert unknown(MCP, mode="form", serverName="s", _meta=meta) == rest


def test_when_the_server_began_to_ask_is_read_from_a_whole_number_only() -> None:
    for told, read in ((1_700_000_000_000, 1_700_000_000_000), (True, None), ("1", None), (None, None)):
        request = read_request(1, COMMAND, {"threadId": "t", "startedAtMs": told})
        assert request is not None
        assert request.asked_at_ms == read
