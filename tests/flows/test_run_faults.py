"""A run under faults that the real server cannot be made to show."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.support.fake_app_server import FakeAppServer, Peer
from tests.support.fake_thread import THREAD, FakeThread
from tests.support.local_app_server import LocalServer
from tests.support.loop import run
from tests.support.runs import Person, Unattended, of, report_of, run_to_end
from tests.support.streams import link_lost

from remora.core.approvals import ApprovalRequest, Choice, Decision
from remora.core.errors import AuthenticationProblem, Code, HostKeyProblem, RemoraError
from remora.core.settings import DEFAULT_LIMITS, Limits
from remora.flows.interrupting import InterruptSwitch
from remora.flows.launch import Ahead
from remora.flows.run_request import RunRequest
from remora.testing.manual_clock import ManualClock
from remora.wire.reports.run import (
    ApprovalRequested,
    ApprovalResolved,
    CommandCompleted,
    CommandOutput,
    CommandStarted,
    LinkLost,
    Message,
    OtherItem,
    Reconnected,
    Reconnecting,
    RunEvent,
    TextDelta,
    ThreadReady,
    Warned,
)

PROMPT = RunRequest(prompt="please", message_id="message-1")
COMMAND = "item/commandExecution/requestApproval"


async def say_and_end(thread: FakeThread, peer: Peer) -> None:
    await thread.say(peer, "a", "hello")
    await thread.end(peer)


# -- requests of the server


def test_f82_an_approval_answered_elsewhere_is_withdrawn_here() -> None:
    async def play(thread: FakeThread, peer: Peer) -> None:
        await thread.ask(peer, 5, COMMAND, itemId="c", command="ls")
        await peer.notify("serverRequest/resolved", threadId=THREAD, requestId=5)
        await say_and_end(thread, peer)

    async def go() -> None:
        async with FakeThread(play).serve() as server:
            person = Person()
            events = await run_to_end(server.connect, PROMPT, approvals=person)
            (resolved,) = of(ApprovalResolved, events)
            assert (resolved.decided_by, resolved.request_id) == ("elsewhere", 5)
            assert 5 not in server.peers[0].answers
            assert report_of(events).exit_code == 0

    run(go())


@pytest.mark.parametrize(
    ("method", "params", "answer"),
    [
        (COMMAND, {"command": "ls", "availableDecisions": ["accept", "cancel"]}, {"decision": "decline"}),
        ("item/fileChange/requestApproval", {}, {"decision": "decline"}),
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
def test_f82_nobody_there_means_no_for_every_kind(method: str, params: dict[str, Any], answer: Any) -> None:
    got: list[Any] = []

    async def play(thread: FakeThread, peer: Peer) -> None:
        await thread.ask(peer, 0, method, itemId="i", **params)

        async def go_on() -> None:
            got.append(await peer.answer_to(0))
            await say_and_end(thread, peer)

        background.append(asyncio.create_task(go_on()))

    background: list[asyncio.Task[None]] = []

    async def go() -> None:
        async with FakeThread(play).serve() as server:
            events = await run_to_end(server.connect, PROMPT, approvals=Unattended())
            await asyncio.gather(*background)
            assert got[0]["result"] == answer
            assert (report_of(events).outcome, report_of(events).exit_code) == ("completed", 11)

    run(go())


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
                return Decision(Choice("accept", "Yes", {"accept": "all"}, grants=True), "person")
        return None  # type: ignore[return-value]


@pytest.mark.parametrize("way", ["raises", "cancels itself", "invents", "gives nothing"])
def test_f82_a_handler_that_goes_wrong_declines(way: str) -> None:
    got: list[Any] = []
    background: list[asyncio.Task[None]] = []

    async def play(thread: FakeThread, peer: Peer) -> None:
        await thread.ask(peer, 0, COMMAND, itemId="c", command="rm -rf /")

        async def go_on() -> None:
            got.append(await peer.answer_to(0))
            await thread.end(peer)

        background.append(asyncio.create_task(go_on()))

    async def go() -> None:
        async with FakeThread(play).serve() as server:
            events = await run_to_end(server.connect, PROMPT, approvals=Misbehaving(way))
            await asyncio.gather(*background)
            assert got[0]["result"] == {"decision": "decline"}
            assert of(Warned, events)
            assert report_of(events).exit_code == 11

    run(go())


def test_the_same_id_after_a_restart_of_the_server_is_another_request() -> None:
    async def play(thread: FakeThread, peer: Peer) -> None:
        thread.waiting = True
        await thread.ask(peer, 0, COMMAND, itemId="first", command="one")

    async def replay(thread: FakeThread, peer: Peer) -> None:
        await thread.ask(peer, 0, COMMAND, itemId="second", command="two")

    async def go() -> None:
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

    run(go())


# -- before the prompt is taken, failures are raised


@pytest.mark.parametrize(
    ("method", "message", "expected"),
    [
        ("thread/start", "no such model", Code.REQUEST_REFUSED),
        ("turn/start", "Input exceeds the maximum length", Code.REQUEST_REFUSED),
    ],
)
def test_what_the_server_refuses_is_raised_as_it_is(method: str, message: str, expected: Code) -> None:
    async def refuse(peer: Peer, request: dict[str, Any]) -> None:
        await peer.refuse(request, -32602, message)

    async def go() -> None:
        async with FakeThread(say_and_end).serve(**{method: refuse}) as server:
            with pytest.raises(RemoraError) as caught:
                await run_to_end(server.connect, PROMPT)
            assert caught.value.code is expected
            assert message in caught.value.seen

    run(go())


def test_a_thread_that_works_already_is_not_joined_by_accident() -> None:
    async def go() -> None:
        async with FakeThread(say_and_end, busy_before=True).serve() as server:
            request = RunRequest(prompt="more", message_id="m", thread=THREAD)
            with pytest.raises(RemoraError) as caught:
                await run_to_end(server.connect, request)
            assert caught.value.code is Code.THREAD_BUSY
            assert "turn/start" not in [each["method"] for each in server.requests]

    run(go())


def test_a_thread_that_is_not_there_is_named() -> None:
    async def missing(peer: Peer, request: dict[str, Any]) -> None:
        await peer.refuse(request, -32600, "no rollout found for thread id x")

    async def go() -> None:
        async with FakeThread(say_and_end).serve(**{"thread/resume": missing}) as server:
            with pytest.raises(RemoraError) as caught:
                await run_to_end(server.connect, RunRequest(prompt="more", message_id="m", thread=THREAD))
            assert caught.value.code is Code.THREAD_MISSING

    run(go())


def test_a_turn_that_has_not_begun_yet_is_interrupted_when_it_has() -> None:
    async def play(thread: FakeThread, peer: Peer) -> None:
        await thread.say(peer, "a", "hello")

    thread, asked = FakeThread(play), list[int]()

    async def too_early(peer: Peer, request: dict[str, Any]) -> None:
        asked.append(1)
        if len(asked) < 3:
            await peer.refuse(request, -32600, "no active turn to interrupt")
            return
        await peer.result(request, {})
        await thread.end(peer, "interrupted")

    async def go() -> None:
        switch = InterruptSwitch()

        async def look(event: RunEvent) -> None:
            if isinstance(event, Message):
                switch.interrupt()

        async with thread.serve(**{"turn/interrupt": too_early}) as server:
            report = report_of(await run_to_end(server.connect, PROMPT, interrupt=switch, on_event=look))
        assert (report.outcome, report.exit_code, len(asked)) == ("interrupted", 130, 3)

    run(go())


def test_stopping_before_the_prompt_is_out_leaves_nothing_behind() -> None:
    async def go() -> None:
        switch = InterruptSwitch()

        @asynccontextmanager
        async def never(ahead: Ahead) -> AsyncIterator[LocalServer]:
            switch.interrupt()
            await asyncio.Event().wait()
            yield  # type: ignore[misc]

        events = await run_to_end(never, PROMPT, interrupt=switch)
        report = report_of(events)
        assert (report.outcome, report.exit_code, report.goes_on) == ("interrupted", 130, False)

    run(go())


# -- breaks


class Failing:
    """Connects once, then fails with the given errors in turn; the last one stays."""

    def __init__(self, server: FakeAppServer, *errors: RemoraError) -> None:
        self._server = server
        self._errors = list(errors)
        self.attempts = 0

    @asynccontextmanager
    async def connect(self, ahead: Ahead) -> AsyncIterator[LocalServer]:
        self.attempts += 1
        if self.attempts > 1:
            raise self._errors[min(self.attempts - 2, len(self._errors) - 1)]
        async with self._server.connect(ahead) as connected:
            yield connected


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (AuthenticationProblem(Code.AUTHENTICATION_REFUSED, "Refused.", next_step="Add the key."), 6),
        (HostKeyProblem(Code.HOST_KEY_CHANGED, "Changed.", next_step="Look."), 5),
    ],
)
def test_f79_never_again_after_a_refused_login_or_a_changed_key(error: RemoraError, exit_code: int) -> None:
    async def play(thread: FakeThread, peer: Peer) -> None:
        await thread.say(peer, "a", "hello")

    async def go() -> None:
        async with FakeThread(play).serve() as server:
            failing = Failing(server, error)

            async def look(event: RunEvent) -> None:
                if isinstance(event, Message):
                    server.cut()

            events = await run_to_end(failing.connect, PROMPT, on_event=look)
            report = report_of(events)
            assert failing.attempts == 2
            assert (report.outcome, report.exit_code, report.goes_on) == ("unknown", exit_code, True)
            assert report.continue_with is not None

    run(go())


def test_f79_a_host_that_lets_us_in_and_drops_us_again_and_again_is_given_up() -> None:
    async def play(thread: FakeThread, peer: Peer) -> None:
        await thread.say(peer, "a", "hello")

    async def go() -> None:
        clock, pauses = ManualClock(), list[float]()
        async with FakeThread(play).serve() as server:

            async def look(event: RunEvent) -> None:
                if isinstance(event, Message | Reconnected):
                    server.cut()
                if isinstance(event, Reconnecting):
                    pauses.append(event.delay)

            running = asyncio.create_task(run_to_end(server.connect, PROMPT, on_event=look, clock=clock))
            async with asyncio.timeout(20):
                while not running.done():
                    await asyncio.sleep(0)
                    if pauses and clock.sleepers:
                        await clock.advance(pauses.pop() + 0.01)
            events = running.result()
            report = report_of(events)
            assert (report.outcome, report.goes_on) == ("unknown", True)
            assert 2 < len(of(Reconnected, events)) < 20
            assert clock.monotonic() <= DEFAULT_LIMITS.reconnect_total + 1

    run(go())


def test_f79_attempts_are_bounded_in_number_and_time() -> None:
    async def play(thread: FakeThread, peer: Peer) -> None:
        await thread.say(peer, "a", "hello")

    async def go() -> None:
        clock = ManualClock()
        async with FakeThread(play).serve() as server:
            failing = Failing(server, link_lost())

            async def look(event: RunEvent) -> None:
                if isinstance(event, Message):
                    server.cut()

            limits = Limits(reconnect_total=180.0)
            running = asyncio.create_task(
                run_to_end(failing.connect, PROMPT, on_event=look, clock=clock, limits=limits)
            )
            async with asyncio.timeout(20):
                while not running.done():
                    await asyncio.sleep(0)
                    if failing.attempts >= 1 and server.links and server.links[0]._lost.is_set() and clock.sleepers:
                        await clock.advance(1.0)
            events = running.result()
            report = report_of(events)
            assert (report.outcome, report.exit_code, report.goes_on) == ("unknown", 4, True)
            assert len(of(LinkLost, events)) == 1
            delays = [each.delay for each in of(Reconnecting, events)]
            assert 3 <= len(delays) <= 2 + 3 * 3
            assert sum(delays) <= 181

    run(go())


def test_stopping_twice_while_reconnecting_leaves() -> None:
    async def play(thread: FakeThread, peer: Peer) -> None:
        await thread.say(peer, "a", "hello")

    async def go() -> None:
        async with FakeThread(play).serve() as server:
            switch = InterruptSwitch()
            failing = Failing(server, link_lost())

            async def look(event: RunEvent) -> None:
                if isinstance(event, Message):
                    server.cut()
                if isinstance(event, Reconnecting):
                    switch.interrupt()
                    switch.interrupt()

            report = report_of(await run_to_end(failing.connect, PROMPT, on_event=look, interrupt=switch))
            assert (report.outcome, report.exit_code, report.goes_on) == ("left", 130, True)

    run(go())


def test_f81_a_command_that_was_running_is_told_whole_and_once() -> None:
    """Its output goes on at an unknown place after the gap, so the rest comes when it is known whole."""
    command = {"type": "commandExecution", "id": "c", "command": "make", "cwd": "/srv"}

    async def play(thread: FakeThread, peer: Peer) -> None:
        await thread.say(peer, "a", "first")
        await thread.tell(peer, "item/started", item={**command, "status": "inProgress"})
        await thread.tell(peer, "item/commandExecution/outputDelta", itemId="c", delta="one ")

    async def replay(thread: FakeThread, peer: Peer) -> None:
        thread.items.append({"type": "agentMessage", "id": "b", "text": "said in the gap"})
        await thread.tell(peer, "item/commandExecution/outputDelta", itemId="c", delta="three ")
        await thread.tell(peer, "item/agentMessage/delta", itemId="d", delta="gin")
        done = {**command, "status": "completed", "exitCode": 0, "aggregatedOutput": "one two three four"}
        await thread.complete(peer, done)
        await thread.complete(peer, {"type": "agentMessage", "id": "d", "text": "begin"})
        await thread.end(peer)

    async def go() -> None:
        async with FakeThread(play, replay).serve() as server:

            async def look(event: RunEvent) -> None:
                if isinstance(event, CommandOutput) and len(server.links) == 1:
                    server.cut()

            events = await run_to_end(server.connect, PROMPT, on_event=look)
            assert len(of(CommandStarted, events)) == len(of(CommandCompleted, events)) == 1
            assert "".join(each.text for each in of(CommandOutput, events)) == "one two three four"
            assert [each.text for each in of(Message, events)] == ["first", "said in the gap", "begin"]
            assert "".join(each.text for each in of(TextDelta, events)) == "firstsaid in the gapbegin"
            assert len(of(Reconnected, events)) == 1
            assert report_of(events).outcome == "completed"

    run(go())


def test_f57_items_and_notifications_from_the_future_are_told_or_left_out() -> None:
    async def play(thread: FakeThread, peer: Peer) -> None:
        await peer.notify("galaxy/aligned", stars=3)
        await thread.tell(peer, "item/started", item={"type": "hologram", "id": "h", "query": "a cat"})
        await thread.complete(peer, {"type": "hologram", "id": "h", "query": "a cat", "status": "rendered"})
        await thread.tell(peer, "item/started")
        await thread.tell(peer, "item/completed", item={"type": "agentMessage"})
        await thread.tell(peer, "turn/plan/updated", plan=None)
        await thread.tell(peer, "thread/tokenUsage/updated", tokenUsage="many")
        await peer.notify("warning", message="careful", threadId=None)
        await peer.notify("warning", message="careful", threadId=None)
        await peer.notify("item/completed", threadId="other", turnId="x", item={"type": "agentMessage", "text": "no"})
        await say_and_end(thread, peer)

    async def go() -> None:
        async with FakeThread(play).serve() as server:
            events = await run_to_end(server.connect, PROMPT)
            assert [(each.item_type, each.status) for each in of(OtherItem, events) if each.item_type] == [
                ("hologram", "in-progress"),
                ("hologram", "rendered"),
            ]
            assert [each.message for each in of(Warned, events)] == ["careful"]
            assert "no" not in [each.text for each in of(Message, events)]
            (ready,) = of(ThreadReady, events)
            assert (ready.sandbox, ready.approval_policy) == ("workspace-write", "granular")
            assert report_of(events).final_message == "hello"

    run(go())


def test_f71_ten_thousand_pieces_for_a_consumer_that_is_slow_at_first() -> None:
    async def play(thread: FakeThread, peer: Peer) -> None:
        for number in range(10_000):
            await thread.tell(peer, "item/agentMessage/delta", itemId="a", delta=f"{number} ")
        text = "".join(f"{number} " for number in range(10_000))
        await thread.complete(peer, {"type": "agentMessage", "id": "a", "text": text})
        await thread.end(peer)

    async def go() -> None:
        async with FakeThread(play).serve() as server:
            first = True

            async def look(event: RunEvent) -> None:
                nonlocal first
                if isinstance(event, TextDelta) and first:
                    first = False
                    for _ in range(2_000):
                        await asyncio.sleep(0)

            limits = Limits(spool_memory=16 * 1024)
            events = await run_to_end(server.connect, PROMPT, on_event=look, limits=limits)
            (message,) = of(Message, events)
            assert "".join(each.text for each in of(TextDelta, events)) == message.text
            assert report_of(events).outcome == "completed"

    run(go())
