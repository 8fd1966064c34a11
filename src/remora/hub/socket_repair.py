"""Sockets that come back when somebody removed them, as a logout does with the whole runtime folder."""

import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

from remora.ports import ByteStream, Line, LocalSockets, Visitor


class HealingSockets:
    """A :class:`~remora.ports.LocalSockets` whose unix sockets are made again by :meth:`heal`.

    Clients of a socket that was removed stay; new ones find the new one.
    """

    def __init__(self, sockets: LocalSockets) -> None:
        self._sockets = sockets
        self._served: list[_Served] = []

    @asynccontextmanager
    async def serve(self, path: str, visitor: Visitor) -> AsyncIterator[None]:
        """See :class:`~remora.ports.LocalSockets`. Makes the folder, too."""
        async with AsyncExitStack() as stack:
            served = _Served(path, visitor, self._sockets, stack)
            await served.open()
            self._served.append(served)
            stack.callback(self._served.remove, served)
            yield

    def serve_port(self, port: int, visitor: Visitor, line: Line | None = None) -> AbstractAsyncContextManager[int]:
        """See :class:`~remora.ports.LocalSockets`."""
        return self._sockets.serve_port(port, visitor, line)

    async def connect(self, path: str) -> ByteStream:
        """See :class:`~remora.ports.LocalSockets`."""
        return await self._sockets.connect(path)

    async def heal(self) -> list[str]:
        """Serve again what is not there any more; the paths. Raises what keeps one from being served."""
        gone = [served for served in self._served if not served.is_there()]
        for served in gone:
            await served.open()
        return [served.path for served in gone]


class _Served:
    """One socket, served once for each time it was made."""

    def __init__(self, path: str, visitor: Visitor, sockets: LocalSockets, stack: AsyncExitStack) -> None:
        self.path = path
        self._visitor = visitor
        self._sockets = sockets
        self._stack = stack
        self._mark: tuple[int, int] | None = None

    async def open(self) -> None:
        """Listen. An occupied place raises ``runtime-folder-unusable``."""
        try:
            Path(self.path).parent.mkdir(mode=0o700, exist_ok=True)
        except OSError:
            pass  # the socket itself says what is wrong
        await self._stack.enter_async_context(self._sockets.serve(self.path, self._visitor))
        self._mark = _mark(self.path)

    def is_there(self) -> bool:
        """Whether the path still leads to the socket that was made last."""
        return self._mark is not None and _mark(self.path) == self._mark


def _mark(path: str) -> tuple[int, int] | None:
    try:
        facts = os.lstat(path)
    except OSError:
        return None
    return facts.st_dev, facts.st_ino
