"""What the real server asks of a program that runs already: text for its terminal, a host that it wants to reach."""

import re
from typing import Any

import pytest
from tests.e2e.thread.test_approval_kinds import seen
from tests.support.base.loop import run
from tests.support.base.required import need_mounts
from tests.support.base.runs import Person, Unattended, of, report_of, run_to_end
from tests.support.codex.binaries import VERSIONS
from tests.support.codex.generations import cautious, generations
from tests.support.codex.local_app_server import LocalAppServer

from remora.core.approval.request import ApprovalRequest, Decision
from remora.demo.scripted_model import CallTool, Say, ScriptedModel, Step
from remora.ports import ApprovalHandler
from remora.wire.reports.run import ApprovalRequested, ApprovalResolved, RunEvent

pytestmark = pytest.mark.codex
ASKS = VERSIONS[2:]
"""0.120 and 0.133 ask neither: they type unasked, and block a host unasked (seen with these binaries)."""
OUTSIDE = {"sandbox_permissions": "require_escalated", "justification": "why"}


class TypingModel(ScriptedModel):
    """Types into the terminal that the server last told of."""

    def __init__(self, program: str, text: str) -> None:
        self._typing: dict[str, Any] = {"session_id": 0, "chars": text}
        shell = {"cmd": program, "tty": True, "yield_time_ms": 500, **OUTSIDE}
        steps: list[Step] = [CallTool("exec_command", shell), CallTool("write_stdin", self._typing), Say("Done.")]
        super().__init__(steps)

    def respond(self, path: str, body: bytes) -> Any:
        for number in re.findall(rb"session ID (\d+)", body):
            self._typing["session_id"] = int(number)
        return super().respond(path, body)


class FirstOnly:
    """Allows the first request and denies all others."""

    def __init__(self) -> None:
        self._asked = 0

    async def decide(self, request: ApprovalRequest) -> Decision:
        self._asked += 1
        allowed = next(choice for choice in request.choices if choice.name == "accept")
        return request.decision(allowed if self._asked == 1 else request.refusal, "person")


def typed_into(version: str, text: str, approvals: ApprovalHandler) -> tuple[list[RunEvent], bool]:
    """What was told, and whether what is typed made its file."""

    async def go(model: ScriptedModel) -> tuple[list[RunEvent], bool]:
        async with LocalAppServer(version, model.codex_config()) as server:
            events = await run_to_end(server.connect, cautious(), approvals=approvals)
            return events, (server.folder / "typed").exists()

    with TypingModel("sh", text) as model:
        return run(go(model))


@pytest.mark.parametrize("version", ASKS)
def test_what_is_typed_into_a_program_outside_of_the_sandbox_is_asked_with_text_and_program(version: str) -> None:
    text = "touch typed; echo '\u202e$HOME' \"x\"\n"
    events, written = typed_into(version, text, Person("accept", "accept"))
    _, asked = of(ApprovalRequested, events)
    assert (asked.request, written) == ("terminal-input", True)
    assert asked.command
    assert asked.command.startswith("write_stdin --session-id ")
    if asked.terminal_input is not None:  # a text that the server quotes in two ways is left to the command line
        assert asked.terminal_input.text == text
    assert "\u202e" not in seen(events)
    assert "touch typed" in seen(events)


@pytest.mark.parametrize("version", ASKS)
def test_the_program_that_gets_the_text_is_named_and_a_no_keeps_it_from_it(version: str) -> None:
    events, written = typed_into(version, "touch typed\n", FirstOnly())
    started, asked = of(ApprovalRequested, events)
    assert asked.terminal_input is not None
    assert (asked.terminal_input.text, asked.terminal_input.runs) == ("touch typed\n", started.command)
    assert f"terminal {asked.terminal_input.terminal}: {started.command}" in seen(events)
    assert not written


@pytest.mark.parametrize("version", VERSIONS[:2])
def test_older_servers_type_unasked(version: str) -> None:
    events, written = typed_into(version, "touch typed\n", Person("accept"))
    assert [asked.request for asked in of(ApprovalRequested, events)] == ["command"]
    assert written


REQUIREMENTS = """
[experimental_network]
enabled = true

[experimental_network.domains]
"never.invalid" = "deny"
"""


@generations
def test_a_host_that_a_command_wants_to_reach_is_asked_about_by_name_and_denied_where_nobody_is(version: str) -> None:
    need_mounts()
    script = "import urllib.request as r; r.urlopen('https://ask.invalid/', timeout=5)"
    reach = CallTool("exec_command", {"cmd": f'python3 -c "{script}"', "yield_time_ms": 8_000})

    async def go(model: ScriptedModel) -> list[RunEvent]:
        async with LocalAppServer(version, model.codex_config(), requirements=REQUIREMENTS) as server:
            return await run_to_end(server.connect, cautious(), approvals=Unattended())

    with ScriptedModel([reach, Say("Done.")]) as model:
        events = run(go(model))
        if version in VERSIONS[:2]:
            assert not of(ApprovalRequested, events)
            return
    (asked,), (resolved,) = of(ApprovalRequested, events), of(ApprovalResolved, events)
    assert (asked.request, asked.network) == ("network", {"host": "ask.invalid", "protocol": "https"})
    assert (resolved.decided_by, resolved.decision) == ("unattended", "decline")
    stored = {choice.name: choice.stores for choice in asked.choices}
    assert stored["accept"] is None
    assert all(stored[name] for name in ("acceptForSession", "applyNetworkPolicyAmendment"))
    assert "asks for network access" in seen(events)
    assert "ask.invalid" in seen(events)
    assert report_of(events).exit_code == 11
