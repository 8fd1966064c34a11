"""Ends remora's own control master when we cannot do it any more: when our own process was killed."""

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Final

_WAIT: Final = 'read -r _; exec "$@"'
"""Nobody ever writes: reading ends when the last process that could write is gone, and that is we."""


class Guard:
    """A small process beside us that asks the master at a path to end as soon as this process is gone, however.

    ``ControlPersist`` alone is not certain: a master whose client was killed was seen to stay for more than 40 seconds.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, program: str, path: Path) -> "Guard":
        """Stand beside the master at `path`; `program` is ``ssh``. Raises ``OSError`` when that cannot be started."""
        nothing = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", _WAIT, "remora-guard"),
            *(program, "-F", os.devnull, "-S", str(path).replace("%", "%%"), "-O", "exit", "--", "master"),
            stdin=asyncio.subprocess.PIPE,
            stdout=nothing,
            stderr=nothing,
            start_new_session=True,
        )
        return cls(process)

    async def end(self) -> None:
        """The master has ended, so there is nothing left to do."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
