"""Logs of provision runs on this machine: one file for each host and run, private, the newest kept."""

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from remora.ports import Clock

_STAMP: Final = "%Y%m%dT%H%M%SZ"
_NAME_LIMIT: Final = 100
_TRIES: Final = 100


class LogFiles:
    """A :class:`remora.ports.RunLogs` in `folder`, which is made when it is needed: ``HOST-TIME.log``, in UTC."""

    def __init__(self, folder: Path, *, keep: int, clock: Clock) -> None:
        self._folder = folder
        self._keep = keep
        self._clock = clock

    def open(self, alias: str) -> "LogFile":
        """A new file (0600); of this host's others the newest stay."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = re.sub(r"[/\x00-\x1f]", "_", alias[:_NAME_LIMIT])  # a name of one file, whatever the alias
        self._prune(name)
        stem = f"{name}-{time.strftime(_STAMP, time.gmtime(self._clock.wall()))}"
        for ending in _endings():
            path = self._folder / f"{stem}{ending}"
            try:
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            except FileExistsError:  # another run in the same second
                continue
            return LogFile(path, os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace", buffering=1))
        raise FileExistsError(stem)

    def _prune(self, name: str) -> None:
        ours = re.compile(rf"{re.escape(name)}-[0-9]{{8}}T[0-9]{{6}}Z(\.[0-9]+)?\.log")
        known = sorted(path for path in self._folder.iterdir() if ours.fullmatch(path.name))
        for path in known[: max(len(known) - self._keep + 1, 0)]:
            path.unlink(missing_ok=True)


class LogFile:
    """A :class:`remora.ports.RunLog`."""

    def __init__(self, path: Path, file: IO[str]) -> None:
        self._path = path
        self._file = file

    @property
    def path(self) -> str:
        """Where it is."""
        return str(self._path)

    def write(self, line: str) -> None:
        """Add one line, at once."""
        self._file.write(f"{line}\n")

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def _endings() -> Iterator[str]:
    yield ".log"
    yield from (f".{number}.log" for number in range(2, _TRIES))
