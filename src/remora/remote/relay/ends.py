"""What streams lead to on the host: the app server's socket, a port.

Runs on the host: Python 3.8, standard library only.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
import struct
import sys
from collections import deque

from remora.wire.relay.relay_frames import CLOSE_FOREIGN, CLOSE_LOST, CLOSE_OVERFLOW, CLOSE_REFUSED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from remora.remote.relay.roles import Hosted
    from remora.remote.relay.spool import Spool
    from remora.wire.relay.frame_session import Stream

_READ = 256 * 1024
_PORT_HELD = 512 * 1024
"""Bytes of a port's stream that wait before the port is read no further."""
_PATIENCE = 0.05
"""Seconds that a server is not read while its laptop may be making room: a disk costs more than such a moment."""
_RETRY = 0.05
_CONNECT_LIMIT = 10.0
_LINGER = 10.0
_SEND_BUFFER = 1024 * 1024
"""What the kernel may hold for a server, as far as it allows."""
_SHORT_PATH = 100
_BUFFER = memoryview(bytearray(_READ))


def peer_user(connection: socket.socket) -> int | None:
    """The user on the other side of a unix socket; `None` where the system does not tell."""
    if hasattr(socket, "SO_PEERCRED"):
        user: int = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]
        return user
    if sys.platform == "darwin":
        told = connection.getsockopt(0, 1, 76)  # LOCAL_PEERCRED: a version, then the user
        return int.from_bytes(told[4:8], sys.byteorder)
    return None


def connect_unix(connection: socket.socket, path: str) -> int:
    """``connect_ex``, also to a path that is longer than an address holds."""
    if len(os.fsencode(path)) <= _SHORT_PATH:
        return connection.connect_ex(path)
    try:
        os.chdir(os.path.dirname(path))
        return connection.connect_ex(os.path.basename(path))
    except OSError as error:
        return error.errno or errno.EIO
    finally:
        os.chdir("/")


class End:
    """A connection here and a stream there, joined: what one brings the other takes."""

    eager = False
    repeatable = False
    """See :class:`remora.wire.relay.frame_session.Stream`."""

    def __init__(self, hosted: Hosted, stream: Stream) -> None:
        self.number = stream.number
        self._hosted = hosted
        self._loop = hosted.loop
        self._session = hosted.session
        self._stream = stream
        stream.repeatable = self.repeatable or stream.transient
        self._spool: Spool = stream.source  # type: ignore[assignment]
        self._socket: socket.socket | None = None
        self._events = 0
        self._connected = False
        self._incoming: deque[bytes] = deque()
        self._incoming_ended = False
        self._shut = False
        self._read_all = False
        self._was_full = False
        self._hurried = False
        self._deadline = self._loop.now() + _CONNECT_LIMIT

    def start(self) -> None:
        """Connect, or close the stream with the reason why not."""
        raise NotImplementedError

    def deliver(self, data: bytes) -> None:
        """Bytes for the connection."""
        self._incoming.append(data)
        if len(self._incoming) == 1 and self._connected:
            self._write()

    def deliver_end(self) -> None:
        """No more bytes for the connection."""
        self._incoming_ended = True
        if self._connected:
            self._write()

    def release(self) -> None:
        """The laptop has closed the stream: what it wrote before still goes to the connection, for a while."""
        self._read_all = True
        self._spool.clear()
        if self.finished:
            self.close()
        else:
            self._loop.call_at(self, self._loop.now() + _LINGER, self, self._expire)
            self._arrange()

    def _expire(self) -> None:
        self._hosted.forget(self)

    @property
    def lasting(self) -> bool:
        """Whether a laptop that is away would lose something of it with its session."""
        if self._stream.transient or self._stream.over:
            return False
        return self._socket is not None or self._spool.size > 0

    @property
    def finished(self) -> bool:
        """Whether all that came for the connection was given to it."""
        return self._socket is None or not self._incoming

    def refuse(self, error: OSError) -> None:
        """It could not even be tried."""
        self._finish(CLOSE_REFUSED, error.strerror or "")

    def abort(self) -> None:
        """Something went wrong here that should not have: what the session holds may not be whole any more."""
        self._hosted.abort()

    def resume(self) -> None:
        """The spool has given some of its bytes away."""
        self._arrange()

    def close(self) -> None:
        """Let go of the connection and of all that waits."""
        self._loop.cancel(self)
        self._loop.cancel((self, "room"))
        self._hosted.held.discard(self)
        self._spool.clear()
        self._incoming.clear()
        self._let_go()

    def _let_go(self) -> None:
        if self._socket is not None:
            self._loop.watch(self._socket, 0, self, self._ready)
            self._socket.close()
            self._socket = None

    def _ready(self, events: int) -> None:
        if events & selectors.EVENT_READ:
            self._read()
        if events & selectors.EVENT_WRITE and self._socket is not None:
            self._write()

    def _adopt(self) -> None:
        """The connection stands."""
        self._connected = True
        self._write()

    def _read(self) -> None:
        if self._socket is None:
            return
        try:
            count = self._socket.recv_into(_BUFFER)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._cut(error)
            return
        if count:
            self._spool.put(bytes(_BUFFER[:count]))
            self._session.touch(self._stream)
            if self._was_full and self._caught_up():
                self._was_full = False
        elif self._was_full:
            self._finish(CLOSE_OVERFLOW, "the data for the laptop exceeded the limit of the relay")
            return
        else:
            self._read_all = True
            self._session.end(self._stream)
        self._arrange()
        self._hosted.moved()

    def _caught_up(self) -> bool:
        """Whether nothing more can be had at once, and the other side is still there."""
        if self._socket is not None:
            try:
                self._socket.recv(1, socket.MSG_PEEK)
            except (BlockingIOError, InterruptedError):
                return True
            except OSError:
                pass
        return False

    def _write(self) -> None:
        if self._socket is None:
            return
        try:
            while self._incoming:
                count = self._socket.send(self._incoming[0])
                if count == len(self._incoming[0]):
                    self._incoming.popleft()
                else:
                    self._incoming[0] = memoryview(self._incoming[0])[count:]  # type: ignore[assignment]
                self._session.consume(self._stream, count)
            if self._incoming_ended and not self._shut:
                self._shut = True
                self._socket.shutdown(socket.SHUT_WR)
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            self._cut(error)
            return
        if self._stream.over and not self._incoming:
            self._hosted.forget(self)
        else:
            self._arrange()
            self._hosted.moved()

    def _wants_to_read(self) -> bool:
        if self.eager:
            full = self._spool.full
            self._was_full = self._was_full or full
            return not full and not self._awaits_room()
        return self._spool.size < _PORT_HELD

    def _awaits_room(self) -> bool:
        """Whether more would go to disk now, and perhaps not in a moment."""
        key = (self, "room")
        if not self._spool.crowded:
            self._loop.cancel(key)
            self._hurried = self._hurried and self._spool.on_disk
            return False
        if not self._hurried and not self._loop.is_due(key):
            self._loop.call_at(key, self._loop.now() + _PATIENCE, self, self._hurry)
        return not self._hurried

    def _hurry(self) -> None:
        self._hurried = True
        self._arrange()

    def _arrange(self) -> None:
        if self._socket is None or not self._connected:
            return
        wants = self._wants_to_read()
        (self._hosted.held.discard if wants else self._hosted.held.add)(self)
        reads = wants and not self._read_all
        self._watch((selectors.EVENT_READ if reads else 0) | (selectors.EVENT_WRITE if self._incoming else 0))

    def _watch(self, events: int) -> None:
        if self._socket is not None and events != self._events:
            self._events = events
            self._loop.watch(self._socket, events, self, self._ready)

    def _cut(self, error: OSError) -> None:
        code = CLOSE_OVERFLOW if self._was_full else CLOSE_LOST
        self._finish(code, error.strerror or "")

    def _finish(self, code: str, words: str) -> None:
        """No more can be had or given here: what was read still goes its way, then the reason."""
        self._loop.cancel(self)
        self._loop.cancel((self, "room"))
        self._hosted.held.discard(self)
        self._let_go()
        self._incoming.clear()
        self._session.close(self._stream, code, words)
        if self._stream.over:
            self._hosted.forget(self)
        self._hosted.moved()


class ServerEnd(End):
    """The app server's control socket. It is read eagerly: a server throws out who does not read.

    A server that has closed it can be asked nothing more here, and what it last said stands in its threads.
    """

    eager = True
    repeatable = True

    def __init__(self, hosted: Hosted, stream: Stream, *, path: str) -> None:
        super().__init__(hosted, stream)
        self._path = path

    @property
    def lasting(self) -> bool:
        """See :class:`End`."""
        return super().lasting and self._socket is not None and not self._read_all

    def start(self) -> None:
        """See :class:`End`. A listener whose queue is full is asked again, for a while."""
        attempt = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        attempt.setblocking(False)
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        problem = connect_unix(attempt, self._path)
        if not problem and peer_user(attempt) not in {None, os.geteuid()}:
            attempt.close()
            self._finish(CLOSE_FOREIGN, self._path)
        elif not problem:
            self._socket = attempt
            self._adopt()
        else:
            attempt.close()
            if problem in {errno.EAGAIN, errno.EINTR} and self._loop.now() < self._deadline:
                self._loop.call_at(self, self._loop.now() + _RETRY, self, self.start)
            else:
                self._finish(CLOSE_REFUSED, f"{self._path}: {os.strerror(problem)}")


class PortEnd(End):
    """A TCP port of this host's loopback, of either family."""

    def __init__(self, hosted: Hosted, stream: Stream, *, port: int) -> None:
        super().__init__(hosted, stream)
        self._port = port
        self._places = [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]

    def start(self) -> None:
        """See :class:`End`."""
        self._try(errno.ECONNREFUSED)

    def _try(self, problem: int) -> None:
        while self._places:
            family, address = self._places.pop(0)
            try:
                attempt = self._socket = socket.socket(family, socket.SOCK_STREAM)
            except OSError:
                continue
            attempt.setblocking(False)
            attempt.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            said = attempt.connect_ex((address, self._port))
            if said == 0 or (said == errno.EINPROGRESS and _stands(attempt)):
                self._adopt()
                return
            if said == errno.EINPROGRESS:
                self._loop.watch(attempt, selectors.EVENT_WRITE, self, self._settle)
                return
            problem = problem if family == socket.AF_INET6 else said
            attempt.close()
            self._socket = None
        self._finish(CLOSE_REFUSED, f"port {self._port}: {os.strerror(problem)}")

    def _settle(self, events: int) -> None:
        if self._socket is None:
            return
        self._loop.watch(self._socket, 0, self, self._settle)
        problem = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if problem:
            self._socket.close()
            self._socket = None
            self._try(problem)
        else:
            self._adopt()


def _stands(attempt: socket.socket) -> bool:
    """Whether a connection that was begun stands already, as one to loopback does: nothing has to be waited for."""
    try:
        attempt.getpeername()
    except OSError:
        return False
    return True
