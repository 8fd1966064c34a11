"""Unread events in bounded memory, the rest in a file that has no name."""

import asyncio
import os
import tempfile
from collections import deque
from typing import Final

from remora.core.server.request_faults import too_much

_LENGTH_BYTES: Final = 8
_READ: Final = 1024 * 1024
_OVERHEAD: Final = 64
"""Bytes of memory that a record costs beyond its own."""


class DiskSpool:
    """An :class:`~remora.ports.EventSpool`: first in, first out; beyond `memory` bytes records go to disk.

    Beyond `disk` bytes there it refuses (``protocol-violation``): whoever sends so much does not wait for its reader.

    The file is opened readable for its owner alone and unlinked at once, so nothing stays behind however the
    process ends. Its space is given back whenever the reader has caught up. For one reader; use within one
    event loop.
    """

    def __init__(self, *, memory: int, disk: int) -> None:
        self._limit = memory
        self._disk = disk
        self._held: deque[bytes] = deque()
        self._held_size = 0
        self._file: int | None = None
        self._written = 0
        self._read = 0
        self._finished = False
        self._closed = False
        self._news = asyncio.Event()

    def put(self, record: bytes) -> None:
        """Add one record; never waits for the reader."""
        if self._closed:
            return
        size = len(record) + _OVERHEAD
        fits = self._held_size + size <= self._limit
        if self._on_disk or (not fits and self._held):
            self._append(record)
        else:
            self._held.append(record)
            self._held_size += size
        self._news.set()

    async def get(self) -> bytes | None:
        """The oldest record; waits for one; `None` once all were read after :meth:`finish`."""
        while not self._held and not self._on_disk:
            if self._finished or self._closed:
                return None
            self._news.clear()
            await self._news.wait()
        if self._held:
            record = self._held.popleft()
            self._held_size -= len(record) + _OVERHEAD
            return record
        return self._take()

    def finish(self) -> None:
        """No more records will come."""
        self._finished = True
        self._news.set()

    def close(self) -> None:
        """Let go of memory and disk. Idempotent."""
        self._closed = True
        self._held.clear()
        self._held_size = self._written = self._read = 0
        if self._file is not None:
            os.close(self._file)
            self._file = None
        self._news.set()

    @property
    def _on_disk(self) -> bool:
        return self._read < self._written

    def _append(self, record: bytes) -> None:
        if self._written + len(record) > self._disk:
            raise too_much("bytes that nobody here has read yet", self._disk)
        if self._file is None:
            self._file, name = tempfile.mkstemp(prefix="remora-spool-")
            os.unlink(name)  # noqa: PTH108 - the descriptor is all that is kept
        for part in (len(record).to_bytes(_LENGTH_BYTES, "big"), record):
            view = memoryview(part)
            while view:
                count = os.pwrite(self._file, view, self._written)
                view = view[count:]
                self._written += count

    def _take(self) -> bytes:
        length = int.from_bytes(self._read_exactly(_LENGTH_BYTES), "big")
        record = self._read_exactly(length)
        if not self._on_disk and self._file is not None:
            self._read = self._written = 0
            os.ftruncate(self._file, 0)
        return record

    def _read_exactly(self, count: int) -> bytes:
        if self._file is None:
            raise RuntimeError("the spool is closed")
        parts: list[bytes] = []
        while count > 0:
            part = os.pread(self._file, min(count, _READ), self._read)
            if not part:
                raise RuntimeError("the spool's file is shorter than what was written")
            parts.append(part)
            self._read += len(part)
            count -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)
