"""Terms that become looser than what was asked for, while a prompt is on its way: the turn is stopped."""

from pathlib import Path
from typing import Any

import pytest
from tests.support.base.loop import run
from tests.support.base.runs import of, report_of, run_to_end
from tests.support.codex.generations import WITH_SOCKETS
from tests.support.codex.local_app_server import LocalAppServer

from remora.core.errors import Code
from remora.demo.scripted_model import RunCommand, Say, ScriptedModel, Step
from remora.flows.thread.run_request import RunRequest
from remora.wire.appserver.calls import ApprovalPolicy, SandboxMode
from remora.wire.reports.run import RunEvent, ThreadReady, TurnStarted

pytestmark = pytest.mark.codex
WITH_SETTINGS = [version for version in WITH_SOCKETS if version != "0.133.0"]
"""The servers that take other terms for a thread from another client, and tell about it."""
LOOSE = {"sandboxPolicy": {"type": "dangerFullAccess"}, "approvalPolicy": "never"}


@pytest.mark.parametrize("version", WITH_SETTINGS)
@pytest.mark.parametrize(
    ("settings", "words"),
    [(LOOSE, "sandbox danger-full-access"), ({"approvalPolicy": "never"}, "approvals never")],
    ids=["sandbox", "approvals"],
)
def test_a_turn_whose_terms_another_client_loosened_is_stopped(
    version: str, settings: dict[str, Any], words: str, tmp_path: Path
) -> None:
    steps: list[Step] = [RunCommand(f"sleep 30; touch {tmp_path}/late"), Say("Done.")]

    async def go(model: ScriptedModel) -> None:
        async with LocalAppServer(version, model.codex_config()) as server, server.connect() as other:

            async def loosen(event: RunEvent) -> None:
                if isinstance(event, ThreadReady):
                    await other.rpc.request("thread/settings/update", {"threadId": event.thread_id, **settings})

            request = RunRequest(
                prompt="please",
                message_id="message-1",
                sandbox=SandboxMode.WORKSPACE_WRITE,
                approval_policy=ApprovalPolicy.ON_REQUEST,
            )
            events = await run_to_end(server.connect, request, on_event=loosen)
            assert of(TurnStarted, events), "the prompt was on its way"
            report = report_of(events)
            assert report.outcome == "interrupted", report
            assert report.error is not None
            assert report.error.code == Code.LOOSER_THAN_ASKED.value
            assert words in report.error.message
            assert not (tmp_path / "late").exists()

    with ScriptedModel(steps) as model:
        run(go(model))


@pytest.mark.parametrize("version", WITH_SETTINGS)
def test_terms_that_another_client_made_stricter_stop_nothing(version: str) -> None:
    async def go(model: ScriptedModel) -> None:
        async with LocalAppServer(version, model.codex_config()) as server, server.connect() as other:

            async def tighten(event: RunEvent) -> None:
                if isinstance(event, ThreadReady):
                    stricter = {"sandboxPolicy": {"type": "readOnly"}, "approvalPolicy": "untrusted"}
                    await other.rpc.request("thread/settings/update", {"threadId": event.thread_id, **stricter})

            request = RunRequest(prompt="please", message_id="message-1", sandbox=SandboxMode.WORKSPACE_WRITE)
            assert report_of(await run_to_end(server.connect, request, on_event=tighten)).outcome == "completed"

    with ScriptedModel([Say("Done.")]) as model:
        run(go(model))
