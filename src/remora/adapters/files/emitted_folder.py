"""A folder on this machine that emitted files go to."""

import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from remora.core.errors import Code, UsageProblem
from remora.ports import Package


class Emitted(Protocol):
    """What is to be written: `content`, or the archive of `package`, at `path`."""

    @property
    def path(self) -> str: ...
    @property
    def content(self) -> bytes: ...
    @property
    def package(self) -> Package | None: ...
    @property
    def executable(self) -> bool: ...


def _write(path: Path, file: Emitted) -> None:
    """Put it at `path` in one moment. What lies there, or beside it under any name, is never written through."""
    descriptor, new = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as target:
            if file.package is None:
                target.write(file.content)
            else:
                with Path(file.package.file).open("rb") as source:
                    shutil.copyfileobj(source, target, 1 << 20)
            os.fchmod(target.fileno(), 0o755 if file.executable else 0o644)
        Path(new).replace(path)
    except BaseException:
        Path(new).unlink(missing_ok=True)
        raise


def write_emitted(folder: str, files: Iterable[Emitted]) -> None:
    """Write all `files` below `folder`, each in one moment. Raises :class:`UsageProblem` where that cannot be."""
    root = Path(folder)
    try:
        for file in files:
            if ".." in Path(file.path).parts or Path(file.path).is_absolute():
                raise UsageProblem(
                    Code.USAGE,
                    f"{file.path!r} would be outside of {folder}.",
                    next_step="Give the host another alias.",
                )
            path = root / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, file)
    except OSError as error:
        raise UsageProblem(
            Code.USAGE,
            f"{error.filename or folder} cannot be written: {error.strerror}.",
            next_step="Name another folder with --output.",
        ) from None
