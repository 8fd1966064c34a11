"""Making the archive that is sent to hosts: a tar archive, compressed in pieces that can be unpacked side by side.

Each piece is a gzip member of its own; together they are an ordinary ``.tar.gz``. Large files are cut into pieces of
their data alone, so that a host writes each where it belongs while the next is still on its way.
"""

import os
import tarfile
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Final

from remora.adapters.codex_packages.contents import Contents
from remora.ports import PackagePiece

LIST: Final = ".remora-files"
"""The first file in an archive: mode, digest and path of each other one. A host proves an install with it."""
PIECE: Final = 16 * 1024 * 1024
_LARGE: Final = 1024 * 1024
_LEVEL: Final = 6
_TIME: Final = 1_577_836_800
"""The same for every file, so that the same files make the same archive; tar warns of the year 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """What was packed; the names are those of :class:`remora.ports.Package`."""

    digest: str
    size: int
    unpacked: int
    content: str
    files: int
    pieces: tuple[PackagePiece, ...]
    program_digest: str
    program_size: int


class Stopped(Exception):
    """Whoever wanted the archive is gone."""


def pack(contents: Contents, target: Path, tell: Callable[[int, int], None]) -> Packed:
    """Write the archive of `contents` to `target`.

    `tell` hears of bytes done of all, and may raise :class:`Stopped`. Raises ``OSError``.
    """
    return _Packer(contents, tell).write(target)


@dataclass(slots=True)
class _Member:
    """Bytes of the tar archive that become one gzip member. Without `is_piece` a host does not need them."""

    data: bytes
    is_piece: bool
    path: str | None = None
    offset: int = 0


class _Packer:
    def __init__(self, contents: Contents, tell: Callable[[int, int], None]) -> None:
        self._contents = contents
        self._tell = tell
        names = sorted(contents.files)
        self._sizes = {name: contents.files[name].lstat().st_size for name in names}
        self._small = [name for name in names if self._sizes[name] < _LARGE and name != contents.program]
        self._large = [name for name in names if name not in self._small]
        with ThreadPoolExecutor(_workers()) as pool:
            self._digests = dict(zip(names, pool.map(self._digest, names), strict=True))
        lines = (self._line(name) for name in names)
        self._list = "".join(lines).encode("utf-8", "surrogateescape")

    def write(self, target: Path) -> Packed:
        whole, size, done = sha256(), 0, 0
        unpacked = sum(self._sizes.values())
        pieces: list[PackagePiece] = []
        with target.open("xb") as file:
            for member, data in _compressed(self._members()):
                if member.is_piece:
                    piece = PackagePiece(start=size, size=len(data), path=member.path, offset=member.offset)
                    pieces.append(piece)
                file.write(data)
                whole.update(data)
                size += len(data)
                done += len(member.data) if member.path else 0
                self._tell(min(done, unpacked), unpacked)
            file.flush()
            os.fsync(file.fileno())
        program = self._contents.program
        return Packed(
            digest=whole.hexdigest(),
            size=size,
            unpacked=unpacked,
            content=sha256(self._list).hexdigest(),
            files=len(self._sizes) + 1,
            pieces=tuple(pieces),
            program_digest=self._digests[program],
            program_size=self._sizes[program],
        )

    def _members(self) -> Iterator[_Member]:
        listing = _header(LIST, 0o644, size=len(self._list)) + self._list + _padding(len(self._list))
        yield _Member(listing + b"".join(self._entry(name) for name in self._small), is_piece=True)
        for name in self._large:
            yield _Member(self._header(name), is_piece=False)
            with self._contents.files[name].open("rb") as file:
                offset = 0
                while data := file.read(PIECE):
                    yield _Member(data, is_piece=True, path=name, offset=offset)
                    offset += len(data)
            yield _Member(_padding(offset), is_piece=False)
        yield _Member(bytes(2 * tarfile.BLOCKSIZE), is_piece=False)

    def _entry(self, name: str) -> bytes:
        path = self._contents.files[name]
        data = b"" if path.is_symlink() else path.read_bytes()
        return self._header(name) + data + _padding(len(data))

    def _header(self, name: str) -> bytes:
        path = self._contents.files[name]
        link = str(path.readlink()) if path.is_symlink() else None
        return _header(name, self._mode(name), size=self._sizes[name], link=link)

    def _mode(self, name: str) -> int:
        executable = name == self._contents.program or self._contents.files[name].lstat().st_mode & 0o100
        return 0o755 if executable else 0o644

    def _digest(self, name: str) -> str:
        path = self._contents.files[name]
        if path.is_symlink():
            return str(path.readlink())
        with path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()

    def _line(self, name: str) -> str:
        kind = "link" if self._contents.files[name].is_symlink() else f"{self._mode(name):o}"
        return f"{kind} {self._digests[name]} {name}\n"


def _header(name: str, mode: int, *, size: int, link: str | None = None) -> bytes:
    item = tarfile.TarInfo(name)
    item.mtime = _TIME
    item.mode = mode
    if link is None:
        item.size = size
    else:
        item.type, item.linkname = tarfile.SYMTYPE, link
    return item.tobuf(tarfile.GNU_FORMAT)


def _workers() -> int:
    return min(os.cpu_count() or 1, 8)


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)


def _compressed(members: Iterator[_Member]) -> Iterator[tuple[_Member, bytes]]:
    """In order, but several at once, and never more than a few in memory."""
    workers = _workers()
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[tuple[_Member, Future[bytes]]] = deque()
        try:
            for member in members:
                waiting.append((member, pool.submit(_compress, member.data)))
                if len(waiting) > workers:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _compress(data: bytes) -> bytes:
    packer = zlib.compressobj(_LEVEL, wbits=31)
    return packer.compress(data) + packer.flush()
