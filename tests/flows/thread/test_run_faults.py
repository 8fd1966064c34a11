"""A run whose connection breaks, and servers that are older, newer or busier than ours."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import pytest
from tests.support.base.loop import run
from tests.support.base.runs import PROMPT, of, report_of, run_to_end
from tests.support.codex.local_app_server import LocalServer
from tests.support.model.fake_app_server import FakeAppServer, Peer
from tests.support.model.fake_thread import FakeThread, say_and_end
from tests.support.network.streams import link_lost

from remora.core.errors import AuthenticationProblem, Code, HostKeyProblem, RemoraError, TimeLimit
from remora.core.link.links import HostIdentity
from remora.core.settings import DEFAULT_LIMITS, Limits
from remora.flows.kit.stop_request import InterruptSwitch
from remora.flows.server.launch import Ahead
from remora.testing.manual_clock import ManualClock
from remora.wire.reports.run import (
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
async def test_f79_never_again_after_a_refused_login_or_a_changed_key(error: RemoraError, exit_code: int) -> None:
    async def play(thread: FakeThread, peer: Peer) -> None:
        await thread.say(peer, "a", "hello")

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


async def test_f79_a_host_that_lets_us_in_and_drops_us_again_and_again_is_given_up() -> None:
    async def play(thread: FakeThread, peer: Peer) -> None:
        await thread.say(peer, "a", "hello")

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


async def test_f79_attempts_are_bounded_in_number_and_time() -> None:
    async def play(thread: FakeThread, peer: Peer) -> None:
        await thread.say(peer, "a", "hello")

    clock = ManualClock()
    async with FakeThread(play).serve() as server:
        failing = Failing(server, link_lost())

        async def look(event: RunEvent) -> None:
            if isinstance(event, Message):
                server.cut()

        limits = Limits(reconnect_total=180.0)
        running = asyncio.create_task(run_to_end(failing.connect, PROMPT, on_event=look, clock=clock, limits=limits))
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


async def test_a_host_that_answers_too_slowly_is_tried_again_as_a_link_would() -> None:
    async def play(thread: FakeThread, peer: Peer) -> None:
        await thread.say(peer, "a", "hello")

    clock = ManualClock()
    async with FakeThread(play).serve() as server:
        slow = TimeLimit(Code.TIME_LIMIT, "The host was too slow.", next_step="Wait.")
        refused = AuthenticationProblem(Code.AUTHENTICATION_REFUSED, "Refused.", next_step="Add the key.")
        failing = Failing(server, slow, refused)

        async def look(event: RunEvent) -> None:
            if isinstance(event, Message):
                server.cut()

        running = asyncio.create_task(run_to_end(failing.connect, PROMPT, on_event=look, clock=clock))
        async with asyncio.timeout(20):
            while not running.done():
                await asyncio.sleep(0)
                if server.links and server.links[0]._lost.is_set() and clock.sleepers:
                    await clock.advance(1.0)
        assert [each.attempt for each in of(Reconnecting, running.result())] == [1, 2]
        assert failing.attempts == 3
        assert report_of(running.result()).exit_code == 6


async def test_b9_a_run_is_not_looked_for_at_another_machine_and_says_where_it_is() -> None:
    def node(number: int) -> HostIdentity:
        return HostIdentity(
            host_key_fingerprint="SHA256:one",
            machine_id="one",
            boot_id=None,
            account="me",
            codex_home="/home/me/.codex",
            node=f"node{number}",
        )

    async def play(thread: FakeThread, peer: Peer) -> None:
        await thread.say(peer, "a", "hello")

    async with FakeThread(play).serve() as server:
        connections = count(1)

        @asynccontextmanager
        async def connect(ahead: Ahead) -> AsyncIterator[LocalServer]:
            async with server.connect(ahead) as connected:
                connected.identity = node(next(connections))
                yield connected

        async def look(event: RunEvent) -> None:
            if isinstance(event, Message):
                server.cut()

        report = report_of(await run_to_end(connect, PROMPT, on_event=look))
        assert (report.outcome, report.goes_on) == ("unknown", True)
        assert report.error is not None
        assert report.error.code == "host-changed"
        assert ("me@node1" in report.error.message, "me@node2" in report.error.message) == (True, True)
        assert [request["method"] for request in server.requests].count("thread/resume") == 0


async def test_stopping_twice_while_reconnecting_leaves() -> None:
    async def play(thread: FakeThread, peer: Peer) -> None:
        await thread.say(peer, "a", "hello")

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


async def test_f81_a_command_that_was_running_is_told_whole_and_once() -> None:
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


async def test_f57_items_and_notifications_from_the_future_are_told_or_left_out() -> None:
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

    async with FakeThread(play).serve() as server:
        events = await run_to_end(server.connect, PROMPT)
        assert [(each.item_type, each.status) for each in of(OtherItem, events) if each.item_type] == [
            ("hologram", "in-progress"),
            ("hologram", "rendered"),
        ]
        assert [each.message for each in of(Warned, events)] == ["careful"]
        assert "no" not in [each.text for each in of(Message, events)]
        (ready,) = of(ThreadReady, events)
        assert (ready.sandbox, ready.approval_policy) == ("read-only", "granular")
        assert report_of(events).final_message == "hello"


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
