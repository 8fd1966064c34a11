"""Who waits for an answer of the host's shell may be sent away; the answer is never lost with him."""

import asyncio
from collections.abc import Sequence

import pytest
from tests.support.base.loop import run

from remora.adapters.machine.system_clock import SystemClock
from remora.core.settings import DEFAULT_LIMITS
from remora.flows.server.shell import RemoteShell, open_shell
from remora.ports import ExitStatus
from remora.testing.memory_host import MemoryHost, Program, ProgramEnd

WORD = "0123456789abcdef"


@pytest.mark.parametrize("passes", range(8))
def test_an_answer_that_comes_while_nobody_waits_any_more_is_kept(passes: int) -> None:
    told = asyncio.Event()

    async def shell_program(end: ProgramEnd) -> ExitStatus:
        await told.wait()
        await end.stream.write(f"\n<{WORD}>end=task\n".encode())
        while await end.stream.read():
            pass
        return ExitStatus(0)

    def program_for(words: Sequence[str]) -> Program | None:
        return shell_program

    async def work() -> None:
        host = MemoryHost(program_for)
        async with open_shell(host, clock=SystemClock(), limits=DEFAULT_LIMITS, nonce=lambda: WORD) as shell:
            await shell.begin("true\n")
            waiting = asyncio.ensure_future(shell.answer("task", limit=60.0, until="never"))
            await _settled(20)
            told.set()
            await _settled(passes)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            await _hears_the_end(shell)

    run(work(), limit=20)


async def _hears_the_end(shell: RemoteShell) -> None:
    answers = await shell.answer("task", limit=10.0)
    assert answers.one("end") == "task"


async def _settled(passes: int) -> None:
    for _ in range(passes):
        await asyncio.sleep(0)
