"""Making the payload that is sent to hosts: all files one after another, without anything between them.

The program comes first: what has arrived becomes it without being copied. The list of all files comes last.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from remora.adapters.codex_packages.contents import Contents
from remora.adapters.codex_packages.frames import at_once, framed, from_zstd, read_frames, to_gzip, to_zstd
from remora.ports import PackagePart

LIST: Final = ".remora-files"
"""The last file: mode, digest and path of each other one. A host proves an install with it."""
_BLOCK: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """What was packed; the names are those of :class:`remora.ports.Package`."""

    digest: str
    size: int
    frames: tuple[int, ...]
    content: str
    files: int
    parts: tuple[PackagePart, ...]


class Stopped(Exception):
    """Whoever wanted the package is gone."""


def pack(contents: Contents, target: Path, tell: Callable[[int, int], None]) -> Packed:
    """Write the payload of `contents` to `target`, compressed.

    `tell` hears of bytes done of all, and may raise :class:`Stopped`. Raises ``OSError``.
    """
    payload = _Payload(contents, tell)
    frames = _write(target, at_once(to_zstd, framed(payload.blocks())))
    return Packed(
        digest=payload.digest,
        size=sum(part.size for part in payload.parts),
        frames=frames,
        content=payload.content,
        files=len(contents.files) + 1,
        parts=tuple(payload.parts),
    )


def repack(source: Path, frames: Iterable[int], target: Path) -> tuple[int, ...]:
    """Write what :func:`pack` has written to `target` as gzip has it; the bytes of its frames. Raises ``OSError``."""
    return _write(target, at_once(lambda frame: to_gzip(from_zstd(frame)), read_frames(source, frames)))


class _Payload:
    """The bytes of a payload. What is known of it holds once all of them are read."""

    def __init__(self, contents: Contents, tell: Callable[[int, int], None]) -> None:
        self._contents = contents
        self._tell = tell
        self._whole = sha256()
        self.parts: list[PackagePart] = []
        self.content = ""

    @property
    def digest(self) -> str:
        return self._whole.hexdigest()

    def blocks(self) -> Iterator[bytes]:
        files, program = self._contents.files, self._contents.program
        links = {name for name, path in files.items() if path.is_symlink()}
        total = sum(path.stat().st_size for name, path in files.items() if name not in links)
        lines = {name: f"link {files[name].readlink()} {name}\n" for name in links}
        done = 0
        for name in (program, *sorted(files.keys() - links - {program})):
            digest, size = sha256(), 0
            with files[name].open("rb") as file:
                while data := file.read(_BLOCK):
                    digest.update(data)
                    self._whole.update(data)
                    size += len(data)
                    self._tell(min(done + size, total), total)
                    yield data
            done += size
            lines[name] = f"{self._mode(name):o} {digest.hexdigest()} {name}\n"
            self.parts.append(PackagePart(path=name, size=size))
        listing = "".join(lines[name] for name in sorted(lines)).encode("utf-8", "surrogateescape")
        self._whole.update(listing)
        self.content = sha256(listing).hexdigest()
        self.parts.append(PackagePart(path=LIST, size=len(listing)))
        yield listing

    def _mode(self, name: str) -> int:
        executable = name == self._contents.program or self._contents.files[name].stat().st_mode & 0o100
        return 0o755 if executable else 0o644


def _write(target: Path, frames: Iterable[bytes]) -> tuple[int, ...]:
    sizes = []
    with target.open("xb") as file:
        for data in frames:
            file.write(data)
            sizes.append(len(data))
        file.flush()
        os.fsync(file.fileno())
    return tuple(sizes)
