"""Sockets of this machine without the machine: paths and ports are names in memory."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from remora.core.errors import Code, LaunchProblem, RemoraError, Unreachable
from remora.ports import ByteStream, Line, Visitor
from remora.testing.memory_streams import MemoryStream, memory_stream_pair

_FIRST_FREE_PORT = 49152


class MemorySockets:
    """The in-memory twin of :class:`remora.ports.LocalSockets`. `unusable` paths cannot be bound."""

    def __init__(self, *, unusable: frozenset[str] = frozenset()) -> None:
        self._unusable = unusable
        self._doors: dict[str | int, _Door] = {}

    @contextlib.asynccontextmanager
    async def serve(self, path: str, visitor: Visitor) -> AsyncIterator[None]:
        """See :class:`remora.ports.LocalSockets`."""
        if path in self._unusable or path in self._doors:
            raise LaunchProblem(
                Code.RUNTIME_FOLDER_UNUSABLE,
                f"Could not create a socket at {path}: another program listens on it.",
                next_step="Name another path.",
            )
        async with self._serving(path, visitor):
            yield

    @contextlib.asynccontextmanager
    async def serve_port(self, port: int, visitor: Visitor, line: Line | None = None) -> AsyncIterator[int]:
        """See :class:`remora.ports.LocalSockets`."""
        if port in self._doors:
            raise LaunchProblem(
                Code.PORT_TAKEN,
                f"Port {port} of this machine cannot be opened for listening.",
                next_step="Name another port, or 0 for any.",
            )
        chosen = port or next(free for free in range(_FIRST_FREE_PORT, 65536) if free not in self._doors)
        async with self._serving(chosen, visitor):
            yield chosen

    async def connect(self, path: str) -> ByteStream:
        """See :class:`remora.ports.LocalSockets`."""
        return self._enter(path)

    def connect_port(self, port: int) -> ByteStream:
        """What a program that knows the port does."""
        return self._enter(port)

    def _enter(self, name: str | int) -> ByteStream:
        if (door := self._doors.get(name)) is None:
            raise Unreachable(
                Code.CONNECTION_REFUSED,
                f"No program listens on the socket {name}.",
                next_step="Start the program that owns this socket.",
            )
        return door.receive()

    @contextlib.asynccontextmanager
    async def _serving(self, name: str | int, visitor: Visitor) -> AsyncIterator[None]:
        door = self._doors[name] = _Door(visitor)
        try:
            yield
        finally:
            del self._doors[name]
            await door.close()


class _Door:
    """One path or port that is served."""

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self._visits: set[asyncio.Task[None]] = set()

    def receive(self) -> MemoryStream:
        near, far = memory_stream_pair()
        task = asyncio.create_task(self._visit(far))
        self._visits.add(task)
        task.add_done_callback(self._visits.discard)
        return near

    async def close(self) -> None:
        visits = list(self._visits)
        for task in visits:
            task.cancel()
        await asyncio.gather(*visits, return_exceptions=True)

    async def _visit(self, stream: MemoryStream) -> None:
        try:
            with contextlib.suppress(RemoraError):
                await self._visitor(stream)
        finally:
            await stream.close()
