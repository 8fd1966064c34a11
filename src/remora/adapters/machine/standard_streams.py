"""Standard input and output of this process, for a program at the other end of two pipes."""

import asyncio
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_PIECE: Final = 64 * 1024


class StandardStreams:
    """See :class:`remora.ports.ByteStream`: what is read is standard input, what is written standard output.

    Whoever reads our output may leave: :class:`BrokenPipeError` then, as for any program in a pipe.
    """

    def __init__(self, source: int, sink: int) -> None:
        self._source = source
        self._sink = sink

    async def read(self, limit: int = _PIECE) -> bytes:
        """See :class:`remora.ports.ByteStream`."""
        await _until(self._source, asyncio.get_running_loop().add_reader, asyncio.get_running_loop().remove_reader)
        try:
            return os.read(self._source, limit)
        except ConnectionResetError:
            return b""  # a socket instead of a pipe, and the program at its other end was killed

    async def write(self, data: bytes) -> None:
        """See :class:`remora.ports.ByteStream`."""
        loop = asyncio.get_running_loop()
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._sink, rest[:_PIECE]) :]
            except BlockingIOError:
                await _until(self._sink, loop.add_writer, loop.remove_writer)
            except ConnectionResetError:
                raise BrokenPipeError from None

    async def write_eof(self) -> None:
        """The end of this process is the end of its output."""

    async def close(self) -> None:
        """Both stay open: they are the process's own."""


@contextmanager
def standard_streams() -> Iterator[StandardStreams]:
    """Standard input and output as one stream. While they are used, writing never blocks the process."""
    sys.stdout.flush()
    source, sink = sys.stdin.fileno(), sys.stdout.fileno()
    blocking = os.get_blocking(sink)
    if not stat.S_ISREG(os.fstat(sink).st_mode):
        os.set_blocking(sink, False)
    try:
        yield StandardStreams(source, sink)
    finally:
        os.set_blocking(sink, blocking)


async def _until(
    descriptor: int, add: Callable[[int, Callable[[], None]], None], remove: Callable[[int], bool]
) -> None:
    """Wait until `descriptor` is ready. A regular file always is, and cannot be waited for."""
    ready = asyncio.get_running_loop().create_future()
    try:
        add(descriptor, lambda: None if ready.done() else ready.set_result(None))
    except PermissionError:
        return
    try:
        await ready
    finally:
        remove(descriptor)
