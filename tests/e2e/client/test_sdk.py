"""The official SDK through ``remora bridge`` while an approval waits and there is no connection (F82)."""

import asyncio
import os
import sys
from functools import partial
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.codex.binaries import codex_binary
from tests.support.link.chain import ALWAYS, Chain, chain
from tests.support.network.chaos import KEEPALIVE

from remora.demo.scripted_model import RunCommand, Say, ScriptedModel, Step

pytestmark = [pytest.mark.sshd, pytest.mark.codex, pytest.mark.timeout(180)]

PROGRAM = """
import sys
from openai_codex import CodexConfig
from openai_codex.client import CodexClient

def decide(method, params):
    print("asked", method, flush=True)
    return {"decision": sys.stdin.readline().strip()}

with CodexClient(CodexConfig(launch_args_override=("remora", "bridge", "devbox")), decide) as client:
    client.initialize()
    thread = client.thread_start({"cwd": sys.argv[1], "approvalPolicy": "on-request"}).thread
    turn = client.turn_start(thread.id, "please").turn
    print("turn", client.wait_for_turn_completed(turn.id).turn.status.value)
    print(client.thread_read(thread.id, include_turns=True).thread.turns[-1].items[-1].root.text)
"""
OFTEN = f"[limits]\ndials_per_minute = 60\n{ALWAYS}"
GAPS = [(1.0, "meanwhile"), (30.0, "afterwards")]


@pytest.mark.parametrize(("seconds", "answered"), GAPS)
def test_f82_an_approval_that_waits_while_there_is_no_connection_is_answered_once(
    seconds: float, answered: str
) -> None:
    pytest.importorskip("openai_codex")
    steps: list[Step] = [RunCommand("echo mark >>granted", escalate=True), Say("Omega ends.")]

    async def work(way: Chain) -> list[str]:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", PROGRAM, str(way.sshd.home / "work")),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, **way.place.environment, "PATH": path},
        )
        assert process.stdin is not None
        assert process.stdout is not None
        accept = partial(process.stdin.write, b"accept\n")
        try:
            assert (await process.stdout.readline()).split() == [b"asked", b"item/commandExecution/requestApproval"]
            await way.gone_for(seconds, meanwhile=accept if answered == "meanwhile" else lambda: None)
            if answered == "afterwards":
                accept()
            output, _ = await process.communicate()
            assert process.returncode == 0
            return output.decode().splitlines()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    with (
        ScriptedModel(steps) as model,
        chain(codex_binary("0.163.0"), furnish=model.furnish, extra=KEEPALIVE, settings=OFTEN) as way,
    ):
        way.connect()
        assert run(work(way), limit=120) == ["turn completed", "Omega ends."]
        assert (way.sshd.home / "work/granted").read_text() == "mark\n"
        assert len(way.host_processes().app_servers) == 1
