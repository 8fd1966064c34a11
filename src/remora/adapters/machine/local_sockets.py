"""Sockets on this machine: the doors through which programs of the same user come in."""

import asyncio
import errno
import os
import socket
import stat
import struct
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Final, NoReturn

from remora.adapters.machine.local_ports import PortClients
from remora.adapters.machine.local_stream import LocalStream
from remora.core.errors import Code, LaunchProblem, RemoraError, Unreachable
from remora.ports import ByteStream, Line, Visitor

SOCKET_PATH_LIMIT: Final = 103
"""Bytes that a socket's path may have everywhere; macOS allows no more, Linux four more."""

_BACKLOG: Final = 1024
_MOST_VISITORS: Final = 4096
"""Clients of one socket at once: a program that connects in a loop must leave descriptors for everybody else."""
_PORT_TRIES: Final = 20
_LOOPBACKS: Final = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
_NO_SUCH_LOOPBACK: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


class SystemSockets:
    """See :class:`remora.ports.LocalSockets`. Of each socket's clients beyond `most_visitors` none is let in."""

    def __init__(self, *, most_visitors: int = _MOST_VISITORS) -> None:
        self._most_visitors = most_visitors

    @asynccontextmanager
    async def serve(self, path: str, visitor: Visitor) -> AsyncIterator[None]:
        """See :class:`remora.ports.LocalSockets`. Two that start at once need a lock of their own."""
        with ExitStack() as stack:
            listener = _bind(path)
            stack.callback(listener.close)
            mark = _mark(path)
            stack.callback(_unlink_if, path, mark)
            async with _receiving([listener], self._visits(visitor, is_same_user)):
                yield

    @asynccontextmanager
    async def serve_port(self, port: int, visitor: Visitor, line: Line | None = None) -> AsyncIterator[int]:
        """See :class:`remora.ports.LocalSockets`. ``localhost`` may mean either loopback, so both are taken."""
        listeners = _bind_port(port)
        with ExitStack() as stack:
            for listener in listeners:
                stack.callback(listener.close)
            visits = self._visits(visitor, lambda connected: True)
            clients = PortClients(listeners, line, visits.receive, most=self._most_visitors)
            clients.start()
            try:
                yield int(listeners[0].getsockname()[1])
            finally:
                clients.close()
                await visits.end()

    async def connect(self, path: str) -> ByteStream:
        """See :class:`remora.ports.LocalSockets`."""
        stream = LocalStream()
        try:
            transport, _ = await asyncio.get_running_loop().create_unix_connection(lambda: stream, path)
        except OSError as error:
            raise Unreachable(
                Code.CONNECTION_REFUSED,
                f"No program listens on the socket {path}.",
                next_step="Start the program that owns this socket.",
                seen=str(error),
            ) from None
        if not is_same_user(transport.get_extra_info("socket")):
            transport.abort()
            raise Unreachable(
                Code.CONNECTION_REFUSED,
                f"The socket {path} belongs to another user's program, so nothing was sent to it.",
                next_step="Remove that socket, or find out who created it.",
            )
        return stream

    def _visits(self, visitor: Visitor, admit: Callable[[socket.socket], bool]) -> "_Visits":
        return _Visits(visitor, admit, most=self._most_visitors)


class _Visits:
    """The clients that are here now."""

    def __init__(self, visitor: Visitor, admit: Callable[[socket.socket], bool], *, most: int) -> None:
        self._visitor = visitor
        self._admit = admit
        self._most = most
        self._visits: dict[asyncio.Task[None], LocalStream] = {}
        self._arriving: set[asyncio.Task[object]] = set()
        self._over = False

    def make_protocol(self) -> LocalStream:
        """For the server: one protocol for each client."""
        return LocalStream(self._receive)

    def receive(self, connected: socket.socket) -> None:
        """Receive a client that was accepted elsewhere."""
        arriving = asyncio.get_running_loop().create_task(self._arrive(connected))
        self._arriving.add(arriving)
        arriving.add_done_callback(self._arriving.discard)

    async def end(self) -> None:
        """Cancel all visits and wait for their end; who comes later is turned away."""
        self._over = True
        await asyncio.gather(*self._arriving, return_exceptions=True)
        visits = dict(self._visits)
        for task in visits:
            task.cancel()
        await asyncio.gather(*visits, return_exceptions=True)
        for stream in visits.values():
            stream.abort()

    async def _arrive(self, connected: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(self.make_protocol, connected)
        except OSError:  # it has left already
            connected.close()

    def _receive(self, stream: LocalStream) -> None:
        if self._over or len(self._visits) >= self._most or not self._admit(stream.connected):
            stream.abort()
            return
        task = asyncio.get_running_loop().create_task(self._visit(stream))
        self._visits[task] = stream
        task.add_done_callback(self._visits.pop)

    async def _visit(self, stream: LocalStream) -> None:
        try:
            await self._visitor(stream)
        except RemoraError:
            stream.abort()
        except Exception as error:  # noqa: BLE001 - one client's trouble must not end the others
            stream.abort()
            asyncio.get_running_loop().call_exception_handler({"message": "a visit failed", "exception": error})
        finally:
            await stream.close()


@asynccontextmanager
async def _receiving(listeners: "list[_Listener]", visits: _Visits) -> AsyncIterator[None]:
    """Receive clients on bound sockets until left; then the visits are over."""
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(visits.make_protocol, sock=each, backlog=1) for each in listeners]
    try:
        yield
    finally:
        for server in servers:
            server.close()
        await visits.end()


class _Listener(socket.socket):
    """Has room for a crowd, of which asyncio takes one at a time.

    It tries as often in a row as the queue is long, also when there is no descriptor left, and complains each time.
    """

    def listen(self, backlog: int = _BACKLOG, /) -> None:
        """Listen, whatever is asked for."""
        super().listen(_BACKLOG)


def _bind(path: str) -> _Listener:
    """A bound unix socket, mode 0600. It is not listening yet, so nobody can come in before the mode is set."""
    if (size := len(os.fsencode(path))) > SOCKET_PATH_LIMIT:
        _refuse(path, f"its path has {size} bytes; the limit for a socket is {SOCKET_PATH_LIMIT}")
    listener = _Listener(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.setblocking(False)
        try:
            listener.bind(path)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            _remove_stale(path)
            listener.bind(path)
        Path(path).chmod(0o600)
    except OSError as error:
        listener.close()
        _refuse(path, "this machine refuses it", str(error))
    except BaseException:
        listener.close()
        raise
    return listener


def _remove_stale(path: str) -> None:
    """Make room for a socket; what is alive, or no socket at all, stays."""
    if not stat.S_ISSOCK(os.lstat(path).st_mode):
        _refuse(path, "the path exists and is not a socket", next_step="Move it out of the way.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink(missing_ok=True)
            return
        except FileNotFoundError:
            return
        except BlockingIOError:
            pass  # its queue is full: it lives
    _refuse(path, "another program listens on it")


def _bind_port(port: int) -> list[_Listener]:
    failure: OSError | None = None
    for _ in range(1 if port else _PORT_TRIES):
        listeners: list[_Listener] = []
        try:
            for family, address in _LOOPBACKS:
                if (listener := _bind_loopback(family, address, listeners, port)) is not None:
                    listeners.append(listener)
        except OSError as error:
            failure = error
            for listener in listeners:
                listener.close()
        else:
            if listeners:
                return listeners
    raise LaunchProblem(
        Code.PORT_TAKEN,
        f"Port {port} of this machine cannot be opened for listening." if port else "This machine has no free port.",
        next_step="Name another port, or 0 for any.",
        seen=str(failure or ""),
    )


def _bind_loopback(family: socket.AddressFamily, address: str, before: list[_Listener], port: int) -> _Listener | None:
    """The same port on one more loopback; `None` where the machine does not have that one."""
    try:
        listener = _Listener(family, socket.SOCK_STREAM)
    except OSError:
        return None
    try:
        listener.setblocking(False)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, before[0].getsockname()[1] if before else port))
    except OSError as error:
        listener.close()
        if error.errno in _NO_SUCH_LOOPBACK:
            return None
        raise
    return listener


def is_same_user(connected: socket.socket) -> bool:
    """Whether the program at the other end of a unix socket runs as our user."""
    try:
        return _peer_uid(connected) == os.getuid()
    except OSError:  # it has left already
        return False


def _peer_uid(connected: socket.socket) -> int:
    if sys.platform == "darwin":  # struct xucred: version, uid, count and groups
        record = connected.getsockopt(0, 1, struct.calcsize("IIh16I"))
        return int(struct.unpack_from("II", record)[1])
    record = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", record)[1])


def _mark(path: str) -> tuple[int, int]:
    facts = os.lstat(path)
    return facts.st_dev, facts.st_ino


def _unlink_if(path: str, mark: tuple[int, int]) -> None:
    """Remove our socket, but not one that another program has put in its place."""
    with suppress(OSError):
        if _mark(path) == mark:
            Path(path).unlink()


def _refuse(
    path: str,
    reason: str,
    seen: str = "",
    *,
    next_step: str = "Set XDG_RUNTIME_DIR to a folder of your account with a short path.",
) -> NoReturn:
    raise LaunchProblem(
        Code.RUNTIME_FOLDER_UNUSABLE,
        f"Could not create a socket at {path}: {reason}.",
        next_step=next_step,
        seen=seen,
    )
