"""A process that changed its meaning in the middle of its output."""

from contextlib import suppress

from remora.core.errors import RemoraError
from remora.ports import RemoteProcess


class Handover:
    """A process whose first output was read already. The shell that became it closes it."""

    def __init__(self, first: bytes, process: RemoteProcess) -> None:
        self._first = first
        self._process = process

    async def read(self, limit: int = 65536) -> bytes:
        if self._first:
            data, self._first = self._first[:limit], self._first[limit:]
            return data
        return await self._process.read(limit)

    async def write(self, data: bytes) -> None:
        await self._process.write(data)

    async def write_eof(self) -> None:
        await self._process.write_eof()

    async def close(self) -> None:
        with suppress(RemoraError):
            await self._process.write_eof()
