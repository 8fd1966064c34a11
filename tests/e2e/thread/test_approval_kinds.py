"""Everything that the real server asks, told whole; and what happens without a question."""

import asyncio
import io
import json
import sys
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.base.runs import Person, Unattended, of, report_of, run_to_end
from tests.support.codex import tiny_mcp_server
from tests.support.codex.binaries import VERSIONS
from tests.support.codex.generations import ask, cautious, generations
from tests.support.codex.local_app_server import LocalAppServer

from remora.cli.draw.page import Page
from remora.cli.thread.run_view import RunView
from remora.core.approval.request import ApprovalRequest, Decision
from remora.demo.scripted_model import CallTool, Patch, RunCommand, Say, ScriptedModel, Step
from remora.wire.appserver.calls import ApprovalPolicy, SandboxMode
from remora.wire.reports.run import (
    ApprovalRequested,
    ApprovalResolved,
    CommandCompleted,
    Message,
    ReviewCompleted,
    ReviewStarted,
    RunEvent,
    SubagentEnded,
    SubagentStarted,
    ThreadReady,
    Warned,
)

pytestmark = pytest.mark.codex
NEWER = VERSIONS[2:]
TOOL = {"0.120.0": (None, "mcp__tiny__destroy"), "0.133.0": ("mcp__tiny__", "destroy")}


def seen(events: list[RunEvent]) -> str:
    """What a person sees of it on a pipe."""
    out = io.StringIO()
    view = RunView(Page(out, {"LANG": "C.UTF-8"}))
    for event in events:
        view.show(event)
        view.redraw()
    return out.getvalue()


def with_features(model: ScriptedModel, *names: str) -> str:
    wanted = "".join(f"{name} = true\n" for name in names)
    return model.codex_config().replace("[features]\n", f"[features]\n{wanted}")


def with_tools(model: ScriptedModel) -> str:
    program = json.dumps(str(Path(tiny_mcp_server.__file__)))
    return f"{model.codex_config()}\n[mcp_servers.tiny]\ncommand = {json.dumps(sys.executable)}\nargs = [{program}]\n"


@generations
def test_output_stands_in_its_order_and_lines_that_come_slowly_are_told_as_they_come(version: str) -> None:
    async def go(model: ScriptedModel) -> list[RunEvent]:
        async with LocalAppServer(version, model.codex_config()) as server:
            return await run_to_end(server.connect, ask())

    with ScriptedModel([RunCommand("echo hello; sleep 1; echo bye"), Say("Done.")]) as model:
        events = run(go(model))
    lines = seen(events).splitlines()
    start, end = lines.index(next(line for line in lines if line.startswith("$ echo hello"))), lines.index("│ bye")
    ended = [each for each in events if isinstance(each, CommandCompleted | Message)]
    if not isinstance(ended[0], CommandCompleted):
        assert version not in NEWER, "only older servers tell a command's end behind the message, or behind the turn"
        told = [line for line in lines if line.startswith("│ ")]
        assert told in (["│ hello", "│ bye"], ["│ bye"])
        return
    completed = ended[0]
    assert lines[end + 1].startswith("└ exit 0")
    assert [f"│ {line}" for line in (completed.output or "").splitlines()] == lines[start + 1 : end + 1]
    assert version not in NEWER or completed.output == "hello\nbye\n"


FORGED = "@@ -1,3 +1,2 @@\n-rm -rf x\n=== update README.md\n"


@generations
def test_content_of_a_new_and_of_a_deleted_file_forges_neither_sign_nor_count_nor_headline(version: str) -> None:
    added = "".join(f"+{line}\n" for line in FORGED.splitlines())
    steps: list[Step] = [
        Patch(f"*** Begin Patch\n*** Add File: new.txt\n{added}*** End Patch\n"),
        Patch("*** Begin Patch\n*** Delete File: old.txt\n*** End Patch\n"),
        Say("Done."),
    ]

    async def go(model: ScriptedModel) -> list[RunEvent]:
        async with LocalAppServer(version, model.codex_config()) as server:
            (server.folder / "old.txt").write_text("@@ -0,0 +1,2 @@\n+x\n")
            request = cautious()
            if version == VERSIONS[0]:
                request = ask(sandbox=SandboxMode.READ_ONLY, approval_policy=ApprovalPolicy.ON_REQUEST)
            return await run_to_end(server.connect, request, approvals=Person("accept", "accept"))

    with ScriptedModel(steps) as model:
        events = run(go(model))
    text = seen(events)
    assert "new.txt (new) +3 -0" in text
    assert "old.txt (deleted) +0 -2" in text
    for line in ("+@@ -1,3 +1,2 @@", "+-rm -rf x", "+=== update README.md", "-@@ -0,0 +1,2 @@", "-+x"):
        assert f"│ {line}" in text or f"▌   {line}" in text
    forged = ("=== ", "│ -rm", "│ @@", "▌   -rm", "▌   @@")
    assert not any(line.startswith(forged) for line in text.splitlines())
    for asked in of(ApprovalRequested, events):
        assert asked.changes, "what is asked is told"
        assert {(entry.change, entry.added, entry.removed) for entry in asked.changes} <= {
            ("add", 3, 0),
            ("delete", 0, 2),
        }


@generations
def test_the_call_of_a_tool_is_asked_with_all_that_it_would_get(version: str) -> None:
    namespace, name = TOOL.get(version, ("mcp__tiny", "destroy"))
    steps: list[Step] = [CallTool(name, {"path": "/srv/\u202edata"}, namespace=namespace), Say("Done.")]

    async def go(model: ScriptedModel, person: Person) -> list[RunEvent]:
        async with LocalAppServer(version, with_tools(model)) as server:
            return await run_to_end(server.connect, cautious(), approvals=person)

    person = Person("acceptForSession")
    with ScriptedModel(steps) as model:
        events = run(go(model, person))
        assert any('did {\\"path\\"' in output or 'did {"path"' in output for output in model.requests[-1].tool_outputs)
    (asked,) = of(ApprovalRequested, events)
    assert asked.request == "mcp-tool"
    assert asked.tool is not None
    assert (asked.tool.server, asked.tool.name, asked.tool.arguments) == (
        "tiny",
        "destroy",
        {"path": "/srv/\u202edata"},
    )
    assert next(choice.name for choice in asked.choices) == "accept"
    for choice in asked.choices:
        assert bool(choice.stores) == (choice.name not in ("accept", "decline", "cancel"))
    text = seen(events)
    for part in ("tiny", "destroy", "\\u202edata", "Allow the tiny MCP server"):
        assert part in text
    assert "may destroy" in text


@pytest.mark.parametrize("version", NEWER)
def test_permissions_questions_and_more_are_told_whole_and_refused_where_nobody_is(version: str) -> None:
    permissions = {"network": {"enabled": True}, "file_system": {"write": ["/srv/elsewhere"]}}
    question = {"id": "q", "header": "Colour", "question": "Which colour?"}
    options = [{"label": "red", "description": "warm"}, {"label": "blue", "description": "cold"}]
    more = {"sandbox_permissions": "with_additional_permissions", "additional_permissions": permissions}
    steps: list[Step] = [
        CallTool("request_permissions", {"reason": "I need it", "permissions": permissions}),
        CallTool("request_user_input", {"questions": [{**question, "options": options}]}),
        CallTool("exec_command", {"cmd": "touch /srv/elsewhere/x", "justification": "why not", **more}),
        Say("Done."),
    ]
    features = ("request_permissions_tool", "exec_permission_approvals", "default_mode_request_user_input")

    async def go(model: ScriptedModel) -> list[RunEvent]:
        async with LocalAppServer(version, with_features(model, *features)) as server:
            return await run_to_end(server.connect, cautious(), approvals=Unattended())

    with ScriptedModel(steps) as model:
        events = run(go(model))
    ready = of(ThreadReady, events)[0]
    by_kind = {asked.request: asked for asked in of(ApprovalRequested, events)}
    assert set(by_kind) == {"permissions", "user-input", "command"}
    assert "/srv/elsewhere" in json.dumps(by_kind["permissions"].permissions)
    assert "/srv/elsewhere" in json.dumps(by_kind["command"].additional_permissions)
    assert by_kind["user-input"].questions[0]["options"] == options
    for asked in by_kind.values():
        assert (asked.thread_id, asked.subagent) == (ready.thread_id, None)
        assert asked.turn_id
        assert asked.detail["threadId"] == ready.thread_id
    assert {resolved.decided_by for resolved in of(ApprovalResolved, events)} == {"unattended"}
    named = [(asked.id, asked.digest) for asked in of(ApprovalRequested, events)]
    assert [(resolved.id, resolved.digest) for resolved in of(ApprovalResolved, events)] == named
    assert len(set(named)) == 3
    assert not any(asked.unknown for asked in by_kind.values()), "all that this server tells is understood"
    assert report_of(events).exit_code == 11


class AfterSubagent:
    """Allows what a sub-agent asks; when its turn has ended, denies what the agent itself asks."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()

    async def decide(self, request: ApprovalRequest) -> Decision:
        if request.parent_thread_id is None:
            await self.ended.wait()
            return request.decision(request.refusal, "person")
        return request.decision(next(each for each in request.choices if each.name == "accept"), "person")

    async def hear(self, event: RunEvent) -> None:
        if isinstance(event, SubagentEnded):
            self.ended.set()


def spawning(version: str, *steps: Step) -> list[Step]:
    """A sub-agent follows the same script, but may start none of its own."""
    namespace = None if version == VERSIONS[0] else "multi_agent_v1"
    return [CallTool("spawn_agent", {"message": "Do it, too."}, namespace=namespace), *steps]


@generations
def test_the_work_of_a_sub_agent_is_told_under_its_name_and_ends_no_run(version: str) -> None:
    steps = spawning(version, RunCommand("echo x >> granted; sleep 1", escalate=True), Say("I am done."))

    async def go(model: ScriptedModel) -> list[RunEvent]:
        person = AfterSubagent()
        async with LocalAppServer(version, with_features(model, "multi_agent", "collab")) as server:
            events = await run_to_end(server.connect, cautious(), approvals=person, on_event=person.hear)
            assert (server.folder / "granted").read_text() == "x\n"
            return events

    with ScriptedModel(steps) as model:
        events = run(go(model))
    ready, started = of(ThreadReady, events)[0], of(SubagentStarted, events)[0]
    assert (started.subagent, started.parent_thread_id) == ("sub-agent 1", ready.thread_id)
    assert started.prompt == "Do it, too."
    asked = {each.subagent: each for each in of(ApprovalRequested, events)}
    assert set(asked) == {None, "sub-agent 1"}
    assert (asked["sub-agent 1"].thread_id, asked["sub-agent 1"].parent_thread_id) == (
        started.thread_id,
        ready.thread_id,
    )
    report = report_of(events)
    assert (report.outcome, report.final_message) == ("completed", "I am done.")
    assert {command.subagent for command in report.commands} >= {"sub-agent 1"}
    assert [each.thread_id for each in report.subagents] == [started.thread_id]
    text = seen(events)
    assert "Sub-agent 1 asks to run a command" in text
    assert "by sub-agent 1" in text


@pytest.mark.parametrize("version", NEWER)
def test_a_sub_agent_is_heard_again_after_a_break_and_its_question_is_asked_again(version: str) -> None:
    steps = spawning(version, RunCommand("echo said-by-$PPID; touch granted", escalate=True), Say("I am done."))

    async def go(model: ScriptedModel) -> list[RunEvent]:
        person = AfterSubagent()
        async with LocalAppServer(version, with_features(model, "multi_agent")) as server:

            async def cut_once(event: RunEvent) -> None:
                await person.hear(event)
                if isinstance(event, ApprovalRequested) and event.subagent and not event.again:
                    server.cut()

            return await run_to_end(server.connect, cautious(), approvals=person, on_event=cut_once)

    with ScriptedModel(steps) as model:
        events = run(go(model))
    first, again = (each for each in of(ApprovalRequested, events) if each.subagent)
    assert (first.again, again.again) == (False, True)
    assert (again.id, again.digest) == (first.id, first.digest)
    assert (first.id, first.digest) in {(each.id, each.digest) for each in of(ApprovalResolved, events)}
    ended = [each for each in of(SubagentEnded, events) if each.status == "completed"]
    assert len(ended) == 1
    said = [each.output for each in of(CommandCompleted, events) if each.subagent and each.exit_code == 0]
    assert len(said) == 1
    assert [each.text for each in of(Message, events) if each.subagent] == ["I am done."]
    assert report_of(events).outcome == "completed"


@pytest.mark.parametrize("version", VERSIONS[1:])
def test_what_the_automatic_reviewer_decides_is_told_once_with_its_grounds(version: str) -> None:
    async def go(model: ScriptedModel) -> list[RunEvent]:
        config = f'approvals_reviewer = "auto_review"\n{model.codex_config()}'
        async with LocalAppServer(version, config) as server:
            return await run_to_end(server.connect, cautious(), approvals=Unattended())

    with ScriptedModel([RunCommand("touch granted", escalate=True), Say("Then not.")]) as model:
        events = run(go(model))
    (started,), (completed,) = of(ReviewStarted, events), of(ReviewCompleted, events)
    assert started.review_id == completed.review_id
    assert completed.verdict not in ("approved", "inProgress")
    assert "touch granted" in str(completed.target["command"])
    assert completed.rationale
    assert not [warned for warned in of(Warned, events) if "approval review" in warned.message]
    assert report_of(events).reviews == [completed]
    assert "by the automatic reviewer" in seen(events)
    assert not of(ApprovalRequested, events)
