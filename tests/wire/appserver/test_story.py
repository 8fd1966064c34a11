"""Which thread is whose, and what a request that only names its item is about."""

from typing import Any

import pytest

from remora.core.approval.request import ApprovalRequest, RequestKind
from remora.wire.approval import read_request
from remora.wire.appserver.story import Story
from remora.wire.reports.run import CommandStarted, Message, SubagentEnded, SubagentStarted

COMMAND, FILES = "item/commandExecution/requestApproval", "item/fileChange/requestApproval"


def story() -> Story:
    told = Story()
    told.main.thread_id, told.main.turn_id = "main", "turn"
    return told


def asked(method: str, **params: Any) -> ApprovalRequest:
    request = read_request(1, method, {"threadId": "main", "itemId": "i", **params})
    assert request is not None
    return request


def begin(told: Story, thread: str, **item: Any) -> list[Any]:
    return list(told.notification("item/started", {"threadId": thread, "turnId": "turn", "item": {"id": "i", **item}}))


def spawn(told: Story, sender: str, receiver: str, *, turn: str = "turn") -> None:
    call = {"type": "collabAgentToolCall", "id": f"spawn-{receiver}", "tool": "spawnAgent", "prompt": "go"}
    told.notification("item/started", {"threadId": sender, "turnId": turn, "item": {**call, "receiverThreadIds": []}})
    done = {**call, "receiverThreadIds": [receiver], "status": "completed"}
    told.notification("item/completed", {"threadId": sender, "turnId": turn, "item": done})


def test_sub_agents_of_sub_agents_name_who_started_them() -> None:
    told = story()
    spawn(told, "main", "child")
    spawn(told, "child", "grandchild", turn="other")
    begun = [
        event
        for thread in ("child", "grandchild")
        for event in told.notification("turn/started", {"threadId": thread, "turn": {"id": f"{thread}-turn"}})
    ]
    assert [
        (each.thread_id, each.subagent, each.parent_thread_id) for each in begun if isinstance(each, SubagentStarted)
    ] == [
        ("child", "sub-agent 1", "main"),
        ("grandchild", "sub-agent 2", "child"),
    ]
    assert told.working
    request = told.complete(asked(COMMAND, threadId="grandchild", command="ls"))
    assert request.parent_thread_id == "child"
    for thread in ("child", "grandchild"):
        turn = {"id": f"{thread}-turn", "status": "completed"}
        (ended,) = told.notification("turn/completed", {"threadId": thread, "turn": turn})
        assert isinstance(ended, SubagentEnded)
    assert not told.working


def test_items_of_two_threads_that_share_an_id_stay_apart() -> None:
    told = story()
    spawn(told, "main", "child")
    (ours,) = begin(told, "main", type="commandExecution", command="ours", cwd="/")
    (theirs,) = begin(told, "child", type="commandExecution", command="theirs", cwd="/")
    assert isinstance(ours, CommandStarted)
    assert isinstance(theirs, CommandStarted)
    assert (ours.subagent, theirs.subagent) == (None, "sub-agent 1")


def test_a_thread_that_nobody_started_here_is_not_told_but_its_question_is() -> None:
    told = story()
    item = {"type": "agentMessage", "id": "m", "text": "hello"}
    assert told.notification("item/completed", {"threadId": "stranger", "item": item}) == []
    assert told.complete(asked(COMMAND, threadId="stranger", command="ls")).parent_thread_id == "main"
    *_, said = told.notification("item/completed", {"threadId": "stranger", "item": item})
    assert isinstance(said, Message)
    assert said.subagent == "sub-agent 1"


def test_a_turn_that_names_ours_as_its_root_is_a_sub_agents() -> None:
    told = story()
    turn = {"id": "t", "rootTurnId": "turn"}
    assert told.notification("turn/started", {"threadId": "child", "turn": turn})
    assert not told.notification("turn/started", {"threadId": "other", "turn": {"id": "u", "rootTurnId": "else"}})


def test_an_item_id_that_comes_twice_means_what_came_last() -> None:
    told = story()
    for path in ("/harmless", "/etc/passwd"):
        changes = [{"path": path, "kind": {"type": "add"}, "diff": "x\n"}]
        begin(told, "main", type="fileChange", changes=changes)
    assert [file.path for file in told.complete(asked(FILES)).changes] == ["/etc/passwd"]


@pytest.mark.parametrize(
    "request_",
    [
        asked(FILES),
        asked(COMMAND),
        asked(COMMAND, kind="writeStdin"),
        asked("item/permissions/requestApproval", permissions={}),
        asked("mcpServer/elicitation/request", serverName="s", _meta={"codex_approval_kind": "mcp_tool_call"}),
    ],
    ids=lambda request: request.kind.value,
)
def test_to_what_is_not_told_only_no_can_be_said(request_: ApprovalRequest) -> None:
    choices = story().complete(request_).choices
    assert choices
    assert not any(choice.grants for choice in choices)


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("write_stdin --session-id 7 'touch x\n'", "touch x\n"),
        ('write_stdin --session-id 7 "it\'s a \\"line\\"\nrm x\n"', 'it\'s a "line"\nrm x\n'),
        ('write_stdin --session-id 7 "it\'s \\$HOME"', None),
        ("write_stdin --session-id 7 a b", None),
        ("write_stdin 'open", None),
    ],
)
def test_what_is_typed_into_a_program_names_the_program_where_it_can_be_read(command: str, text: str | None) -> None:
    told = story()
    begin(told, "main", type="commandExecution", command="python3 -i", cwd="/", processId="7")
    request = told.complete(asked(COMMAND, kind="writeStdin", command=command))
    assert request.kind is RequestKind.TERMINAL_INPUT
    assert request.command == command
    assert (request.terminal_input and request.terminal_input.text) == text
    assert request.terminal_input is None or request.terminal_input.runs == "python3 -i"
