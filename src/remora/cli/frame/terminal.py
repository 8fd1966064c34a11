"""The user's terminal as something to ask on: lines are read on the loop, and reading can be cancelled.

No thread ever waits on the keyboard, so nothing is left behind that would swallow the next key of the shell.
"""

import asyncio
import os
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final, Self

from remora.cli.process.signals import SIGNALS

_LOCAL_FLAGS: Final = 3
"""Where termios keeps the local flags, echo among them."""
_HANG_UP: Final = 2.0
"""Seconds in which SIGHUP comes after the end of a terminal that was closed."""


class Terminal:
    """A terminal opened anew by its name, so that our settings of the descriptor stay ours.

    A context manager; closing is idempotent.
    """

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)

    @classmethod
    def of_standard_input(cls) -> Self:
        """The terminal that standard input is; call it only where standard input is one."""
        return cls(os.ttyname(sys.stdin.fileno()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    async def read_line(self, prompt: Callable[[], None], *, echo: bool = True) -> str | None:
        """Wait for a line; `None` when the person ended the input (Ctrl-D) or the terminal went away.

        `prompt` writes the question when the terminal is ready for the answer, and what was typed before is
        forgotten: without `echo` nothing that is typed after it is shown. Cancellation leaves the terminal as it was,
        with whatever is half typed discarded.
        """
        with self._line_mode(echo=echo):
            self._discard_typed()
            prompt()
            return await self._line()

    async def _line(self) -> str | None:
        loop = asyncio.get_running_loop()
        typed = b""
        while not typed.endswith(b"\n"):
            readable = loop.create_future()
            loop.add_reader(self._descriptor, _set, readable)
            try:
                await readable
            finally:
                loop.remove_reader(self._descriptor)
            piece = self._read()
            if piece == b"":
                if self._is_gone():
                    # The signal says what is to become of the work; a refusal would let it go on.
                    await asyncio.sleep(_HANG_UP)
                return None
            typed += piece or b""
        return typed.decode("utf-8", "replace").rstrip("\r\n")

    def _discard_typed(self) -> None:
        """Forget what was typed so far: it was typed before the question could be read."""
        termios.tcflush(self._descriptor, termios.TCIFLUSH)

    def _read(self) -> bytes | None:
        try:
            return os.read(self._descriptor, 4096)
        except BlockingIOError:
            return None
        except OSError:
            return b""  # the terminal was closed: nobody will answer

    def _is_gone(self) -> bool:
        try:
            termios.tcgetattr(self._descriptor)
        except termios.error:
            return True
        return False

    @contextmanager
    def _line_mode(self, *, echo: bool) -> Iterator[None]:
        before = termios.tcgetattr(self._descriptor)
        during = termios.tcgetattr(self._descriptor)
        during[_LOCAL_FLAGS] |= termios.ICANON | termios.ISIG
        if echo:
            during[_LOCAL_FLAGS] |= termios.ECHO
        else:
            during[_LOCAL_FLAGS] &= ~termios.ECHO
        termios.tcsetattr(self._descriptor, termios.TCSANOW, during)
        try:
            with SIGNALS.before_end(partial(self._restore, before, termios.TCSANOW)):
                yield
        except BaseException:
            self._restore(before, termios.TCSAFLUSH)
            raise
        self._restore(before, termios.TCSANOW)

    def _restore(self, settings: list[int | list[bytes | int]], when: int) -> None:
        try:
            termios.tcsetattr(self._descriptor, when, settings)
        except termios.error:
            pass  # the terminal is gone, and its settings with it


def _set(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
