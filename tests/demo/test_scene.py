"""The demo's stage, played over the system's own ssh by the real app server of `remora[demo]`."""

import sys
from pathlib import Path

import pytest
from tests.demo.app_server import app_server
from tests.support.base.loop import run
from tests.support.codex.binaries import codex_binary

from remora.core.approval.request import ApprovalRequest, Choice, RequestKind
from remora.core.errors import AppServerProblem
from remora.demo import scene as stage

_CHOICES = (
    Choice("accept", "Allow once", "accept", grants=True),
    Choice("acceptForSession", "Allow for the session", "acceptForSession", grants=True),
    Choice("decline", "Decline", "decline", grants=False),
)


def _request(command: str | None, kind: RequestKind = RequestKind.COMMAND) -> ApprovalRequest:
    return ApprovalRequest(request_id=1, kind=kind, thread_id="t", command=command, choices=_CHOICES)


@pytest.mark.codex
def test_the_thread_repairs_the_project_and_nothing_is_left(tmp_path: Path) -> None:
    async def scenario() -> Path:
        async with stage.demo_scene(codex_binary("0.163.0")) as scene:
            home = scene.host.home
            command = ["ssh", "-F", str(scene.ssh_config), scene.alias, "sh -lc 'exec codex app-server'"]
            async with app_server(command, environment=None, thread={"cwd": str(home / "price")}) as server:
                turn = await server.run_turn(scene.prompt)
            assert turn.status == "completed"
            assert [command["exitCode"] for command in turn.of_type("commandExecution")] == [1, 0, 0, 0]
            assert len(turn.approvals) == (1 if scene.sandboxed else 0)
            assert "0 failed" in (home / "test-report.txt").read_text()
            assert not turn.warnings
            return home

    assert not run(scenario()).parent.exists()


def test_without_the_real_app_server_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "codex_cli_bin", None)

    async def scenario() -> None:
        async with stage.demo_scene():
            pytest.fail("there is no app server to play with")

    with pytest.raises(AppServerProblem) as problem:
        run(scenario())
    assert f"{sys.executable} -m pip install 'openai-codex-cli-bin==" in problem.value.next_step
    assert "remora[" not in problem.value.next_step, "whoever registers that name on a public index would be installed"


@pytest.mark.parametrize(
    ("command", "kind", "decision"),
    [
        ("/bin/bash -lc 'sh test.sh > \"$HOME/test-report.txt\"'", RequestKind.COMMAND, "accept"),
        ("/bin/bash -lc 'sh test.sh; rm -rf /'", RequestKind.COMMAND, "decline"),
        ("unbalanced 'quote", RequestKind.COMMAND, "decline"),
        (None, RequestKind.PERMISSIONS, "decline"),
        ("/bin/bash -lc 'sh test.sh'", RequestKind.PERMISSIONS, "decline"),
    ],
)
def test_the_demo_answers_only_what_its_script_asks(command: str | None, kind: RequestKind, decision: str) -> None:
    said: list[str] = []
    answer = run(stage.DemoAnswers(said.append).decide(_request(command, kind)))
    assert (answer.choice.name, answer.decided_by) == (decision, "rule")
    assert len(said) == 1
    assert "demo's" in said[0]
