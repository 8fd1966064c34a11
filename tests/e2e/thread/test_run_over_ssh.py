"""`run` over a real sshd to the real codex, through the library's own verb, with connections killed under it."""

from contextlib import aclosing
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.base.runs import Person, of, report_of
from tests.support.codex.binaries import VERSIONS
from tests.support.codex.generations import configure, host_with
from tests.support.screen.told_once import assert_told_once

from remora import api
from remora.demo.scripted_model import Gate, RunCommand, Say, ScriptedModel, Step, Wait
from remora.wire.reports.run import (
    ApprovalRequested,
    ApprovalResolved,
    Connected,
    LinkLost,
    Message,
    Reconnected,
    RunEvent,
    TextDelta,
    ThreadReady,
)

pytestmark = [pytest.mark.sshd, pytest.mark.codex]
generations = pytest.mark.parametrize("version", VERSIONS)
detached = pytest.mark.parametrize("version", VERSIONS[1:])


@generations
def test_a_prompt_is_run_over_one_login(version: str, tmp_path: Path) -> None:
    steps: list[Step] = [RunCommand("pwd; touch made-here"), Say("Done over there.", piece=4)]
    with ScriptedModel(steps) as model, host_with(version) as sshd:
        config = configure(sshd, model, tmp_path)

        async def go() -> list[RunEvent]:
            request = api.run_request("please", folder="project", sandbox="danger-full-access", approval_policy="never")
            async with aclosing(api.run("devbox", request, ssh_config=config)) as events:
                return [event async for event in events]

        events = run(go())
        (connected,), (ready,) = of(Connected, events), of(ThreadReady, events)
        assert connected.server_version == version
        assert ready.folder == str(sshd.home / "project")
        assert (sshd.home / "project/made-here").exists()
        assert_told_once(events)
        report = report_of(events)
        assert (report.outcome, report.exit_code, report.final_message) == ("completed", 0, "Done over there.")
        assert sshd.accepted_logins() == 1


@detached
def test_f80_a_killed_connection_costs_one_more_login_and_nothing_of_the_story(version: str, tmp_path: Path) -> None:
    gate = Gate()
    steps: list[Step] = [Say("One, two, three.", ends_turn=False, piece=2), Wait(gate), Say("And the end.", piece=2)]
    with ScriptedModel(steps) as model, host_with(version) as sshd:
        config = configure(sshd, model, tmp_path)

        async def go() -> list[RunEvent]:
            told: list[RunEvent] = []
            async with aclosing(
                api.run("devbox", api.run_request("please", folder="project"), ssh_config=config)
            ) as events:
                async for event in events:
                    told.append(event)
                    if isinstance(event, TextDelta) and sshd.accepted_logins() == 1:
                        sshd.drop_connections()
                    if isinstance(event, Reconnected):
                        gate.open()
            return told

        events = run(go())
        assert len(of(LinkLost, events)) == len(of(Reconnected, events)) == 1
        assert_told_once(events)
        assert [message.text for message in of(Message, events)] == ["One, two, three.", "And the end."]
        assert (report_of(events).outcome, report_of(events).exit_code) == ("completed", 0)
        assert sshd.accepted_logins() == 2


@detached
def test_f82_a_pending_approval_is_asked_again_after_a_killed_connection(version: str, tmp_path: Path) -> None:
    steps: list[Step] = [RunCommand("touch granted", escalate=True, justification="I want it"), Say("Done.")]
    with ScriptedModel(steps) as model, host_with(version) as sshd:
        config = configure(sshd, model, tmp_path)
        person = Person(None, "accept")

        async def go() -> list[RunEvent]:
            told: list[RunEvent] = []
            request = api.run_request(
                "please", folder="project", sandbox="workspace-write", approval_policy="on-request"
            )
            async with aclosing(api.run("devbox", request, approvals=person, ssh_config=config)) as events:
                async for event in events:
                    told.append(event)
                    if isinstance(event, ApprovalRequested) and not event.again:
                        sshd.drop_connections()
            return told

        events = run(go())
        assert [asked.again for asked in of(ApprovalRequested, events)] == [False, True]
        (resolved,) = of(ApprovalResolved, events)
        assert (resolved.decision, resolved.decided_by, resolved.delivered) == ("accept", "person", True)
        assert (sshd.home / "project/granted").exists()
        assert report_of(events).exit_code == 0
