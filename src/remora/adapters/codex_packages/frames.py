"""Frames: pieces of a payload that are compressed each by itself, so that a transfer can go on at any of them."""

import os
import sys
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any, Final

FRAME: Final = 4 * 1024 * 1024
"""Bytes of the payload in each frame but the last. Twice as much shrinks it by 1 % more; a cut costs half of one."""
_ZSTD_LEVEL: Final = 6
"""Twice as quick as 9, whose frames are 3 % smaller: a first run should not wait for it."""
_GZIP_LEVEL: Final = 4
"""Twice as quick as 6, whose frames are 4 % smaller."""


def framed(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes, as long as frames are."""
    waiting = bytearray()
    for block in blocks:
        waiting += block
        while len(waiting) >= FRAME:
            yield bytes(waiting[:FRAME])
            del waiting[:FRAME]
    if waiting:
        yield bytes(waiting)


def at_once(work: Callable[[bytes], bytes], pieces: Iterable[bytes]) -> Iterator[bytes]:
    """What `work` makes of each, in order: several at once, and never more than a few in memory."""
    workers = min(os.cpu_count() or 1, 8)
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[bytes]] = deque()
        try:
            for piece in pieces:
                waiting.append(pool.submit(work, piece))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def read_frames(file: Path, frames: Iterable[int], first: int = 0) -> Iterator[bytes]:
    """The frames of a file, compressed as they are, from `first` on."""
    sizes = tuple(frames)
    with file.open("rb") as opened:
        opened.seek(sum(sizes[:first]))
        for size in sizes[first:]:
            yield opened.read(size)


def to_zstd(data: bytes) -> bytes:
    """One frame as zstd has it, with a checksum."""
    zstd = _zstd()
    options = {
        zstd.CompressionParameter.compression_level: _ZSTD_LEVEL,
        zstd.CompressionParameter.checksum_flag: 1,
    }
    return bytes(zstd.compress(data, options=options))


def from_zstd(frame: bytes) -> bytes:
    """What :func:`to_zstd` was given. Raises ``OSError`` for what is damaged."""
    zstd = _zstd()
    try:
        return bytes(zstd.decompress(frame))
    except zstd.ZstdError as error:
        raise OSError(f"a frame is damaged: {error}") from None


def to_gzip(data: bytes) -> bytes:
    """One frame as gzip has it: a member of its own."""
    packer = zlib.compressobj(_GZIP_LEVEL, wbits=31)
    return packer.compress(data) + packer.flush()


def _zstd() -> Any:
    """Python's own from 3.14 on, before that the same for older ones. Most runs send nothing and do without."""
    return import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
