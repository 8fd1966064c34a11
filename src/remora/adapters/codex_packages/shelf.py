"""Packages kept on this machine, one folder each; a folder stands only when all of it is there."""

import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import file_digest
from pathlib import Path
from typing import Final

import msgspec

from remora.adapters.files.whole_file import read_whole
from remora.ports import Package, Platform

_RECORD: Final = "package.json"
_PACKED: Final = "package.zst"
_GZIP: Final = "package.gz"
_GZIP_FRAMES: Final = "package.gz.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One kept package and the SHA-256 of the archive that it was made from.

    `file` is the SHA-256 of what was packed, and `stamp` differs when that may have changed since.
    """

    archive: str
    package: Package
    file: str
    stamp: str = ""


class Shelf:
    """The folder of packages. Everything here may wait for the disk, so it belongs into threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, source: str, platform: Platform, *, version: str | None = None) -> list[Kept]:
        """The packages kept of `source` for `platform`, newest version first; of `version` alone when it is named."""
        name = _name(source, version or "*", platform, "*")
        found = [kept for place in self._folder.glob(name) if (kept := _read(place))]
        return sorted(found, key=lambda kept: version_key(kept.package.version), reverse=True)

    def is_whole(self, kept: Kept) -> bool:
        """Whether the file of a kept package still is what was kept. It is read only when it may have changed."""
        file = Path(kept.package.file)
        try:
            if _stamp(file) == kept.stamp:
                return True
            with file.open("rb") as opened:
                return file_digest(opened, "sha256").hexdigest() == kept.file
        except OSError:
            return False

    def keep(self, source: str, made: Kept) -> Package:
        """Move the package in, whose file lies in a :meth:`scratch` folder, and give it as it is kept."""
        package, origin = made.package, Path(made.package.file).parent
        place = self._folder / _name(source, package.version, package.platform, made.archive[:12])
        kept = replace(package, file=str(place / _PACKED))
        ready = origin / "ready"
        ready.mkdir()
        packed = Path(package.file).rename(ready / _PACKED)
        _write_whole(ready / _RECORD, msgspec.json.encode(replace(made, package=kept, stamp=_stamp(packed))))
        shutil.rmtree(place, ignore_errors=True)
        ready.rename(place)
        return kept

    def archive(self, package: Package, make: Callable[[Path], tuple[int, ...]]) -> Package:
        """The same package as gzip has it, from beside the kept one; `make` writes it when it is not there yet.

        Whoever asks is alone with the package.
        """
        place = Path(package.file).parent
        file, record = place / _GZIP, place / _GZIP_FRAMES
        with suppress(OSError, msgspec.DecodeError):
            stamp, frames = msgspec.json.decode(read_whole(record), type=tuple[str, tuple[int, ...]])
            if _stamp(file) == stamp:
                return replace(package, file=str(file), frames=frames)
        record.unlink(missing_ok=True)
        file.unlink(missing_ok=True)
        frames = make(file)
        _write_whole(record, msgspec.json.encode((_stamp(file), frames)))
        return replace(package, file=str(file), frames=frames)

    def drop(self, package: Package) -> None:
        """Forget a package that has turned out damaged."""
        shutil.rmtree(Path(package.file).parent, ignore_errors=True)

    @contextlib.contextmanager
    def scratch(self, key: str) -> Iterator[Path]:
        """An empty folder beside the packages, gone afterwards. Whoever asks has the lock of `key`."""
        folder = self._folder / f".new-{_safe(key)}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def try_lock(self, key: str) -> int | None:
        """Take the lock of `key` over all processes: a descriptor for :meth:`unlock`; `None` while another has it.

        The lock ends with its process. Where the file system knows no locks there is none: what is kept is moved in
        whole, so the worst is a package fetched twice.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._folder / f".lock-{_safe(key)}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError:
            pass
        return descriptor

    def unlock(self, descriptor: int) -> None:
        """Let go of the lock."""
        os.close(descriptor)


def version_key(version: str) -> tuple[int, tuple[int, ...]]:
    """What orders versions; one with letters is older than any without."""
    return (int(re.fullmatch(r"[0-9.]+", version) is not None), tuple(map(int, re.findall(r"\d+", version))))


def _name(source: str, version: str, platform: Platform, archive: str) -> str:
    return f"{source}-{version}-{platform.os}-{platform.architecture}-{archive}"


def _safe(key: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", key)


def _stamp(file: Path) -> str:
    seen = file.stat()
    return f"{seen.st_size} {seen.st_mtime_ns} {seen.st_ctime_ns} {seen.st_ino}"


def _write_whole(file: Path, data: bytes) -> None:
    with file.open("xb") as opened:
        opened.write(data)
        opened.flush()
        os.fsync(opened.fileno())


def _read(place: Path) -> Kept | None:
    try:
        kept = msgspec.json.decode(read_whole(place / _RECORD), type=Kept)
        whole = (place / _PACKED).stat().st_size == kept.package.packed
    except (OSError, msgspec.DecodeError):
        return None
    return replace(kept, package=replace(kept.package, file=str(place / _PACKED))) if whole else None
