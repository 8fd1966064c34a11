"""A port of this machine: clients that a line carries, without a task or a transport for each.

All sockets of one port have a selector of their own, which the event loop watches as one descriptor. What happens at
the same moment is dealt with in one turn and leaves together: for many short connections that is most of the cost.
"""

import asyncio
import errno
import selectors
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from remora.ports import Far, Line

_READ: Final = selectors.EVENT_READ
_WRITE: Final = selectors.EVENT_WRITE
_PIECE: Final = 256 * 1024
_ACCEPTED: Final = 64
"""Clients that are received in one turn."""
_LINGER: Final = 10.0
"""Seconds that a client has to take what came for it before the host's end was gone."""
_PAUSE: Final = 1.0
"""Seconds without new clients when there are no descriptors left."""
_SCARCE: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class PortClients:
    """The clients of one port, from :meth:`start` to :meth:`close`.

    `line` carries who it can; whom it cannot, `receive` gets. At most `most` are carried at once.
    """

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        line: Line | None,
        receive: Callable[[socket.socket], None],
        *,
        most: int,
    ) -> None:
        self._listeners = listeners
        self._line = line
        self._receive = receive
        self._most = most
        self._selector = selectors.DefaultSelector()
        self._loop = asyncio.get_running_loop()
        self._clients: set[_Client] = set()
        self._paused: asyncio.TimerHandle | None = None
        self.buffer = memoryview(bytearray(_PIECE))

    def start(self) -> None:
        """Listen."""
        for listener in self._listeners:
            listener.listen()
        self._listen()
        self._loop.add_reader(self._selector, self._turn)

    def close(self) -> None:
        """Let go of all clients."""
        if self._paused is not None:
            self._paused.cancel()
        self._loop.remove_reader(self._selector)
        for client in list(self._clients):
            client.drop()
        if self._line is not None:
            self._line.flush()
        self._selector.close()

    def watch(self, client: "_Client", before: int, events: int) -> None:
        """Have `client` told of `events` instead of those of `before`."""
        if not before:
            self._selector.register(client.socket, events, client.happen)
        elif events:
            self._selector.modify(client.socket, events, client.happen)
        else:
            self._selector.unregister(client.socket)

    def forget(self, client: "_Client") -> None:
        """That client has gone."""
        self._clients.discard(client)

    def call_later(self, call: Callable[[], None]) -> asyncio.TimerHandle:
        """Call `call` when a client has had its time."""
        return self._loop.call_later(_LINGER, call)

    def _listen(self) -> None:
        self._paused = None
        for listener in self._listeners:
            self._selector.register(listener, _READ, lambda events, listener=listener: self._accept(listener))

    def _turn(self) -> None:
        for key, events in self._selector.select(0):
            try:
                key.data(events)
            except Exception as error:  # noqa: BLE001 - one client's trouble must not end the others
                self._loop.call_exception_handler({"message": "a client could not be carried", "exception": error})
                if isinstance(key.fileobj, socket.socket) and key.fileobj not in self._listeners:
                    self._drop_client(key.fileobj)
        if self._line is not None:
            self._line.flush()

    def _drop_client(self, connected: socket.socket) -> None:
        for client in [client for client in self._clients if client.socket is connected]:
            client.drop()

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_ACCEPTED):
            try:
                connected, _ = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionError):
                return
            except OSError as error:
                if error.errno in _SCARCE:
                    self._pause()
                return
            connected.setblocking(False)
            if len(self._clients) >= self._most:
                connected.close()
            elif not self._carry(connected):
                self._receive(connected)

    def _carry(self, connected: socket.socket) -> bool:
        if self._line is None:
            return False
        client = _Client(self, connected)
        far = self._line.open(client)
        if far is None:
            return False
        self._clients.add(client)
        client.begin(far)
        return True

    def _pause(self) -> None:
        if self._paused is None:
            for listener in self._listeners:
                self._selector.unregister(listener)
            self._paused = self._loop.call_later(_PAUSE, self._listen)


class _Client:
    """One client as a :class:`remora.ports.Near`."""

    __slots__ = ("_clients", "_cut", "_end", "_events", "_far", "_linger", "_read_all", "_waiting", "socket")

    def __init__(self, clients: PortClients, connected: socket.socket) -> None:
        self.socket = connected
        self._clients = clients
        self._far: Far | None = None
        self._events = 0
        self._waiting: deque[bytes | memoryview] = deque()
        self._end = False
        self._read_all = False
        self._cut = False
        self._linger: asyncio.TimerHandle | None = None

    def begin(self, far: Far) -> None:
        """Carry its bytes to `far`: what it has sent already goes at once."""
        self._far = far
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read()

    def happen(self, events: int) -> None:
        """Called when the socket is ready."""
        if events & _READ:
            self._read()
        if events & _WRITE:
            self._write()

    def take(self, data: bytes) -> None:
        """See :class:`remora.ports.Near`."""
        if self._far is None:
            return
        if self._waiting:
            self._waiting.append(data)
            return
        try:
            count = self.socket.send(data)
        except (BlockingIOError, InterruptedError):
            count = 0
        except OSError:
            self.drop()
            return
        if count:
            self._far.taken(count)
        if count < len(data):
            self._waiting.append(memoryview(data)[count:])
            self._arrange()

    def take_end(self) -> None:
        """See :class:`remora.ports.Near`."""
        self._end = True
        if not self._waiting:
            self._finish()

    def cut(self) -> None:
        """See :class:`remora.ports.Near`."""
        self._cut = True
        if not self._waiting:
            self.drop()
        elif self._far is not None:
            self._linger = self._clients.call_later(self.drop)
            self._arrange()

    def resume(self) -> None:
        """See :class:`remora.ports.Near`."""
        self._arrange()

    def drop(self) -> None:
        """Let go of it, whatever waits."""
        far, self._far = self._far, None
        if far is None:
            return
        if self._linger is not None:
            self._linger.cancel()
        if self._events:
            self._clients.watch(self, self._events, 0)
        self.socket.close()
        self._waiting.clear()
        self._clients.forget(self)
        far.close()

    def _read(self) -> None:
        far = self._far
        if far is None or self._cut:
            return
        buffer = self._clients.buffer
        try:
            count = self.socket.recv_into(buffer)
        except (BlockingIOError, InterruptedError):
            self._arrange()
            return
        except OSError:
            self.drop()
            return
        if count:
            far.take(bytes(buffer[:count]))
        else:
            self._read_all = True
            far.take_end()
            if self._end and not self._waiting:
                self.drop()
                return
        self._arrange()

    def _write(self) -> None:
        try:
            while self._waiting and self._far is not None:
                piece = self._waiting[0]
                count = self.socket.send(piece)
                if count < len(piece):
                    self._waiting[0] = memoryview(piece)[count:]
                else:
                    self._waiting.popleft()
                self._far.taken(count)
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self.drop()
            return
        if not self._waiting and self._cut:
            self.drop()
        elif not self._waiting and self._end:
            self._finish()
        else:
            self._arrange()

    def _finish(self) -> None:
        """The client has all that came; it may still have something to say."""
        if self._far is None:
            return
        if self._read_all:
            self.drop()
            return
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.drop()
            return
        self._arrange()

    def _arrange(self) -> None:
        if self._far is None:
            return
        reads = not (self._read_all or self._cut or self._far.full)
        events = (_READ if reads else 0) | (_WRITE if self._waiting else 0)
        if events != self._events:
            before, self._events = self._events, events
            self._clients.watch(self, before, events)
