"""Packages kept on this machine, one folder each; a folder stands only when all of it is there."""

import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import file_digest
from pathlib import Path
from typing import Final

import msgspec

from remora.ports import Package, Platform

_RECORD: Final = "package.json"
_ARCHIVE: Final = "package.tar.gz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One kept package and the SHA-256 of the archive that it was made from."""

    archive: str
    package: Package


class Shelf:
    """The folder of packages. Everything here may wait for the disk, so it belongs into threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, source: str, platform: Platform, *, version: str | None = None) -> list[Kept]:
        """The packages kept of `source` for `platform`, newest version first; of `version` alone when it is named."""
        name = _name(source, version or "*", platform, "*")
        found = [kept for place in self._folder.glob(name) if (kept := _read(place))]
        return sorted(found, key=lambda kept: version_key(kept.package.version), reverse=True)

    def is_whole(self, package: Package) -> bool:
        """Whether the archive of a kept package still is what was kept."""
        try:
            with Path(package.file).open("rb") as file:
                return file_digest(file, "sha256").hexdigest() == package.digest
        except OSError:
            return False

    def keep(self, source: str, made: Kept) -> Package:
        """Move the package in, whose archive lies in a :meth:`scratch` folder, and give it as it is kept."""
        package, origin = made.package, Path(made.package.file).parent
        place = self._folder / _name(source, package.version, package.platform, made.archive[:12])
        kept = replace(package, file=str(place / _ARCHIVE))
        ready = origin / "ready"
        ready.mkdir()
        Path(package.file).rename(ready / _ARCHIVE)
        with (ready / _RECORD).open("xb") as file:
            file.write(msgspec.json.encode(Kept(archive=made.archive, package=kept)))
            file.flush()
            os.fsync(file.fileno())
        shutil.rmtree(place, ignore_errors=True)
        ready.rename(place)
        return kept

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


def _read(place: Path) -> Kept | None:
    try:
        kept = msgspec.json.decode((place / _RECORD).read_bytes(), type=Kept)
        whole = (place / _ARCHIVE).stat().st_size == kept.package.size
    except (OSError, msgspec.DecodeError):
        return None
    return replace(kept, package=replace(kept.package, file=str(place / _ARCHIVE))) if whole else None
