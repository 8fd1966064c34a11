"""What the server asks of a run, under faults that the real one cannot be made to show."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from tests.support.base.runs import PROMPT, Person, Unattended, of, report_of, run_to_end
from tests.support.model.fake_app_server import Peer
from tests.support.model.fake_thread import THREAD, FakeThread, say_and_end

from remora.core.approval.request import ApprovalRequest, Choice, Decision
from remora.wire.reports.run import (
    ApprovalRequested,
    ApprovalResolved,
    RunEvent,
    Warned,
)

COMMAND = "item/commandExecution/requestApproval"


async def test_f82_an_approval_answered_elsewhere_is_withdrawn_here() -> None:
    async def play(thread: FakeThread, peer: Peer) -> None:
        await thread.ask(peer, 5, COMMAND, itemId="c", command="ls")
        await peer.notify("serverRequest/resolved", threadId=THREAD, requestId=5)
        await say_and_end(thread, peer)

    async with FakeThread(play).serve() as server:
        person = Person()
        events = await run_to_end(server.connect, PROMPT, approvals=person)
        (resolved,) = of(ApprovalResolved, events)
        assert (resolved.decided_by, resolved.request_id) == ("elsewhere", 5)
        assert 5 not in server.peers[0].answers
        assert report_of(events).exit_code == 0


@pytest.mark.parametrize(
    ("method", "params", "answer"),
    [
        (COMMAND, {"command": "ls", "availableDecisions": ["accept", "cancel"]}, {"decision": "decline"}),
        (COMMAND, {"command": "ls", "kind": "writeStdin", "availableDecisions": ["accept"]}, {"decision": "decline"}),
        (COMMAND, {"networkApprovalContext": {"host": "h", "protocol": "https"}}, {"decision": "decline"}),
        (COMMAND, {"kind": "somethingNew", "availableDecisions": [{"new": 1}]}, {"decision": "decline"}),
        ("item/fileChange/requestApproval", {}, {"decision": "decline"}),
        (
            "mcpServer/elicitation/request",
            {"serverName": "s", "mode": "form", "_meta": {"codex_approval_kind": "mcp_tool_call", "tool_params": {}}},
            {"action": "decline", "content": None},
        ),
        (
            "item/tool/requestUserInput",
            {"questions": [{"id": "mcp_tool_call_approval_i", "options": [{"label": "Allow"}, {"label": "Cancel"}]}]},
            {"answers": {"mcp_tool_call_approval_i": {"answers": ["Cancel"]}}},
        ),
        ("execCommandApproval", {"conversationId": THREAD, "command": ["ls"]}, {"decision": "abort"}),
        ("applyPatchApproval", {"conversationId": THREAD, "fileChanges": {}}, {"decision": "abort"}),
        (
            "item/permissions/requestApproval",
            {"permissions": {"network": {"enabled": True}}},
            {"permissions": {}, "scope": "turn"},
        ),
        ("item/tool/requestUserInput", {"questions": [{"id": "q", "question": "?"}]}, {"answers": {}}),
        (
            "mcpServer/elicitation/request",
            {"serverName": "s", "mode": "form", "message": "m", "requestedSchema": {}},
            {"action": "decline", "content": None},
        ),
    ],
)
async def test_f82_nobody_there_means_no_for_every_kind(method: str, params: dict[str, Any], answer: Any) -> None:
    got: list[Any] = []

    async def play(thread: FakeThread, peer: Peer) -> None:
        await thread.ask(peer, 0, method, itemId="i", **params)

        async def go_on() -> None:
            got.append(await peer.answer_to(0))
            await say_and_end(thread, peer)

        background.append(asyncio.create_task(go_on()))

    background: list[asyncio.Task[None]] = []
    async with FakeThread(play).serve() as server:
        events = await run_to_end(server.connect, PROMPT, approvals=Unattended())
        await asyncio.gather(*background)
        assert got[0]["result"] == answer
        assert (report_of(events).outcome, report_of(events).exit_code) == ("completed", 11)


async def test_a_request_that_nests_beyond_all_reason_ends_the_run_before_anybody_is_asked() -> None:
    nested: Any = {}
    for _ in range(120):
        nested = {"in": nested}

    async def play(thread: FakeThread, peer: Peer) -> None:
        await thread.ask(peer, 0, COMMAND, itemId="c", command="ls", more=nested)

    nobody = Unattended()
    async with FakeThread(play).serve() as server:
        report = report_of(await run_to_end(server.connect, PROMPT, approvals=nobody))
    assert report.error is not None
    assert report.error.code == "protocol-violation"
    assert "100 levels" in report.error.message
    assert not nobody.seen


class Misbehaving:
    """An approval handler that goes wrong in one way."""

    def __init__(self, way: str) -> None:
        self._way = way

    async def decide(self, request: ApprovalRequest) -> Decision:
        match self._way:
            case "raises":
                raise ValueError("broken prompt")
            case "cancels itself":
                raise asyncio.CancelledError
            case "invents":
                return request.decision(Choice("accept", "Yes", {"accept": "all"}, grants=True), "person")
            case "another digest":
                return replace(request, command="ls").decision(request.choices[0], "person")
        return "yes"  # type: ignore[return-value]


@pytest.mark.parametrize("way", ["raises", "cancels itself", "invents", "gives text", "another digest"])
async def test_f82_a_handler_that_goes_wrong_declines(way: str) -> None:
    got: list[Any] = []
    background: list[asyncio.Task[None]] = []

    async def play(thread: FakeThread, peer: Peer) -> None:
        await thread.ask(peer, 0, COMMAND, itemId="c", command="rm -rf /")

        async def go_on() -> None:
            got.append(await peer.answer_to(0))
            await thread.end(peer)

        background.append(asyncio.create_task(go_on()))

    async with FakeThread(play).serve() as server:
        events = await run_to_end(server.connect, PROMPT, approvals=Misbehaving(way))
        await asyncio.gather(*background)
        assert got[0]["result"] == {"decision": "decline"}
        assert of(Warned, events)
        assert report_of(events).exit_code == 11


async def test_the_same_id_after_a_restart_of_the_server_is_another_request() -> None:
    async def play(thread: FakeThread, peer: Peer) -> None:
        thread.waiting = True
        await thread.ask(peer, 0, COMMAND, itemId="first", command="one")

    async def replay(thread: FakeThread, peer: Peer) -> None:
        await thread.ask(peer, 0, COMMAND, itemId="second", command="two")

    thread = FakeThread(play, replay)
    async with thread.serve() as server:

        async def look(event: RunEvent) -> None:
            if isinstance(event, ApprovalRequested) and len(server.links) == 1:
                server.cut()
            elif isinstance(event, ApprovalRequested):
                await thread.end(server.peers[-1])

        events = await run_to_end(server.connect, PROMPT, approvals=Person(None, None), on_event=look)
        assert [each.again for each in of(ApprovalRequested, events)] == [False, False]
        assert {each.decided_by for each in of(ApprovalResolved, events)} == {"elsewhere"}
