"""A small file of this user: lines of text that remora remembers. Damage, or a file of somebody else, is no memory."""

import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from platformdirs import user_state_path

_LIMIT: Final = 2**20
"""Bytes that are read at most."""


class OwnLines:
    """The file `name` in the state folder of this user, or in `folder`; at most `most` lines are kept, the newest."""

    def __init__(self, name: str, *, most: int, folder: Path | None = None) -> None:
        self.path = (folder or user_state_path("remora", appauthor=False)) / name
        self._most = most

    def read(self) -> list[str]:
        """The lines of the file, if it is a regular one that only we can write; a pipe in its place stops nobody."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return []
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
            os.close(descriptor)
            return []
        with os.fdopen(descriptor, "rb") as file, suppress(OSError):
            return file.read(_LIMIT).decode("utf-8", "replace").splitlines()
        return []

    def write(self, lines: Sequence[str]) -> None:
        """Put `lines` in the place of all, in one moment. Where that is impossible nothing is remembered."""
        scratch = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        with suppress(OSError):
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            scratch.unlink(missing_ok=True)
            with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write("".join(f"{line}\n" for line in lines[-self._most :]))
            scratch.replace(self.path)
