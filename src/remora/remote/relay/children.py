"""Streams that lead to a child process of the relay: a question about a folder, a script of ours.

Runs on the host: Python 3.8, standard library only.
"""

from __future__ import annotations

import os
import signal
import socket

from remora.remote.relay.ends import End
from remora.remote.relay.folder import describe_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from remora.remote.relay.roles import Hosted
    from remora.wire.relay.frame_session import Stream

_AFTERWARDS = 1.0
"""Seconds after which a child that was ended is let go of, though nobody asks anything."""


class ChildEnd(End):
    """What a child process says; it is gone with the stream. A dead file system may hold it, and nobody else."""

    def __init__(self, hosted: Hosted, stream: Stream) -> None:
        super().__init__(hosted, stream)
        self._child = 0

    def start(self) -> None:
        """See :class:`End`."""
        self._loop.reap()
        near, far = socket.socketpair()
        self._child = os.fork()
        if not self._child:
            self._be_child(far)
        far.close()
        near.setblocking(False)
        self._socket = near
        self._adopt()

    def close(self) -> None:
        """See :class:`End`."""
        super().close()
        if self._child:
            try:
                if os.waitpid(self._child, os.WNOHANG)[0] == 0:
                    os.kill(self._child, signal.SIGKILL)
                    self._loop.reap(self._child)
                    self._loop.call_at((self, "reap"), self._loop.now() + _AFTERWARDS, self, self._loop.reap)
            except ChildProcessError:
                pass
            self._child = 0

    def _be_child(self, far: socket.socket) -> None:
        try:
            keep = far.fileno()
            os.closerange(3, keep)
            os.closerange(keep + 1, 65536)
            for number in (signal.SIGTERM, signal.SIGPIPE):
                signal.signal(number, signal.SIG_DFL)
            self._work(far)
        finally:
            os._exit(0)

    def _work(self, far: socket.socket) -> None:
        """What the child does with its side of the connection."""
        raise NotImplementedError


class FolderEnd(ChildEnd):
    """A question about a folder, and its answer."""

    def __init__(self, hosted: Hosted, stream: Stream, *, asked: str) -> None:
        super().__init__(hosted, stream)
        self._asked = asked

    def deliver(self, data: bytes) -> None:
        """See :class:`End`. The question was all."""

    def _work(self, far: socket.socket) -> None:
        far.sendall(describe_folder(self._asked))


class ScriptEnd(ChildEnd):
    """A shell that reads its script from the stream, and what it prints. It has the environment of the relay."""

    def _work(self, far: socket.socket) -> None:
        os.dup2(far.fileno(), 0)
        os.dup2(far.fileno(), 1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        os.execve("/bin/sh", ["/bin/sh", "-s"], os.environ)
