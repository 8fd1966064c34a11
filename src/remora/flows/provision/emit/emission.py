"""What emitting gives: files for a folder on this machine."""

from dataclasses import dataclass

from remora.ports import Package


@dataclass(frozen=True, slots=True)
class EmittedFile:
    """One file: its `content`, or the archive of a `package`. `path` is relative."""

    path: str
    content: bytes = b""
    package: Package | None = None
    executable: bool = False


@dataclass(frozen=True, slots=True)
class Emission:
    """All files of one folder, and what people have to know."""

    files: tuple[EmittedFile, ...]
    notices: tuple[str, ...] = ()


def archive_name(package: Package) -> str:
    """What the archive of `package` is called among the files."""
    return f"codex-{package.platform.name}.gz"
