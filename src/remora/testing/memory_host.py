"""A remote host without a network: programs are Python functions, streams are queues in memory."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from remora.core.errors import Code, RemoraError, ShellProblem, Unreachable
from remora.core.host.hosts import Route
from remora.core.server.shells import quote_words
from remora.ports import ByteStream, ConnectionFacts, Dialogue, ExitStatus, RemoteHost, RemoteProcess, Visitor
from remora.testing.memory_streams import MemoryStream, Pipe, memory_stream_pair


@dataclass(frozen=True, slots=True)
class ProgramEnd:
    """What a program sees: its standard input and output as one stream, its standard error as another."""

    words: tuple[str, ...]
    stream: MemoryStream
    errors: MemoryStream


Program: TypeAlias = Callable[[ProgramEnd], Awaitable[ExitStatus]]
SocketServer: TypeAlias = Callable[[MemoryStream], Awaitable[None]]


class MemoryProcess(MemoryStream):
    """A running program, as a :class:`remora.ports.RemoteProcess`."""

    def __init__(self, incoming: Pipe, outgoing: Pipe, errors: Pipe, work: "asyncio.Task[ExitStatus]") -> None:
        super().__init__(incoming, outgoing)
        self._errors = errors
        self._work = work
        self._broken = asyncio.Event()
        self._error: RemoraError | None = None

    async def read_error(self, limit: int = 65536) -> bytes:
        """See :class:`remora.ports.RemoteProcess`."""
        return await self._errors.read(limit)

    async def wait(self) -> ExitStatus:
        """See :class:`remora.ports.RemoteProcess`."""
        watching = asyncio.create_task(self._broken.wait())
        await asyncio.wait({self._work, watching}, return_when=asyncio.FIRST_COMPLETED)
        watching.cancel()
        if self._error is not None:
            raise self._error
        return ExitStatus() if self._work.cancelled() else self._work.result()

    async def kill(self) -> None:
        """See :class:`remora.ports.RemoteProcess`."""
        await self.close()

    async def close(self) -> None:
        """See :class:`remora.ports.ByteStream`."""
        await super().close()
        self._errors.discard()
        self._work.cancel()

    def fail(self, error: RemoraError) -> None:
        """Break the process's streams and whoever waits for its end."""
        super().fail(error)
        self._errors.fail(error)
        self._error = error
        self._broken.set()


class MemoryHost:
    """The in-memory twin of :class:`remora.ports.RemoteHost`.

    `run` is asked for every command; it gives the program or `None`, which ends with status 127 as a shell would.
    `sockets` are the unix sockets that something listens on, and `ports` the TCP ports.
    `sessions` limits how many programs run at once. Without `listens` it refuses to listen for us.
    """

    def __init__(
        self,
        run: Callable[[Sequence[str]], Program | None],
        *,
        sockets: Mapping[str, SocketServer] | None = None,
        ports: Mapping[int, SocketServer] | None = None,
        sessions: int = 10,
        listens: bool = True,
        facts: ConnectionFacts | None = None,
    ) -> None:
        self._run = run
        self._sockets = dict(sockets or {})
        self._ports = dict(ports or {})
        self._sessions = sessions
        self._listens = listens
        self._facts = facts or _FACTS
        self._work: set[asyncio.Task[ExitStatus]] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._streams: list[MemoryStream] = []
        self._lost = asyncio.Event()
        self._broken = _lost()

    @property
    def facts(self) -> ConnectionFacts:
        """See :class:`remora.ports.RemoteHost`."""
        return self._facts

    async def start(self, words: Sequence[str]) -> RemoteProcess:
        """See :class:`remora.ports.RemoteHost`."""
        quote_words(words)  # refuses what a real host could not be told
        self._require_connection()
        if len(self._work) >= self._sessions:
            raise _refused("a session for a command")
        given, output, errors = Pipe(), Pipe(), Pipe()
        end = ProgramEnd(tuple(words), MemoryStream(given, output), MemoryStream(Pipe(), errors))
        work = asyncio.create_task(_perform(self._run(words) or _not_found, end))
        self._work.add(work)
        work.add_done_callback(self._work.discard)
        process = MemoryProcess(output, given, errors, work)
        self._streams.append(process)
        return process

    async def open_unix_socket(self, path: str) -> ByteStream:
        """See :class:`remora.ports.RemoteHost`."""
        return self._open(self._sockets.get(path), what=f"a channel to the socket {path}")

    async def open_port(self, port: int) -> ByteStream:
        """See :class:`remora.ports.RemoteHost`."""
        return self._open(self._ports.get(port), what=f"a channel to port {port}")

    @contextlib.asynccontextmanager
    async def serve_port(self, port: int, visitor: Visitor) -> AsyncIterator[int]:
        """See :class:`remora.ports.RemoteHost`."""
        self._require_connection()
        chosen = port or next(free for free in range(_FIRST_FREE_PORT, 65536) if free not in self._ports)
        if not self._listens or chosen in self._ports:
            raise _refused(f"to listen on port {port}")
        visits: list[asyncio.Task[None]] = []

        async def receive(stream: MemoryStream) -> None:
            visits.append(asyncio.ensure_future(_visit(visitor, stream)))
            await asyncio.wait(visits[-1:])

        self._ports[chosen] = receive
        try:
            yield chosen
        finally:
            del self._ports[chosen]
            for visit in visits:
                visit.cancel()
            await asyncio.gather(*visits, return_exceptions=True)

    def _open(self, server: SocketServer | None, *, what: str) -> ByteStream:
        self._require_connection()
        if server is None:
            raise _refused(what)
        near, far = memory_stream_pair()
        serving = asyncio.create_task(_serve(server, far))
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)
        self._streams.append(near)
        return near

    async def wait_lost(self) -> Unreachable:
        """See :class:`remora.ports.RemoteHost`."""
        await self._lost.wait()
        return self._broken

    def stop_port(self, port: int) -> None:
        """Nobody listens on `port` any more."""
        self._ports.pop(port, None)

    def lose_connection(self) -> None:
        """The network breaks: every wait raises ``connection-lost``."""
        self._break(_lost())

    def leave(self) -> None:
        """The host says goodbye: every wait raises ``host-left``."""
        self._break(
            Unreachable(
                Code.HOST_LEFT,
                "The host closed the connection.",
                next_step="Start the host again if it was stopped, then connect again.",
            )
        )

    def _break(self, error: Unreachable) -> None:
        self._broken = error
        self._lost.set()
        for stream in self._streams:
            stream.fail(error)

    async def aclose(self) -> None:
        """End all programs and streams."""
        tasks = [*self._work, *self._serving]
        for task in tasks:
            task.cancel()
        for stream in self._streams:
            await stream.close()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._lost.set()

    def _require_connection(self) -> None:
        if self._lost.is_set():
            raise self._broken


class MemoryDialler:
    """The in-memory twin of :class:`remora.ports.Dialler`: makes a new host for every dial, or raises."""

    def __init__(self, make: Callable[[Route], MemoryHost]) -> None:
        self._make = make
        self.dialled: list[Route] = []

    @contextlib.asynccontextmanager
    async def dial(self, route: Route, dialogue: Dialogue) -> AsyncIterator[RemoteHost]:
        """See :class:`remora.ports.Dialler`."""
        self.dialled.append(route)
        host = self._make(route)
        try:
            yield host
        finally:
            await host.aclose()


_FIRST_FREE_PORT: Final = 49152
_FACTS: Final = ConnectionFacts(
    user="user",
    hostname="memory",
    port=22,
    host_key_fingerprint="SHA256:memory",
    server_version="SSH-2.0-memory",
    cipher="none",
    authentication="none",
)


async def _perform(program: Program, end: ProgramEnd) -> ExitStatus:
    try:
        return await program(end)
    except Unreachable:
        return ExitStatus(signal="PIPE")
    finally:
        await end.stream.write_eof()
        await end.errors.write_eof()


async def _serve(server: SocketServer, stream: MemoryStream) -> None:
    try:
        with contextlib.suppress(Unreachable):
            await server(stream)
    finally:
        await stream.write_eof()


async def _visit(visitor: Visitor, stream: MemoryStream) -> None:
    try:
        with contextlib.suppress(RemoraError):
            await visitor(stream)
    finally:
        await stream.close()


async def _not_found(end: ProgramEnd) -> ExitStatus:
    await end.errors.write(f"{end.words[0]}: not found\n".encode())
    return ExitStatus(status=127)


def _refused(what: str) -> ShellProblem:
    return ShellProblem(
        Code.CHANNEL_REFUSED,
        f"The host refused {what}.",
        next_step="Give the memory host what the test needs.",
    )


def _lost() -> Unreachable:
    return Unreachable(
        Code.CONNECTION_LOST,
        "The SSH connection was lost.",
        next_step="Check the network and that the host still runs, then connect again.",
    )
