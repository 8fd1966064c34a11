"""The scripted model as the model provider of real app servers, one of each generation."""

import asyncio
import json
import os
import urllib.error
import urllib.request
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from tests.demo.app_server import AppServer, app_server
from tests.support.base.loop import run
from tests.support.codex.binaries import NEWEST, VERSIONS, codex_binary

from remora.demo.scripted_model import (
    CallTool,
    Chunks,
    Fail,
    Gate,
    Patch,
    RunCommand,
    Say,
    ScriptedModel,
    Step,
    UpdatePlan,
    Wait,
)

pytestmark = pytest.mark.codex
_UNCONFINED = "danger-full-access"


def _server(
    version: str, model: ScriptedModel, folder: Path, sandbox: str = _UNCONFINED
) -> AbstractAsyncContextManager[AppServer]:
    codex_home = folder / "codex-home"
    model.furnish(codex_home)
    environment = {**os.environ, "CODEX_HOME": str(codex_home)}
    thread = {"cwd": str(folder), "sandbox": sandbox, "approvalPolicy": "on-request"}
    return app_server([str(codex_binary(version)), "app-server"], environment=environment, thread=thread)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_generation_plays_a_whole_script(version: str, tmp_path: Path) -> None:
    (tmp_path / "greeting").write_text("hello\nworld\n")
    steps: tuple[Step, ...] = (
        UpdatePlan((("read it", "completed"), ("change it", "pending"))),
        Say("I read it.", ends_turn=False),
        RunCommand("cat greeting; exit 3"),
        Patch("*** Begin Patch\n*** Update File: greeting\n@@\n-hello\n+hola\n world\n*** End Patch"),
        Say("It is changed, said in more than one piece."),
        Fail(503),
        Say("And a second turn."),
    )

    async def scenario(model: ScriptedModel) -> None:
        async with _server(version, model, tmp_path) as server:
            turn = await server.run_turn("go")
            assert turn.status == "completed"
            assert [step["status"] for step in turn.plans[0]] == ["completed", "pending"]
            (command,) = turn.of_type("commandExecution")
            assert command["exitCode"] == 3
            assert "hello\nworld\n" in command["aggregatedOutput"]
            (change,) = turn.of_type("fileChange")
            assert change["status"] == "completed"
            assert (tmp_path / "greeting").read_text() == "hola\nworld\n"
            assert [item["text"] for item in turn.of_type("agentMessage")] == [
                "I read it.",
                "It is changed, said in more than one piece.",
            ]
            assert len(turn.deltas) > 2
            assert not any("scripted" in warning for warning in turn.warnings)
            assert (await server.run_turn("fail")).status == "failed"
            again = await server.run_turn("again")
            assert [item["text"] for item in again.of_type("agentMessage")] == ["And a second turn."]
            over = await server.run_turn("more")
            assert [item["text"] for item in over.of_type("agentMessage")] == ["The script is over."]
        assert "go" in model.requests[0].user_texts
        assert any("hello\nworld" in output for output in model.requests[-1].tool_outputs)

    with ScriptedModel(steps) as model:
        run(scenario(model))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("decision", "status"), [("accept", "completed"), ("decline", "declined")])
def test_an_escalated_command_asks_first(version: str, decision: str, status: str, tmp_path: Path) -> None:
    steps = (RunCommand("echo written > allowed", escalate=True, justification="May I write?"), Say("Thanks."))

    async def scenario(model: ScriptedModel) -> None:
        async with _server(version, model, tmp_path, sandbox="read-only") as server:
            server.decision = decision
            turn = await server.run_turn("go")
            (approval,) = turn.approvals
            assert approval["method"] == "item/commandExecution/requestApproval"
            assert approval["reason"] == "May I write?"
            (command,) = turn.of_type("commandExecution")
            assert command["status"] == status
            assert (tmp_path / "allowed").exists() is (decision == "accept")

    with ScriptedModel(steps) as model:
        run(scenario(model))


def test_a_gate_holds_the_answer_in_the_middle(tmp_path: Path) -> None:
    gate = Gate()
    steps = (Say("before ", ends_turn=False), Wait(gate), Say("after"))

    async def scenario(model: ScriptedModel) -> None:
        async with _server(NEWEST, model, tmp_path) as server:
            turn = asyncio.create_task(server.run_turn("go"))
            await gate.reached()
            assert not turn.done()
            gate.open()
            assert [item["text"] for item in (await turn).of_type("agentMessage")] == ["before ", "after"]

    with ScriptedModel(steps) as model:
        run(scenario(model))


def test_megabytes_of_text_arrive_complete(tmp_path: Path) -> None:
    async def scenario(model: ScriptedModel) -> None:
        async with _server(NEWEST, model, tmp_path) as server:
            (message,) = (await server.run_turn("go")).of_type("agentMessage")
            assert len(message["text"]) == 4_000_000

    with ScriptedModel([Chunks(4_000_000)]) as model:
        run(scenario(model))


def test_two_threads_go_through_the_script_on_their_own(tmp_path: Path) -> None:
    async def scenario(model: ScriptedModel) -> None:
        for name in ("one", "two"):
            folder = tmp_path / name
            folder.mkdir()
            async with _server("0.120.0", model, folder) as server:
                assert (await server.run_turn("go")).deltas == ["first"]

    with ScriptedModel([Say("first"), Say("second")]) as model:
        run(scenario(model))


def test_a_tool_that_is_not_there_is_called_anyway(tmp_path: Path) -> None:
    steps = (CallTool("no_such_tool", {"a": 1}), Say("I went on."))

    async def scenario(model: ScriptedModel) -> None:
        async with _server(NEWEST, model, tmp_path) as server:
            turn = await server.run_turn("go")
            assert [item["text"] for item in turn.of_type("agentMessage")] == ["I went on."]
        assert "no_such_tool" in model.requests[-1].tool_outputs[-1]

    with ScriptedModel(steps) as model:
        run(scenario(model))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_slow_command_is_asked_after_until_its_end(version: str, tmp_path: Path) -> None:
    slow = RunCommand("for n in 1 2 3; do sleep 0.5; echo said $n; done", wait_ms=250, to_the_end=True)

    async def scenario(model: ScriptedModel) -> None:
        async with _server(version, model, tmp_path) as server:
            turn = await server.run_turn("go")
            assert [item["text"] for item in turn.of_type("agentMessage")] == ["It has ended."]
        said = "".join(model.requests[-1].tool_outputs)
        assert [said.count(f"said {number}") for number in (1, 2, 3)] == [1, 1, 1]

    with ScriptedModel([slow, Say("It has ended.")]) as model:
        run(scenario(model))


def test_only_who_knows_the_path_is_answered() -> None:
    with ScriptedModel([Say("secret")]) as model:
        with urllib.request.urlopen(f"{model.base_url}/models?client_version=1") as answer:  # noqa: S310 - loopback
            assert json.load(answer)["data"] == []
        stranger = model.base_url.rsplit("/", 2)[0] + "/v1/responses"
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(stranger, data=b"{}")  # noqa: S310 - loopback
        refused.value.close()
        assert refused.value.code == 404


async def test_stopping_lets_go_of_an_answer_that_is_held() -> None:
    gate = Gate()
    with ScriptedModel([Wait(gate), Say("never")]) as model:
        address = model.base_url.removeprefix("http://")
        place, _, path = address.partition("/")
        reader, writer = await asyncio.open_connection(*place.split(":"))
        writer.write(f"POST /{path}/responses HTTP/1.0\r\ncontent-length: 2\r\n\r\n{{}}".encode())
        await gate.reached()
    await reader.read()
    writer.close()
