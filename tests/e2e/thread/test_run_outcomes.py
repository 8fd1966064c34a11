"""A prompt on the real app server of every generation, to its true outcome."""

import pytest
from tests.support.base.loop import run
from tests.support.base.runs import Person, Unattended, of, report_of, run_to_end
from tests.support.codex.binaries import VERSIONS
from tests.support.codex.generations import ask, cautious, generations
from tests.support.codex.local_app_server import LocalAppServer

from remora.adapters.files.disk_spool import DiskSpool
from remora.demo.scripted_model import Fail, Gate, Patch, RunCommand, Say, ScriptedModel, Step, UpdatePlan, Wait
from remora.flows.kit.stop_request import InterruptSwitch
from remora.flows.server.thread_client import ThreadClient
from remora.wire.appserver import jsonrpc
from remora.wire.appserver.calls import ApprovalPolicy, SandboxMode
from remora.wire.reports.run import (
    ApprovalRequested,
    ApprovalResolved,
    CommandCompleted,
    CommandOutput,
    CommandStarted,
    Connected,
    FileChange,
    Message,
    RunEvent,
    TextDelta,
    ThreadReady,
    TokenUsage,
    TurnStarted,
)

pytestmark = pytest.mark.codex

PATCH = "*** Begin Patch\n*** Add File: notes.txt\n+one\n+two\n*** End Patch\n"


@generations
def test_a_turn_is_told_in_order_and_ends_done(version: str) -> None:
    steps: list[Step] = [
        Say("I look around.", ends_turn=False, piece=4),
        RunCommand("echo hello; echo again"),
        UpdatePlan((("look", "completed"), ("write", "in_progress"))),
        Patch(PATCH),
        Say("All done.", piece=3),
    ]

    async def go(model: ScriptedModel) -> None:
        async with LocalAppServer(version, model.codex_config()) as server:
            events = await run_to_end(server.connect, ask(effort="high"))
            connected, ready, started = events[:3]
            assert isinstance(connected, Connected)
            assert connected.server_version == version
            assert isinstance(ready, ThreadReady)
            assert (ready.folder, ready.sandbox, ready.approval_policy) == (
                str(server.folder),
                "danger-full-access",
                "never",
            )
            assert ready.effort == "high", "as the server reports it"
            assert isinstance(started, TurnStarted)
            for message in of(Message, events):
                pieces = [delta.text for delta in of(TextDelta, events) if delta.item_id == message.item_id]
                assert "".join(pieces) == message.text
            (command,) = [each for each in of(CommandCompleted, events) if "hello" in each.command]
            assert (command.status, command.exit_code) == ("completed", 0)
            assert command.output == "hello\nagain\n"
            assert command.item_id in {each.item_id for each in of(CommandStarted, events)}
            shown = "".join(each.text for each in of(CommandOutput, events) if each.item_id == command.item_id)
            assert shown == command.output
            assert (server.folder / "notes.txt").read_text() == "one\ntwo\n"
            report = report_of(events)
            assert (report.outcome, report.exit_code, report.goes_on) == ("completed", 0, False)
            assert report.final_message == "All done."
            assert report.token_usage == of(TokenUsage, events)[-1]
            if of(FileChange, events):
                assert [path.rsplit("/", 1)[-1] for path in report.changed_files] == ["notes.txt"]

    with ScriptedModel(steps) as model:
        run(go(model))


@generations
def test_a_failed_turn_is_told_with_the_reason_of_the_server(version: str) -> None:
    async def go(model: ScriptedModel) -> None:
        async with LocalAppServer(version, model.codex_config()) as server:
            report = report_of(await run_to_end(server.connect, ask()))
            assert (report.outcome, report.exit_code) == ("failed", 1)
            assert report.error is not None
            assert report.error.code == "turn-failed"
            assert "no credit left" in report.error.message + report.error.seen

    with ScriptedModel([Fail(400, "no credit left")]) as model:
        run(go(model))


@generations
def test_unattended_approval_is_declined_with_a_reason_that_the_agent_reads(version: str) -> None:
    async def go(model: ScriptedModel) -> None:
        async with LocalAppServer(version, model.codex_config()) as server:
            nobody = Unattended()
            events = await run_to_end(server.connect, cautious(), approvals=nobody)
            (asked,) = of(ApprovalRequested, events)
            assert asked.command is not None
            assert "touch granted" in asked.command
            assert asked.reason == "I want it"
            listed = [choice.name for choice in nobody.seen[0].choices]
            assert [choice.name for choice in asked.choices] == listed
            assert any(choice.grants for choice in asked.choices)
            (resolved,) = of(ApprovalResolved, events)
            assert (resolved.decision, resolved.decided_by, resolved.delivered) == ("decline", "unattended", True)
            assert not (server.folder / "granted").exists()
            report = report_of(events)
            assert (report.outcome, report.exit_code) == ("completed", 11)
            assert report.approvals == [resolved]
            assert any("Nobody is there to decide" in text for text in model.requests[-1].user_texts)

    with ScriptedModel([RunCommand("touch granted", escalate=True, justification="I want it"), Say("Then not.")]) as it:
        run(go(it))


@generations
def test_an_approval_given_by_a_person_lets_the_command_run(version: str) -> None:
    async def go(model: ScriptedModel) -> None:
        async with LocalAppServer(version, model.codex_config()) as server:
            events = await run_to_end(server.connect, cautious(), approvals=Person("accept"))
            (resolved,) = of(ApprovalResolved, events)
            assert (resolved.decision, resolved.decided_by, resolved.delivered) == ("accept", "person", True)
            assert (server.folder / "granted").exists()
            report = report_of(events)
            assert (report.outcome, report.exit_code) == ("completed", 0)

    with ScriptedModel([RunCommand("touch granted", escalate=True, justification="I want it"), Say("Done.")]) as it:
        run(go(it))


@pytest.mark.parametrize("version", VERSIONS[1:])
def test_f82_another_client_answers_and_the_prompt_here_is_withdrawn(version: str) -> None:
    async def go(model: ScriptedModel) -> None:
        async with LocalAppServer(version, model.codex_config()) as server:
            thread_id = ""

            async def answer_elsewhere(event: RunEvent) -> None:
                nonlocal thread_id
                if isinstance(event, ThreadReady):
                    thread_id = event.thread_id
                if isinstance(event, ApprovalRequested):
                    async with server.connect() as other:
                        spool = DiskSpool(memory=100_000, disk=2**30)
                        other.rpc.deliver_to(spool)
                        await ThreadClient(other.rpc).resume(thread_id)
                        while not isinstance(message := jsonrpc.decode(await spool.get() or b""), jsonrpc.Request):
                            pass
                        await other.rpc.respond(message.id, {"decision": "accept"})
                        while b"serverRequest/resolved" not in (await spool.get() or b"serverRequest/resolved"):
                            pass
                        spool.close()

            events = await run_to_end(server.connect, cautious(), approvals=Person(None), on_event=answer_elsewhere)
            (resolved,) = of(ApprovalResolved, events)
            assert resolved.decided_by == "elsewhere"
            assert (server.folder / "granted").exists()
            assert (report_of(events).outcome, report_of(events).exit_code) == ("completed", 0)

    with ScriptedModel([RunCommand("touch granted", escalate=True, justification="I want it"), Say("Done.")]) as it:
        run(go(it))


@generations
def test_an_approval_prompt_that_crashes_declines(version: str) -> None:
    class Crashing:
        async def decide(self, request: object) -> object:
            raise ZeroDivisionError

    async def go(model: ScriptedModel) -> None:
        async with LocalAppServer(version, model.codex_config()) as server:
            events = await run_to_end(server.connect, cautious(), approvals=Crashing())  # type: ignore[arg-type]
            (resolved,) = of(ApprovalResolved, events)
            assert resolved.decision == "decline"
            assert not (server.folder / "granted").exists()
            assert report_of(events).exit_code == 11

    with ScriptedModel([RunCommand("touch granted", escalate=True, justification="I want it"), Say("Done.")]) as it:
        run(go(it))


@generations
def test_a_file_change_is_approved_by_its_diff(version: str) -> None:
    async def go(model: ScriptedModel) -> None:
        async with LocalAppServer(version, model.codex_config()) as server:
            person = Person("accept", "accept")
            wish = ask(sandbox=SandboxMode.READ_ONLY, approval_policy=ApprovalPolicy.UNTRUSTED)
            events = await run_to_end(server.connect, wish, approvals=person)
            assert (server.folder / "notes.txt").exists()
            assert report_of(events).outcome == "completed"
            for request in person.seen:
                shown = request.diff or request.command or ""
                assert "notes.txt" in shown

    with ScriptedModel([Patch(PATCH), Say("Done.")]) as model:
        run(go(model))


@generations
def test_the_first_interrupt_stops_the_turn_on_the_host(version: str) -> None:
    gate = Gate()

    async def go(model: ScriptedModel) -> None:
        async with LocalAppServer(version, model.codex_config()) as server:
            switch = InterruptSwitch()

            async def stop(event: RunEvent) -> None:
                if isinstance(event, TextDelta):
                    switch.interrupt()

            report = report_of(await run_to_end(server.connect, ask(), interrupt=switch, on_event=stop))
            assert (report.outcome, report.exit_code, report.goes_on) == ("interrupted", 130, False)
            assert "turn/interrupt" in server.methods()
            gate.open()

    with ScriptedModel([Say("Working", ends_turn=False), Wait(gate), Say("never told")]) as model:
        run(go(model))


@generations
def test_the_second_interrupt_leaves_at_once_and_says_that_work_goes_on(version: str) -> None:
    gate = Gate()

    async def go(model: ScriptedModel) -> None:
        async with LocalAppServer(version, model.codex_config()) as server:
            switch = InterruptSwitch()

            async def leave(event: RunEvent) -> None:
                if isinstance(event, TextDelta):
                    switch.interrupt()
                    switch.interrupt()

            report = report_of(await run_to_end(server.connect, ask(), interrupt=switch, on_event=leave))
            assert (report.outcome, report.exit_code) == ("left", 130)
            assert report.goes_on is not server.is_attached
            gate.open()

    with ScriptedModel([Say("Working", ends_turn=False), Wait(gate), Say("never told")]) as model:
        run(go(model))


@pytest.mark.parametrize("left_out", [0, 6])
@generations
def test_a_thread_is_continued_by_its_id_or_enough_of_its_beginning(version: str, left_out: int) -> None:
    async def go(model: ScriptedModel) -> None:
        async with LocalAppServer(version, model.codex_config()) as server:
            first = report_of(await run_to_end(server.connect, ask("one")))
            assert first.thread_id is not None
            again = ask("two", thread=first.thread_id[: len(first.thread_id) - left_out])
            events = await run_to_end(server.connect, again)
            (ready,) = of(ThreadReady, events)
            assert (ready.thread_id, ready.resumed) == (first.thread_id, True)
            assert report_of(events).final_message == "Second."
            assert [message.text for message in of(Message, events)] == ["Second."]

    with ScriptedModel([Say("First."), Say("Second.")]) as model:
        run(go(model))
