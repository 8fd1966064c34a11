"""A process that serves every hostile mode, each on a socket of its own name.

``python -m tests.support.hostile.server FOLDER`` says ``ready`` and serves until its standard input ends.
"""

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.hostile.modes import MODES, Mode
from tests.support.hostile.wire import Wire

_BACKLOG = 16


def converse(connection: socket.socket, mode: Mode) -> None:
    """Serve one client in one mode."""
    with connection, contextlib.suppress(OSError):
        mode.act(Wire(connection))


def _serve(server: socket.socket, mode: Mode) -> None:
    while True:
        connection, _ = server.accept()
        threading.Thread(target=converse, args=(connection, mode), daemon=True).start()


def address(folder: Path, name: str) -> str:
    """The socket of a mode."""
    return str(folder / f"{list(MODES).index(name)}")


@contextmanager
def hostile_servers(folder: Path) -> Iterator[Path]:
    """All modes, in a process of their own: what they do to the loop of the test is the client's doing alone."""
    command = [sys.executable, "-m", "tests.support.hostile.server", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield folder
        process.stdin.close()


def main(folder: Path) -> None:
    """Serve."""
    for name, mode in MODES.items():
        server = socket.socket(socket.AF_UNIX)
        server.bind(address(folder, name))
        server.listen(_BACKLOG)
        threading.Thread(target=_serve, args=(server, mode), daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
