"""What the relay keeps of a stream that nobody takes: first in memory, then in files without names.

Runs on the host: Python 3.8, standard library only.
"""

from __future__ import annotations

import os
from collections import deque

from remora.wire.relay.relay_frames import ByteQueue

_SEGMENT = 16 * 1024 * 1024
_LEAST_MEMORY = 64 * 1024
_ROOM = 256 * 1024
"""What may be added at once."""


class Disk:
    """The disk space of all spools together, in the first of `folders` where files can be made."""

    def __init__(self, folders: list[str]) -> None:
        self._folders = folders
        self._number = 0
        self.limit = 0
        self.used = 0

    def open(self) -> int:
        """A new file that only its descriptor leads to. Raises OSError."""
        problem: OSError = FileNotFoundError("no folder for temporary files")
        for folder in self._folders:
            self._number += 1
            name = os.path.join(folder, f".remora-relay-{os.getpid()}-{self._number}")
            try:
                descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            except OSError as error:
                problem = error
                continue
            os.unlink(name)
            return descriptor
        raise problem


class _Segment:
    __slots__ = ("descriptor", "read", "written")

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.read = 0
        self.written = 0


class Spool:
    """A :class:`remora.wire.relay.frame_session.Source` of bounded memory. While `full`, nothing should be added."""

    def __init__(self, memory: int, disk: Disk) -> None:
        self.size = 0
        self._limit = max(memory, _LEAST_MEMORY)
        self._disk = disk
        self._memory = ByteQueue()
        self._segments: deque[_Segment] = deque()
        self._late = ByteQueue()

    @property
    def full(self) -> bool:
        """Whether memory and disk hold all that they may."""
        return self._late.size > 0

    @property
    def on_disk(self) -> bool:
        """Whether some of it is on disk, where all that is added goes, too."""
        return bool(self._segments)

    @property
    def crowded(self) -> bool:
        """Whether all is in memory and what is added next may not have room there."""
        return not self._segments and self._memory.size > max(self._limit - _ROOM, self._limit // 2)

    def put(self, data: bytes) -> None:
        """Add `data`; nothing is ever refused."""
        self.size += len(data)
        if self._late.size:
            self._late.put(data)
        elif not self._segments and (not self._memory.size or self._memory.size + len(data) <= self._limit):
            self._memory.put(data)
        else:
            data = self._write(data)
            if data:
                self._late.put(data)

    def take(self, limit: int) -> bytes:
        """Remove and give the oldest bytes, at most `limit`."""
        if self._memory.size:
            data = self._memory.take(limit)
        elif self._segments:
            data = self._read(limit)
        else:
            data = self._late.take(limit)
        self.size -= len(data)
        return data

    def clear(self) -> None:
        """Forget everything, and give the space back."""
        self._memory.clear()
        self._late.clear()
        while self._segments:
            self._drop()
        self.size = 0

    def _write(self, data: bytes) -> bytes:
        """Write to disk what may go there; gives what may not."""
        while data:
            if not self._segments or self._segments[-1].written >= _SEGMENT:
                try:
                    self._segments.append(_Segment(self._disk.open()))
                except OSError:
                    return data
            segment = self._segments[-1]
            room = min(_SEGMENT - segment.written, self._disk.limit - self._disk.used)
            try:
                count = os.pwrite(segment.descriptor, data[:room], segment.written) if room > 0 else 0
            except OSError:
                count = 0
            if not count:
                if not segment.written:
                    os.close(self._segments.pop().descriptor)
                return data
            segment.written += count
            self._disk.used += count
            data = data[count:]
        return data

    def _read(self, limit: int) -> bytes:
        segment = self._segments[0]
        try:
            data = os.pread(segment.descriptor, min(limit, segment.written - segment.read), segment.read)
        except OSError as error:
            raise RuntimeError("a spool file cannot be read") from error
        if not data:
            raise RuntimeError("a spool file is shorter than what was written")
        segment.read += len(data)
        if segment.read == segment.written:
            self._drop()
            if self._late.size:
                waiting, self._late = self._late, ByteQueue()
                while waiting.size:
                    piece = waiting.take(_SEGMENT)
                    rest = self._write(piece) if not self._late.size else piece
                    if rest:
                        self._late.put(rest)
        return data

    def _drop(self) -> None:
        segment = self._segments.popleft()
        self._disk.used -= segment.written
        os.close(segment.descriptor)
