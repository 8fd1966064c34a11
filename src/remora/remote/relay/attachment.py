"""One laptop's connection to the relay: the standard input and output of an SSH session, handed over.

Runs on the host: Python 3.8, standard library only.
"""

from __future__ import annotations

import os
import selectors
from collections import deque
from itertools import islice

from remora.wire.relay.relay_frames import BYE, HELLO, LEAVING, PING, PONG, REFUSED, FrameReader, ProtocolBreak, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from remora.remote.relay.roles import Hosted, Service
    from remora.wire.relay.relay_frames import Frame

_PIECE = 512 * 1024
_BUFFERS = 64
"""Pieces that are written at once; more of them are many small ones, which are put together before."""
_PIPE = 1024 * 1024
_SET_PIPE_SIZE = 1031
_HELLO_LIMIT = 30.0
_BUFFER = memoryview(bytearray(_PIECE))


class LaptopConnection:
    """Reads and writes frames; `server` is the control socket that this laptop means."""

    def __init__(self, relay: Service, descriptors: tuple[int, int], control: socket.socket, server: str) -> None:
        self.server = server
        self._relay = relay
        self._loop = relay.loop
        self._incoming, self._outgoing = descriptors
        self._control = control
        self._reader = FrameReader()
        self._hosted: Hosted | None = None
        self._pending: deque[bytes | memoryview] = deque()
        self._urgent: list[bytes] = []
        self.gone = False

    @property
    def idle(self) -> bool:
        """Whether all that was to be written is."""
        return not self._pending and not self._urgent

    @property
    def lasting(self) -> bool:
        """Whether the session that it carries keeps something for a laptop that is away."""
        return self._hosted is not None and self._hosted.lasting

    def start(self) -> None:
        """Listen to it. Raises OSError for what cannot be waited on."""
        for descriptor in (self._incoming, self._outgoing):
            os.set_blocking(descriptor, False)
            _enlarge(descriptor)
        self._loop.watch(self._incoming, selectors.EVENT_READ, self, self._readable)
        self._loop.watch(self._control, selectors.EVENT_READ, self, self._let_go)
        self._loop.call_at(self, self._loop.now() + _HELLO_LIMIT, self, self.drop)

    def carry(self, hosted: Hosted, welcome: bytes) -> None:
        """Carry that session from now on."""
        self._hosted = hosted
        self._loop.cancel(self)
        self._urgent.append(welcome)

    def refuse(self, reason: str) -> None:
        """Say why not, and let go."""
        self._urgent.append(encode(REFUSED, reason.encode("utf-8", "replace")[:1000]))
        self._last_flush()

    def dismiss(self, reason: str) -> None:
        """Say that this connection is over, and let go; the session may go on elsewhere."""
        self._urgent.append(encode(BYE, reason.encode("utf-8", "replace")[:1000]))
        self._last_flush()

    def warn(self) -> None:
        """Say that the relay is about to die."""
        self._urgent.append(encode(LEAVING))
        self.flush()

    def abort(self) -> None:
        """Something went wrong here that should not have."""
        if self._hosted is not None:
            self._hosted.abort()
        self.drop()

    def drop(self) -> None:
        """Let go of the connection; the session waits for the next one."""
        if self.gone:
            return
        self.gone = True
        self._loop.cancel(self)
        self._loop.watch(self._incoming, 0, self, self._readable)
        self._loop.watch(self._outgoing, 0, self, self._writable)
        self._loop.watch(self._control, 0, self, self._let_go)
        os.close(self._incoming)
        os.close(self._outgoing)
        self._control.close()
        self._pending.clear()
        self._relay.dropped(self)
        if self._hosted is not None:
            self._hosted.detached(self)

    def flush(self) -> None:
        """Write what can be written now; the rest when there is room."""
        try:
            while not self.gone:
                if not self._pending and not self._refill():
                    break
                self._advance(os.writev(self._outgoing, list(islice(self._pending, _BUFFERS))))
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self.drop()
            return
        if not self.gone:
            events = selectors.EVENT_WRITE if self._pending else 0
            self._loop.watch(self._outgoing, events, self, self._writable)

    def _refill(self) -> bool:
        output, self._urgent = self._urgent, []
        if self._hosted is not None:
            output += self._hosted.session.take_output(_PIECE)
        if len(output) > _BUFFERS:
            output = [b"".join(output)]
        self._pending.extend(output)
        return bool(output)

    def _advance(self, count: int) -> None:
        pending = self._pending
        while count:
            first = pending[0]
            if len(first) > count:
                pending[0] = memoryview(first)[count:]
                return
            count -= len(first)
            pending.popleft()

    def _last_flush(self) -> None:
        self._hosted = None
        self.flush()
        self.drop()

    def _readable(self, events: int) -> None:
        if self.gone:
            return
        try:
            count = os.readv(self._incoming, [_BUFFER])
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            count = 0
        if not count:
            self.drop()
            return
        try:
            for frame in self._reader.feed(_BUFFER[:count]):
                if not self._take(frame):
                    return
        except ProtocolBreak as error:
            if self._hosted is not None:
                self._hosted.end(str(error))
            else:
                self.refuse(str(error))
            return
        if self._hosted is not None:
            self._hosted.moved()

    def _take(self, frame: Frame) -> bool:
        """Whether the connection goes on after this frame."""
        if self._hosted is None:
            if frame.kind != HELLO:
                raise ProtocolBreak("the first frame was not a hello")
            self._relay.hello(self, frame)
        elif frame.kind == PING:
            self._urgent.append(encode(PONG, frame.payload))
        elif frame.kind == BYE:
            self._hosted.end("as requested")
        elif frame.kind != PONG:
            self._hosted.receive(frame)
        return not self.gone

    def _writable(self, events: int) -> None:
        if self._hosted is not None:
            self._hosted.moved()
        else:
            self.flush()

    def _let_go(self, events: int) -> None:
        if not self.gone:
            self.drop()


def _enlarge(descriptor: int) -> None:
    """A larger pipe lets a fast line be filled in fewer turns; where it cannot be had, nothing is lost."""
    import fcntl

    try:
        fcntl.fcntl(descriptor, _SET_PIPE_SIZE, _PIPE)
    except OSError:
        pass
