"""A process that changed its meaning in the middle of its output."""

from collections.abc import Awaitable, Callable

from remora.ports import PromptStream, RemoteProcess


class Handover:
    """A process as a :class:`remora.ports.ByteStream`, of whose output the beginning was read already.

    `let_go` is what closing it means; it may be called more than once.
    """

    def __init__(self, first: bytes, process: RemoteProcess, let_go: Callable[[], Awaitable[None]]) -> None:
        self._first = first
        self._process = process
        self._promptly = process if isinstance(process, PromptStream) else None
        self._let_go = let_go

    async def read(self, limit: int = 65536) -> bytes:
        """See :class:`remora.ports.ByteStream`."""
        if self._first:
            data, self._first = self._first[:limit], self._first[limit:]
            return data
        return await self._process.read(limit)

    async def write(self, data: bytes) -> None:
        """See :class:`remora.ports.ByteStream`."""
        await self._process.write(data)

    @property
    def prompt(self) -> bool:
        """See :class:`remora.ports.PromptStream`; a process that is none is never so."""
        return self._promptly is not None and self._promptly.prompt

    def write_now(self, data: bytes) -> None:
        """See :class:`remora.ports.PromptStream`."""
        if self._promptly is None:
            raise RuntimeError("this process cannot be written to at once")
        self._promptly.write_now(data)

    def listen(self, listener: Callable[[bytes], bytes]) -> None:
        """See :class:`remora.ports.PromptStream`; what comes from a process that is none can only be read."""
        if self._promptly is not None and not self._first:
            self._promptly.listen(listener)

    async def write_eof(self) -> None:
        """See :class:`remora.ports.ByteStream`."""
        await self._process.write_eof()

    async def close(self) -> None:
        """See :class:`remora.ports.ByteStream`."""
        await self._let_go()
