"""The link breaks under a running prompt, against the real app server of every generation (F80, F81, F82)."""

import json
from collections.abc import Callable

import pytest
from tests.support.base.loop import run
from tests.support.base.runs import Person, of, report_of, run_to_end
from tests.support.codex.binaries import VERSIONS
from tests.support.codex.generations import ask, cautious, generations
from tests.support.codex.local_app_server import LocalAppServer
from tests.support.screen.told_once import assert_told_once, once

from remora.adapters.files.disk_spool import DiskSpool
from remora.demo.scripted_model import Gate, RunCommand, Say, ScriptedModel, Step, Wait
from remora.wire.reports.run import (
    ApprovalRequested,
    ApprovalResolved,
    CommandCompleted,
    LinkLost,
    Message,
    Reconnected,
    RunEvent,
    TextDelta,
    ThreadReady,
    TurnStarted,
    Warned,
)

pytestmark = pytest.mark.codex
detached = pytest.mark.parametrize("version", VERSIONS[1:])
"""The generations whose server outlives the link."""


async def until_idle(server: LocalAppServer, act: Callable[[], None]) -> None:
    """Do `act` and wait until the server tells everybody that its thread has nothing more to do."""
    spool = DiskSpool(memory=2**20, disk=2**30)
    async with server.connect() as watcher:
        watcher.rpc.deliver_to(spool)
        act()
        while record := await spool.get():
            told = json.loads(record)
            if told.get("method") == "thread/status/changed" and told["params"]["status"]["type"] == "idle":
                spool.close()
                return
    raise AssertionError("the server ended before its thread was idle")


@detached
def test_a_break_in_a_message_loses_and_repeats_nothing(version: str) -> None:
    gate = Gate()

    async def go(model: ScriptedModel) -> None:
        async with LocalAppServer(version, model.codex_config()) as server:

            async def look(event: RunEvent) -> None:
                if isinstance(event, TextDelta) and len(server.links) == 1:
                    server.cut()
                if isinstance(event, Reconnected):
                    gate.open()

            events = await run_to_end(server.connect, ask(), on_event=look)
            assert len(of(LinkLost, events)) == len(of(Reconnected, events)) == 1
            assert_told_once(events)
            assert [message.text for message in of(Message, events)] == ["One, two, three.", "And the end."]
            report = report_of(events)
            assert (report.outcome, report.exit_code, report.reconnects) == ("completed", 0, 1)

    steps: list[Step] = [Say("One, two, three.", ends_turn=False, piece=2), Wait(gate), Say("And the end.", piece=2)]
    with ScriptedModel(steps) as model:
        run(go(model))


@detached
def test_a_turn_that_ends_during_the_gap_is_told_to_its_end(version: str) -> None:
    gate = Gate()

    async def go(model: ScriptedModel) -> None:
        async with LocalAppServer(version, model.codex_config()) as server:

            async def look(event: RunEvent) -> None:
                if isinstance(event, TurnStarted):
                    await gate.reached()
                    server.cut()
                if isinstance(event, LinkLost):
                    await until_idle(server, gate.open)

            events = await run_to_end(server.connect, ask(), on_event=look)
            assert_told_once(events)
            assert of(Message, events)[-1].text == "Finished alone."
            commands = [(command.exit_code, command.output) for command in of(CommandCompleted, events)]
            if any("keeps no commands" in warning.message for warning in of(Warned, events)):
                assert (version, commands) == ("0.133.0", [])  # that generation's history has none: it is said
            else:
                assert commands == [(0, "in the gap\n")]
            assert (report_of(events).outcome, report_of(events).exit_code) == ("completed", 0)

    with ScriptedModel([Wait(gate), RunCommand("echo in the gap"), Say("Finished alone.")]) as model:
        run(go(model))


@detached
@pytest.mark.parametrize("moment", ["before the answer", "answer lost on the way", "answer received"])
def test_an_approval_survives_a_break(version: str, moment: str) -> None:
    async def go(model: ScriptedModel) -> None:
        async with LocalAppServer(version, model.codex_config()) as server:
            person = Person(None if moment == "before the answer" else "accept", "accept")

            async def look(event: RunEvent) -> None:
                if not isinstance(event, ApprovalRequested) or len(server.links) > 1:
                    return
                if moment == "before the answer":
                    server.cut()
                elif moment == "answer lost on the way":
                    server.lose_before = "answer"
                else:
                    server.lose_answer_of = "answer"

            events = await run_to_end(server.connect, cautious(), approvals=person, on_event=look)
            asked, resolved = of(ApprovalRequested, events), of(ApprovalResolved, events)
            assert len(resolved) == 1
            assert (resolved[0].decision, resolved[0].decided_by) == ("accept", "person")
            if moment == "answer received":
                assert [each.again for each in asked] == [False]
                assert resolved[0].delivered in (None, True)
            else:
                assert [each.again for each in asked] == [False, True]
                assert asked[0].request_id == asked[1].request_id
                assert resolved[0].delivered is True
            assert (server.folder / "granted").exists()
            assert_told_once(events)
            assert (report_of(events).outcome, report_of(events).exit_code) == ("completed", 0)

    with ScriptedModel([RunCommand("touch granted", escalate=True, justification="I want it"), Say("Done.")]) as it:
        run(go(it))


@generations
@pytest.mark.parametrize("method", ["thread/start", "turn/start"])
def test_a_request_that_never_left_is_sent_again(version: str, method: str) -> None:
    async def go(model: ScriptedModel) -> None:
        async with LocalAppServer(version, model.codex_config(), takes_ahead=False, lose_before=method) as server:
            events = await run_to_end(server.connect, ask())
            report = report_of(events)
            if method == "thread/start":
                assert report.outcome == "completed"
                assert len(model.requests) == 1
            else:  # the transport had it: whether it left cannot be known from here
                assert report.outcome in ("completed", "unknown")
                assert len(model.requests) <= 1

    with ScriptedModel([Say("Done.")]) as model:
        run(go(model))


@detached
def test_a_prompt_without_an_answer_is_proven_received_and_never_sent_twice(version: str) -> None:
    gate = Gate()

    async def look(event: RunEvent) -> None:
        if isinstance(event, LinkLost):
            gate.open()

    async def go(model: ScriptedModel) -> None:
        async with LocalAppServer(
            version, model.codex_config(), lose_answer_of="turn/start", lose_when=gate.reached
        ) as server:
            events = await run_to_end(server.connect, ask(), on_event=look)
            assert server.methods().count("turn/start") == 1
            assert len(model.requests) == 1
            assert len(of(TurnStarted, events)) == 1
            assert_told_once(events)
            report = report_of(events)
            assert (report.outcome, report.final_message) == ("completed", "Done.")

    with ScriptedModel([Wait(gate), Say("Done.")]) as model:
        run(go(model))


@generations
def test_a_prompt_lost_at_any_point_is_sent_once_at_most(version: str) -> None:
    """The server itself may drop what it had not begun when the link broke."""

    async def go(model: ScriptedModel) -> None:
        async with LocalAppServer(version, model.codex_config(), lose_after="turn/start") as server:
            events = await run_to_end(server.connect, ask())
            assert server.methods().count("turn/start") == 1
            assert len(model.requests) <= 1
            report = report_of(events)
            if report.outcome == "completed":
                assert len(model.requests) == 1
            elif server.is_attached:
                assert report.outcome in ("unknown", "interrupted")
            else:
                assert (report.outcome, report.exit_code) == ("unknown", 10)

    with ScriptedModel([Say("Done.")]) as model:
        run(go(model))


@detached
def test_a_thread_whose_start_was_not_answered_is_replaced_and_that_is_said(version: str) -> None:
    async def go(model: ScriptedModel) -> None:
        async with LocalAppServer(
            version, model.codex_config(), takes_ahead=False, lose_answer_of="thread/start"
        ) as server:
            events = await run_to_end(server.connect, ask())
            assert server.methods().count("thread/start") == 2
            assert any("this is a new one" in warning.message for warning in of(Warned, events))
            assert len(model.requests) == 1
            assert report_of(events).outcome == "completed"

    with ScriptedModel([Say("Done.")]) as model:
        run(go(model))


@detached
def test_a_prompt_that_the_thread_does_not_show_is_reported_as_unknown(version: str) -> None:
    async def go(model: ScriptedModel) -> None:
        async with LocalAppServer(version, model.codex_config()) as server:
            first = report_of(await run_to_end(server.connect, ask("before")))
            server.lose_before = "turn/start"
            events = await run_to_end(server.connect, ask("now", thread=first.thread_id))
            report = report_of(events)
            assert (report.outcome, report.exit_code) == ("unknown", 10)
            assert report.error is not None
            assert report.error.code == "request-unknown"
            assert len(model.requests) == 1

    with ScriptedModel([Say("Done."), Say("Done again.")]) as model:
        run(go(model))


@detached
def test_a_restarted_server_shows_the_turn_as_interrupted(version: str) -> None:
    gate = Gate()

    async def go(model: ScriptedModel) -> None:
        async with LocalAppServer(version, model.codex_config()) as server:

            async def restart() -> None:
                await gate.reached()
                await server.stop()
                await server.start()

            events = await run_to_end(server.connect, ask(), on_event=once(TextDelta, restart))
            assert len(of(LinkLost, events)) == 1
            report = report_of(events)
            assert (report.outcome, report.exit_code, report.goes_on) == ("interrupted", 1, False)
            assert len(of(ThreadReady, events)) == 1
            gate.open()

    with ScriptedModel([Say("Working on it", ends_turn=False), Wait(gate), Say("never told")]) as model:
        run(go(model))


def test_a_server_that_ends_with_its_link_leaves_an_interrupted_turn() -> None:
    gate = Gate()

    async def go(model: ScriptedModel) -> None:
        async with LocalAppServer(VERSIONS[0], model.codex_config()) as server:

            async def lose() -> None:
                await gate.reached()
                server.cut()

            events = await run_to_end(server.connect, ask(), on_event=once(TextDelta, lose))
            report = report_of(events)
            assert (report.outcome, report.exit_code, report.goes_on) == ("interrupted", 1, False)
            assert_told_once(events)
            gate.open()

    with ScriptedModel([Say("Working on it", ends_turn=False), Wait(gate), Say("never told")]) as model:
        run(go(model))
