"""The real `remora demo` on a pseudo-terminal, with the answer that a person would type."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path
from typing import Final

COLUMNS: Final = 400
"""Wide enough that the program breaks no line: where it would break depends on names of this machine."""
QUESTION: Final = b"Your decision: "
ANSWER: Final = b"yes\r"


def play() -> str:
    """Everything that the demo writes to a terminal. Ends the process with a sentence when the demo fails."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    with tempfile.TemporaryDirectory(prefix="d") as cache:
        plain = {name: os.environ[name] for name in ("HOME", "PATH", "USER", "LOGNAME") if name in os.environ}
        with subprocess.Popen(
            [Path(sys.executable).with_name("remora"), "demo"],
            env={**plain, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "XDG_CACHE_HOME": cache},
            stdin=its,
            stdout=its,
            stderr=its,
            start_new_session=True,
        ) as demo:
            os.close(its)
            shown = _read(ours)
    os.close(ours)
    if demo.returncode != 0 or QUESTION not in shown:
        sys.exit(f"record: the demo did not reach its end (exit code {demo.returncode}):\n{shown.decode()}")
    return shown.decode()


def _read(terminal: int) -> bytes:
    shown, answered = b"", False
    while piece := _piece(terminal):
        shown += piece
        if not answered and QUESTION in shown:
            answered = True
            os.write(terminal, ANSWER)
    return shown


def _piece(terminal: int) -> bytes:
    """What comes next; nothing at the end, which Linux reports as an error."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""
