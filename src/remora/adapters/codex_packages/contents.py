"""What is inside the archives that codex comes in: the files to install, wherever they lie there."""

import json
import re
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path, PurePosixPath
from typing import IO, Final, Self

from remora.adapters.files.whole_file import read_whole
from remora.core.server.platforms import HEADER_SIZE, program_target

_PROGRAMS: Final = ("bin/codex", "codex/codex")
"""Where codex lies in a package: now, and before packages had a description."""
_DESCRIPTION: Final = "codex-package.json"
_PARTS: Final = ("bin", "codex-path", "codex-resources", "codex", "path")
"""The folders of a package that codex wants beside it; the rest belongs to an index."""
_COPY: Final = 1024 * 1024
_MOST: Final = 4 * 1024**3
_MOST_FILES: Final = 10_000
"""What an archive may become; ten times any codex there was."""
_LONGEST_NAME: Final = 64 * 1024
"""Bytes of a description that stands before a file of a tar archive; they are read as a whole."""
_DESCRIPTIONS: Final = frozenset(
    {
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
    }
)


class ArchiveUnusable(Exception):
    """An archive has not what we need; the text says what is wrong, as a part of a sentence."""


@dataclass(frozen=True, slots=True)
class Contents:
    """Files to install: where each lies now, by its path in the package, of which `program` is codex itself.

    `version` is what the package says of itself, if it does.
    """

    files: Mapping[str, Path]
    program: str
    version: str | None

    @property
    def target(self) -> str | None:
        """See :func:`remora.core.server.platforms.program_target`."""
        with self.files[self.program].open("rb") as file:
            return program_target(file.read(HEADER_SIZE))


def open_contents(archive: Path, scratch: Path) -> Contents:
    """The contents of a wheel, a compressed tar archive, or a program with its package around it, if there is one.

    Archives are unpacked into the folder `scratch`. Raises :class:`ArchiveUnusable`, ``OSError``.
    """
    try:
        if zipfile.is_zipfile(archive):
            _unpack_wheel(archive, scratch)
        elif _is_tar(archive):
            _unpack_tar(archive, scratch)
            _check_links(scratch)
        else:
            return _around(archive)
    except (FileExistsError, NotADirectoryError) as error:
        raise ArchiveUnusable(f"it holds {Path(error.filename or '').name} twice") from None
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ArchiveUnusable(f"it is damaged or has an unsupported format: {error}") from None
    return _within(scratch)


def origin_digest(archive: Path) -> str:
    """What tells one origin from another: the SHA-256 of an archive; of a program in a package, that of all its files.

    Raises ``OSError``.
    """
    files = origin_files(archive)
    if len(files) > 1:
        lines = (f"{digest_of(path)} {name}\n" for name, path in sorted(files.items()))
        return sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
    return digest_of(archive)


def origin_files(archive: Path) -> Mapping[str, Path]:
    """The files that :func:`origin_digest` is about: the archive, or a program with its package. Raises ``OSError``."""
    if not (zipfile.is_zipfile(archive) or _is_tar(archive)):
        with suppress(ArchiveUnusable):
            return _around(archive).files
    return {archive.name: archive}


def digest_of(file: Path) -> str:
    """The SHA-256 of a file, or of where a link leads. Raises ``OSError``."""
    if file.is_symlink() and not file.exists():
        return sha256(str(file.readlink()).encode()).hexdigest()
    with file.open("rb") as opened:
        return file_digest(opened, "sha256").hexdigest()


def _around(program: Path) -> Contents:
    real = program.resolve()
    with real.open("rb") as file:
        if program_target(file.read(HEADER_SIZE)) is None:
            raise ArchiveUnusable("it is neither a program nor a wheel nor a compressed tar archive")
    root = real.parent.parent
    if (root / _DESCRIPTION).is_file() and str(real.relative_to(root)) in _PROGRAMS:
        return _package(root, str(real.relative_to(root)))
    return Contents({"bin/codex": real}, "bin/codex", None)


def _within(folder: Path) -> Contents:
    for inside in _PROGRAMS:
        for found in sorted(folder.rglob(inside)):
            return _package(found.parent.parent, inside)
    lone = [file for file in folder.rglob("codex*") if file.is_file() and _is_program(file)]
    if len(lone) == 1:  # the archives of its releases hold one program named after its build
        return Contents({"bin/codex": lone[0]}, "bin/codex", None)
    raise ArchiveUnusable("it contains no codex")


def _package(root: Path, program: str) -> Contents:
    files = {str(path.relative_to(root)): path for part in _PARTS for path in _files_below(root / part)}
    version = None
    description = root / _DESCRIPTION
    if description.is_file():
        files[_DESCRIPTION] = description
        try:
            version = json.loads(read_whole(description)).get("version")
        except (OSError, ValueError, AttributeError, RecursionError):
            raise ArchiveUnusable(f"its {_DESCRIPTION} cannot be read") from None
    for name, path in files.items():
        _check_listed(name, str(path.readlink()) if path.is_symlink() else "")
    named = isinstance(version, str) and re.fullmatch(r"[0-9A-Za-z.+-]{1,64}", version) is not None
    return Contents(files, program, version if named else None)


def _files_below(folder: Path) -> Iterator[Path]:
    yield from (path for path in folder.rglob("*") if path.is_symlink() or path.is_file())


def _check_listed(name: str, target: str) -> None:
    """A list of files has a line for each, of which the name is the last word and a link's target one before it."""
    if not name.isprintable() or name.strip() != name:
        raise ArchiveUnusable(f"the name of its file {name!r} has unsupported characters")
    if not target.isprintable() or len(target.split()) > 1 or target.strip() != target:
        raise ArchiveUnusable(f"its link {name} points to {target!r}, which has unsupported characters")


def _is_program(file: Path) -> bool:
    with file.open("rb") as opened:
        return program_target(opened.read(HEADER_SIZE)) is not None


def _unpack_wheel(archive: Path, folder: Path) -> None:
    room = _Room()
    with zipfile.ZipFile(archive) as wheel:
        for item in wheel.infolist():
            if not item.is_dir():
                room.take(item.file_size)  # no more than that is read
                with wheel.open(item) as content:
                    _write(folder, item.filename, content, executable=bool(item.external_attr >> 16 & 0o100))


class _Item(tarfile.TarInfo):
    """One whose descriptions fill no memory: a few megabytes become any number of gigabytes."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        item = super().frombuf(buf, encoding, errors)
        if item.type in _DESCRIPTIONS and item.size > _LONGEST_NAME:
            raise tarfile.ReadError(f"the description of a file has {item.size} bytes")
        return item


def _is_tar(archive: Path) -> bool:
    try:
        tarfile.open(archive, tarinfo=_Item).close()
    except tarfile.TarError:
        return False
    return True


def _unpack_tar(archive: Path, folder: Path) -> None:
    room = _Room()
    with tarfile.open(archive, tarinfo=_Item) as tar:
        for item in tar:
            room.take(item.size)
            if item.issym():
                _link(folder, item.name, item.linkname)
            elif item.isreg():
                content = tar.extractfile(item)
                assert content is not None  # noqa: S101 - so it is for regular files
                _write(folder, item.name, content, executable=bool(item.mode & 0o100))
            elif not item.isdir():
                raise ArchiveUnusable(f"it holds {item.name}, which is not a file")


class _Room:
    """What is left of what an archive may become."""

    def __init__(self) -> None:
        self._bytes, self._files = _MOST, _MOST_FILES

    def take(self, size: int) -> None:
        self._bytes -= size
        self._files -= 1
        if self._bytes < 0 or self._files < 0:
            raise ArchiveUnusable(f"it holds more than {_MOST // 1024**3} GiB or {_MOST_FILES} files")


def _check_links(folder: Path) -> None:
    """Once all links are there: one that was harmless by itself may lead out through another."""
    real = folder.resolve()
    for path in folder.rglob("*"):
        try:
            inside = not path.is_symlink() or path.resolve().is_relative_to(real)
        except (OSError, RuntimeError):  # links in a circle
            inside = False
        if not inside:
            raise ArchiveUnusable(f"its link {path.relative_to(folder)} points outside of it")


def _write(folder: Path, name: str, content: IO[bytes], *, executable: bool) -> None:
    path = _place(folder, name)
    with path.open("xb") as file:
        shutil.copyfileobj(content, file, _COPY)
    path.chmod(0o755 if executable or _is_program(path) else 0o644)  # zip archives tend to forget it


def _link(folder: Path, name: str, target: str) -> None:
    path = _place(folder, name)
    if target.startswith("/") or not (path.parent / target).resolve().is_relative_to(folder.resolve()):
        raise ArchiveUnusable(f"its link {name} points outside of it")
    path.symlink_to(target)


def _place(folder: Path, name: str) -> Path:
    """Where `name` goes; never outside of `folder`, and never through a link of the archive."""
    inside = PurePosixPath(name)
    path = folder / inside
    if inside.is_absolute() or ".." in inside.parts or not path.parent.resolve().is_relative_to(folder.resolve()):
        raise ArchiveUnusable(f"its file {name} points outside of it")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
