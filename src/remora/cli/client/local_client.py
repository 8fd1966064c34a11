"""The codex of this machine as a terminal client: finding it, proving that it can, and giving it the terminal."""

import os
import re
import shutil
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from remora.cli.process.signals import SIGNALS
from remora.core.errors import AppServerProblem, Code, UsageProblem
from remora.core.text import decode

_NAME: Final = "codex"
_USUAL_PLACES: Final = (
    "~/.local/bin",
    "~/.codex/bin",
    "~/.npm-global/bin",
    "~/.bun/bin",
    "~/.volta/bin",
    "~/.nvm/versions/node/*/bin",
    "/opt/homebrew/bin",
    "/usr/local/bin",
)
_ANSWER_SECONDS: Final = 20.0
_END_SECONDS: Final = 5.0
_VERSION: Final = re.compile(r"\d+\.\d+\.\d+[^\s]*")
_NUMBERS: Final = re.compile(r"\d+")
_UNIX: Final = re.compile(r"--remote <.*?unix://", re.DOTALL)
_RESET: Final = b"\x1b[?1049l\x1b[?25h\x1b[?2004l\x1b[?1004l\x1b[<u\x1b[0m\r\n"
"""Leave the other screen, show the cursor, end pasting and focus reports, enhanced keys and colours."""


@dataclass(frozen=True, slots=True)
class LocalClient:
    """A codex that can attach to an app server behind a unix socket."""

    path: str
    version: str | None


def find_client(named: str | None = None) -> LocalClient:
    """The codex to use: `named`, or the first that can on PATH and in the usual places.

    Raises ``client-missing`` and ``client-unsupported``.
    """
    candidates = [_named(named)] if named is not None else list(_candidates())
    unsupported: list[str] = []
    for path in candidates:
        words = _ask(path, "--help")
        if words is not None and _UNIX.search(words):
            found = _VERSION.search(_ask(path, "--version") or "")
            return LocalClient(path, found[0] if found else None)
        unsupported.append(f"{path}: {'does not run' if words is None else 'has no --remote unix://'}")
    if not unsupported:
        raise AppServerProblem(
            Code.CLIENT_MISSING,
            "The codex terminal client was not found on this machine.",
            seen="looked on PATH and in " + ", ".join(_USUAL_PLACES),
            next_step="Install codex here (npm install -g @openai/codex), or name it with --client PATH.",
        )
    raise AppServerProblem(
        Code.CLIENT_UNSUPPORTED,
        "The codex of this machine cannot attach to a remote app server.",
        seen="\n".join(unsupported),
        next_step="Update codex here to 0.125 or newer, or name another one with --client PATH.",
    )


def is_older(version: str | None, other: str | None) -> bool:
    """Whether `version` comes before `other`; false where one of them is not known."""
    mine, theirs = (tuple(map(int, _NUMBERS.findall(text)[:3])) for text in (version or "", other or ""))
    return bool(mine) and mine < theirs


def run_client(
    client: LocalClient,
    arguments: Sequence[str],
    *,
    when_lost: Callable[[Callable[[], object]], None] = lambda act: None,
) -> int:
    """Give the terminal to `client` until it ends; its exit code, or 128 and the signal that ended it.

    Keys go to it alone, Ctrl-C too. A client that was killed leaves the terminal as it was before. `when_lost` is given
    what ends the client, for the case that what it works with is gone.
    """
    with SIGNALS.lent(), _terminal_kept() as restore, _signals_kept() as receiver:
        process = subprocess.Popen([client.path, *arguments])
        receiver.receive_with(process)
        when_lost(lambda: _end(process))
        try:
            status = process.wait()
        except BaseException:  # a time limit, for one
            _end(process)
            restore()
            raise
        if status >= 0:
            return status
        restore()
        return 128 - status


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _named(path: str) -> str:
    found = shutil.which(os.path.expanduser(path))  # noqa: PTH111 - a name is looked up on PATH, too
    if found is None:
        raise AppServerProblem(
            Code.CLIENT_MISSING,
            f"The program {path} does not exist.",
            next_step="Name the codex of this machine with --client PATH.",
        )
    return found


def _candidates() -> Iterator[str]:
    folders = [Path(place) for place in os.environ.get("PATH", os.defpath).split(os.pathsep) if place]
    for place in _USUAL_PLACES:
        usual = Path(place).expanduser()
        folders += sorted(usual.parent.parent.glob("*/bin"), reverse=True) if "*" in place else [usual]
    seen: set[str] = set()
    for folder in folders:
        path = folder / _NAME
        with suppress(OSError):
            if path.is_file() and os.access(path, os.X_OK) and (real := str(path.resolve())) not in seen:
                seen.add(real)
                yield str(path)


def _ask(path: str, word: str) -> str | None:
    """What the program says; `None` when it does not run."""
    try:
        answer = subprocess.run(
            [path, word],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_ANSWER_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return decode(answer.stdout) if answer.returncode == 0 else None


def require_terminal() -> None:
    """Raises :class:`UsageProblem` unless somebody sits at standard input and output."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageProblem(
            Code.USAGE,
            "The terminal client needs a terminal.",
            next_step="Run it on a terminal, or use remora run or remora bridge from a program.",
        )


@contextmanager
def _terminal_kept() -> "Iterator[Any]":
    """Remember how the terminal is; what is given puts it back."""
    try:
        before = termios.tcgetattr(0)
    except termios.error:
        before = None

    def restore() -> None:
        if before is None:
            return
        with suppress(termios.error, OSError):
            os.write(1, _RESET)
            termios.tcsetattr(0, termios.TCSADRAIN, before)

    yield restore


class _Receiver:
    """Takes signals for a process that may not be there yet."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []

    def take(self, number: int) -> None:
        """A signal has come."""
        if self._process is None:
            self._early.append(number)
        else:
            self._process.send_signal(number)

    def receive_with(self, process: "subprocess.Popen[bytes]") -> None:
        """From now on they are for `process`, and those that came before, too."""
        self._process = process
        for number in self._early:
            process.send_signal(number)


@contextmanager
def _signals_kept() -> "Iterator[_Receiver]":
    """Signals of the keyboard reach the client by themselves and are not ours; those that mean us go to the client.

    Give it the client as soon as there is one; what came before goes to it then.
    """
    receiver = _Receiver()

    def leave(number: int, frame: object) -> None:
        """The client has heard it, too."""

    def pass_on(number: int, frame: object) -> None:
        receiver.take(number)

    handlers = {signal.SIGINT: leave, signal.SIGQUIT: leave, signal.SIGTERM: pass_on, signal.SIGHUP: pass_on}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield receiver
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
