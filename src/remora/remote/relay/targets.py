"""What the targets of streams mean, and the one that is the relay itself: a session within a session.

Runs on the host: Python 3.8, standard library only.
"""

from __future__ import annotations

import os
import socket

from remora.remote.relay.children import FolderEnd, ScriptEnd
from remora.remote.relay.ends import End, PortEnd, ServerEnd
from remora.wire.relay.relay_frames import CLOSE_UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from remora.remote.relay.roles import Connection, Hosted
    from remora.wire.relay.frame_session import Stream


class RelayEnd(End):
    """This relay: a program of the laptop has a session of its own, carried by that of the laptop's hub.

    Such a session outlives the hub: whoever comes next with its token takes it over. It keeps its own bytes.
    """

    repeatable = True

    def __init__(self, hosted: Hosted, stream: Stream) -> None:
        super().__init__(hosted, stream)
        self._carried: Connection | None = None

    @property
    def lasting(self) -> bool:
        """See :class:`End`."""
        return super().lasting and self._carried is not None and self._carried.lasting

    def start(self) -> None:
        """See :class:`End`."""
        near, far = socket.socketpair()
        near.setblocking(False)
        descriptors = os.dup(far.fileno()), far.detach()
        silent = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)  # nothing ever comes there
        self._carried = self._hosted.carry_another(descriptors, silent)
        self._socket = near
        self._adopt()


def open_end(hosted: Hosted, stream: Stream, *, server: str) -> End | None:
    """The end that the target of `stream` asks for; `None` when it means nothing here, and the stream was closed."""
    kind, _, rest = stream.target.partition(":")
    if stream.target == "server":
        return ServerEnd(hosted, stream, path=server)
    if stream.target == "relay":
        return RelayEnd(hosted, stream)
    if stream.target == "script":
        return ScriptEnd(hosted, stream)
    if kind == "port" and rest.isdigit() and len(rest) < 6 and 0 < int(rest) < 65536:
        return PortEnd(hosted, stream, port=int(rest))
    if kind == "folder" and "\0" not in rest:
        return FolderEnd(hosted, stream, asked=rest)
    hosted.session.close(stream, CLOSE_UNKNOWN, stream.target[:200])
    return None
