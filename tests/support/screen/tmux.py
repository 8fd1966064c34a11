"""A terminal that goes on by itself: a tmux server of a test's own, with a program in it and a person before it."""

import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from tests.support.base.required import missing
from tests.support.base.until import until

_LIMIT: Final = 30.0
_HEARD: Final = 5.0
"""Seconds after which a key that shows no effect was not heard."""


class Tmux:
    """A context manager: the program runs inside, on a screen of 120 by 40."""

    def __init__(self, words: Sequence[str], *, environment: Mapping[str, str]) -> None:
        found = shutil.which("tmux")
        if found is None:
            missing("tmux is not installed")
        self._tmux = found
        self._name = f"proof-{uuid.uuid4().hex[:12]}"
        self._words = list(words)
        self._environment = {**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8", **environment}

    def __enter__(self) -> Self:
        self._call("-f", os.devnull, "new-session", "-d", "-x", "120", "-y", "40", "--", *self._words)
        self._call("set-option", "-g", "remain-on-exit", "on")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call("kill-server", check=False)

    def screen(self) -> str:
        """What is on the screen now, and what scrolled away before it, one string a line that was written.

        A line that the terminal broke at its right edge is joined, so that no law depends on where a name ends.
        """
        return self._call("capture-pane", "-p", "-J", "-S", "-500")

    def type(self, text: str) -> None:
        """Type it as it is."""
        self._call("send-keys", "-l", "--", text)

    def press(self, key: str) -> None:
        """Press a key by tmux's name for it, such as ``Enter``."""
        self._call("send-keys", key)

    @property
    def lives(self) -> bool:
        """Whether the program still runs."""
        return self._call("list-panes", "-F", "#{pane_dead}").strip() == "0"

    async def shows(self, text: str, *, limit: float = _LIMIT) -> None:
        """Wait until `text` is on the screen; fails, with the screen, when the program ends or `limit` has passed."""
        try:
            await until(lambda: text in self.screen() or not self.lives, limit=limit)
        except AssertionError:
            raise AssertionError(f"{text!r} is not on the screen:\n{self.screen()}") from None
        assert text in self.screen(), f"the program ended:\n{self.screen()}"

    async def press_until(self, key: str, text: str) -> None:
        """Press a key that does no harm until `text` is on the screen.

        For a program that has just drawn and may not listen yet: codex drops what was typed by then.
        """
        deadline = time.monotonic() + _LIMIT
        while time.monotonic() < deadline:
            self.press(key)
            with suppress(AssertionError):
                await until(lambda: text in self.screen(), limit=_HEARD)
                return
        raise AssertionError(f"{key} does not lead to {text!r}:\n{self.screen()}")

    def _call(self, *words: str, check: bool = True) -> str:
        done = subprocess.run(
            [self._tmux, "-L", self._name, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LIMIT,
            check=False,
            env=self._environment,
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout
