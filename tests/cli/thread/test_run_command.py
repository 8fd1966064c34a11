"""``remora run`` and ``remora check`` as programs, on a real terminal and on pipes, against the real app server."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.base.program import remora
from tests.support.base.required import missing
from tests.support.codex.binaries import codex_binary
from tests.support.screen.terminal_program import TerminalProgram, on_terminal

from remora.core.errors import Code, ExitCode
from remora.demo.scene import Scene, demo_scene

QUESTION = "Your decision: "
ASKED = "test-report.txt"


@asynccontextmanager
async def stage() -> AsyncIterator[Scene]:
    async with demo_scene(codex_binary("0.163.0")) as scene:
        if not scene.sandboxed:
            missing("codex cannot confine commands on this machine, so it asks nothing")
        yield scene


def place(scene: Scene) -> str:
    return f"{scene.alias}:{scene.folder}"


def settings(scene: Scene) -> dict[str, str]:
    return {"REMORA_SSH_CONFIG": str(scene.ssh_config)}


def on_stage(act: Callable[[Scene, TerminalProgram], Awaitable[int]], *options: str) -> tuple[int, bool, str]:
    """Run the demo's prompt on a terminal; its exit code, whether the agent got what it asked, and the screen."""

    async def play() -> tuple[int, bool, str]:
        async with (
            stage() as scene,
            on_terminal("run", place(scene), scene.prompt, *options, environment=settings(scene)) as program,
        ):
            code = await act(scene, program)
            return code, (scene.host.home / ASKED).exists(), program.screen.seen

    return run(play())


async def answer(program: TerminalProgram, *typed: str) -> int:
    for text in typed:
        await program.screen.shows(QUESTION)
        program.screen.type(text)
    return await program.ends()


@pytest.mark.codex
def test_a_person_allows_one_command_and_sees_the_report() -> None:
    code, granted, screen = on_stage(lambda scene, program: answer(program, "\n", "sure\n", "a\n"))
    assert code == ExitCode.DONE
    assert granted
    assert screen.count("nothing is chosen for you") == 2
    for part in ("Keep the test report", "by you", "completed", "workspace-write", "on-request", "price.sh"):
        assert part in screen


@pytest.mark.codex
def test_what_was_typed_ahead_approves_nothing_and_the_end_of_input_declines() -> None:
    async def act(scene: Scene, program: TerminalProgram) -> int:
        program.screen.type("a\n1\na\ny\n")
        return await answer(program, "\x04")

    code, granted, screen = on_stage(act)
    assert code == ExitCode.DONE
    assert not granted
    assert "declined" in screen


@pytest.mark.codex
def test_ctrl_c_at_the_question_stops_the_turn() -> None:
    code, granted, screen = on_stage(lambda scene, program: answer(program, "\x03"))
    assert code == ExitCode.INTERRUPTED
    assert not granted
    assert "this question is withdrawn" in screen
    assert "stopping the turn" in screen


@pytest.mark.codex
def test_told_to_end_at_the_question_it_stops_the_turn_and_gives_the_terminal_back() -> None:
    async def act(scene: Scene, program: TerminalProgram) -> int:
        await program.screen.shows(QUESTION)
        program.process.send_signal(signal.SIGTERM)
        code = await program.ends()
        assert program.screen.echoes
        return code

    code, granted, screen = on_stage(act)
    assert code == ExitCode.INTERRUPTED
    assert not granted
    for part in ("Ended by SIGTERM", "this question is withdrawn", "interrupted (stage:", "Continue with"):
        assert part in screen


@pytest.mark.codex
def test_a_closed_terminal_stops_the_turn_too() -> None:
    async def act(scene: Scene, program: TerminalProgram) -> int:
        await program.screen.shows(QUESTION)
        program.screen.hang_up()
        return await program.process.wait()

    code, granted, _ = on_stage(act)
    assert code == ExitCode.INTERRUPTED
    assert not granted


@pytest.mark.codex
async def test_the_time_limit_ends_a_run_wherever_it_is() -> None:
    async with stage() as scene:
        done = await piped(scene, "--json", "--timeout", "0.4")
        assert done.returncode == ExitCode.TIME_LIMIT
        last = json.loads(done.stdout.splitlines()[-1])
        assert last["error"]["code"] == Code.TIME_LIMIT


@pytest.mark.codex
def test_no_input_on_a_terminal_asks_nothing_and_exits_for_a_person() -> None:
    code, granted, screen = on_stage(lambda scene, program: program.ends(), "--no-input")
    assert code == ExitCode.NEEDS_PERSON
    assert not granted
    assert QUESTION not in screen


async def piped(scene: Scene, *options: str) -> subprocess.CompletedProcess[bytes]:
    words = ("run", place(scene), scene.prompt, *options)
    return await asyncio.to_thread(remora, *words, environment=settings(scene))


@pytest.mark.codex
async def test_on_a_pipe_the_answer_is_alone_on_standard_output() -> None:
    async with stage() as scene:
        done = await piped(scene)
        assert done.returncode == ExitCode.NEEDS_PERSON
        assert done.stdout.decode().startswith("I run the tests first, to see what fails.\n\nTen pieces")
        assert b"\x1b" not in done.stdout + done.stderr
        assert b"because nobody may answer here" in done.stderr


@pytest.mark.codex
@pytest.mark.parametrize(("way", "code"), [("decline", ExitCode.DONE), ("cancel", ExitCode.TASK_FAILED)])
async def test_on_approval_decides_by_a_rule_that_grants_nothing(way: str, code: ExitCode) -> None:
    async with stage() as scene:
        done = await piped(scene, "--on-approval", way, "--json")
        events = [json.loads(line) for line in done.stdout.splitlines()]
        assert done.returncode == code
        assert events[-1]["kind"] == "report"
        assert [approval["decided_by"] for approval in events[-1]["approvals"]] == ["rule"]
        assert {event["schema"] for event in events} == {"remora/1"}
        assert done.stderr == b""
        assert not (scene.host.home / ASKED).exists()


@pytest.mark.codex
async def test_a_dry_run_and_a_check_start_nothing() -> None:
    async with stage() as scene:
        plan = await piped(scene, "--dry-run", "--json")
        checked = await asyncio.to_thread(remora, "check", scene.alias, "--json", environment=settings(scene))
        assert (plan.returncode, checked.returncode) == (0, 0)
        assert any("app-server --listen" in step for step in json.loads(plan.stdout)["steps"])
        assert json.loads(checked.stdout)["ok"] is True
        assert not list((scene.host.home / ".codex").glob("app-server-control/*"))


@pytest.mark.parametrize(
    "words",
    [
        ("run", "box"),
        ("run", "box", ""),
        ("run", "box", "-"),
        ("run", "box", "go", "--sandbox", "none"),
        ("run", "box", "go", "--approval-policy", "always"),
        ("run", "box", "go", "--on-approval", "approve"),
        ("run", "box", "go", "--image", "notes.txt"),
        ("run", "box", "go", "--image", "missing.png"),
        ("run", "-oProxyCommand=x", "go"),
        ("check",),
        ("check", "box", "--all"),
        ("check", "box:dir"),
    ],
)
def test_a_command_line_that_cannot_be_meant_is_refused_before_anything_happens(words: tuple[str, ...]) -> None:
    done = remora(*words)
    assert done.returncode == ExitCode.USAGE
    assert b"next:" in done.stderr
    assert b"Traceback" not in done.stderr


def test_several_hosts_that_fail_differently_are_partial(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("Host nowhere\n  HostName nowhere.invalid\nHost closed\n  HostName 127.0.0.1\n  Port 1\n")
    done = remora("check", "--all", "--ssh-config", str(config), "--json")
    report = json.loads(done.stdout)
    assert [host["alias"] for host in report["hosts"]] == ["nowhere", "closed"]
    assert done.returncode == report["exit_code"] == ExitCode.UNREACHABLE
    assert not report["ok"]


def test_help_needs_neither_rich_nor_ssh() -> None:
    script = (
        "import sys; from remora.cli.main import main; code = main(sys.argv[1:]);"
        "sys.stderr.write(','.join(m for m in ('asyncssh', 'rich', 'msgspec') if m in sys.modules)); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "run", "--help"], capture_output=True, check=False, timeout=60, env=os.environ
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"--on-approval" in done.stdout
