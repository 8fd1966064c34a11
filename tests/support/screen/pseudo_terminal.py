"""A real pseudo-terminal with a person at it: what they type, and what they see."""

import asyncio
import os
import pty
import struct
import termios
from contextlib import suppress
from fcntl import ioctl
from typing import IO, Self

from tests.support.base.until import LIMIT

_LOCAL_FLAGS = 3


class PseudoTerminal:
    """Both ends of a pseudo-terminal; `path` names the end that a program opens. A context manager."""

    def __init__(self, *, columns: int = 80, rows: int = 24) -> None:
        self._person, self._program = pty.openpty()
        os.set_blocking(self._person, False)
        ioctl(self._program, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.path = os.ttyname(self._program)
        self.seen = ""
        self._waited_for = 0
        self._out = os.fdopen(os.dup(self._program), "w", encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.hang_up()
        with suppress(OSError):  # what was not written yet has nowhere to go
            self._out.close()
        os.close(self._program)

    def hang_up(self) -> None:
        """Close the window: the programs in it are told, and can neither read nor write any more. Idempotent."""
        if self._person >= 0:
            os.close(self._person)
            self._person = -1

    @property
    def out(self) -> IO[str]:
        """Where the program writes."""
        return self._out

    @property
    def program_descriptor(self) -> int:
        """The program's end, for a child process."""
        return self._program

    @property
    def echoes(self) -> bool:
        """Whether typing is shown now."""
        return bool(termios.tcgetattr(self._program)[_LOCAL_FLAGS] & termios.ECHO)

    def type(self, text: str) -> None:
        """Type; ``\\x04`` is Ctrl-D, ``\\x03`` Ctrl-C."""
        os.write(self._person, text.encode())

    async def shows(self, text: str) -> None:
        """Wait until `text` is on the screen, after whatever was waited for before."""
        async with asyncio.timeout(LIMIT):
            while (found := self.seen.find(text, self._waited_for)) < 0:
                await self._more()
        self._waited_for = found + len(text)

    def drain(self) -> str:
        """Everything seen so far."""
        self._out.flush()
        self._take()
        return self.seen

    async def _more(self) -> None:
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        loop.add_reader(self._person, readable.set)
        try:
            await readable.wait()
        finally:
            loop.remove_reader(self._person)
        self._take()

    def _take(self) -> None:
        try:
            while piece := os.read(self._person, 65536):
                self.seen += piece.decode("utf-8", "replace")
        except (BlockingIOError, OSError):
            return
