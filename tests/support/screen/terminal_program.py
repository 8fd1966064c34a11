"""The program `remora` on a pseudo-terminal, driven as a person would."""

import asyncio
import fcntl
import os
import sys
import termios
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.support.screen.pseudo_terminal import PseudoTerminal


@dataclass(frozen=True, slots=True)
class TerminalProgram:
    """A running `remora` and the screen that a person sees."""

    screen: PseudoTerminal
    process: asyncio.subprocess.Process

    async def ends(self) -> int:
        """Wait for its end, reading the screen meanwhile; its exit code."""
        waiting = asyncio.ensure_future(self.process.wait())
        while not waiting.done():
            self.screen.drain()
            await asyncio.wait({waiting}, timeout=0.05)
        self.screen.drain()
        return waiting.result()


def _without_size(environment: Mapping[str, str]) -> dict[str, str]:
    """A terminal knows its own size; parallel test runs say another one."""
    return {name: value for name, value in environment.items() if name not in {"COLUMNS", "LINES"}}


@asynccontextmanager
async def on_terminal(
    *words: str,
    environment: Mapping[str, str],
    columns: int = 80,
    standard_output: int | None = None,
    script: str | None = None,
) -> AsyncIterator[TerminalProgram]:
    """Start `remora`, or Python text, with `words` on a new terminal; `standard_output` may go elsewhere."""
    with PseudoTerminal(columns=columns) as screen:
        line = screen.program_descriptor
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *(("-m", "remora") if script is None else ("-c", script)),
            *words,
            stdin=line,
            stdout=line if standard_output is None else standard_output,
            stderr=line,
            env={**_without_size(os.environ), "TERM": "xterm-256color", "LANG": "C.UTF-8", **environment},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # Ctrl-C works on a controlling terminal only
        )
        try:
            yield TerminalProgram(screen, process)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
