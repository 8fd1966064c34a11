"""One hub per runtime folder: a lock that ends with its process, and that names the process to whoever asks.

It is a record lock: the kernel itself says which living process holds it, and asking takes nothing from anybody.
"""

import contextlib
import errno
import fcntl
import os
import signal
import stat
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_LINUX: Final = "@hhqqi"
_BSD: Final = "@qqihh"


class HubLock:
    """The hub's own hold of the lock file. Take it after the last fork: a child does not inherit it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def take(self) -> bool:
        """Take the lock, in a new file when ours was removed; false when another process has it."""
        if self.is_held():
            return True
        descriptor = os.open(self._path, _FLAGS, 0o600)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(errno.EINVAL, "it is not a regular file", str(self._path))
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self.release()
        self._descriptor = descriptor
        return self.is_held() or self.take()  # the file may have been removed in between

    def is_held(self) -> bool:
        """Whether the file that callers find is the one we hold."""
        if self._descriptor < 0:
            return False
        ours = os.fstat(self._descriptor)
        try:
            there = os.lstat(self._path)
        except OSError:
            return False
        return (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino)

    def release(self) -> None:
        """Let go. Idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


@dataclass(frozen=True, slots=True)
class LockHolder:
    """The process that holds the lock at `path`. A `pid` below 1: the kernel names none that could be signalled."""

    path: Path
    pid: int

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal if it still holds the lock; whether it did."""
        if self.pid < 1:  # it lives in another container, say; to the kernel such a number means many processes
            return False
        try:
            opened = _open_process(self.pid)
        except ProcessLookupError:
            return False
        try:
            if holder_of(self.path) != self:
                return False
            with contextlib.suppress(ProcessLookupError):
                if opened is None:
                    os.kill(self.pid, number)
                elif sys.platform == "linux":
                    signal.pidfd_send_signal(opened, number)
            return True
        finally:
            if opened is not None:
                os.close(opened)


def holder_of(path: Path) -> LockHolder | None:
    """Who holds the lock at `path`; `None` when nobody does. Must not be called by the holder itself."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if sys.platform == "linux":
            answer = fcntl.fcntl(descriptor, fcntl.F_GETLK, struct.pack(_LINUX, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
            kind, _, _, _, pid = struct.unpack(_LINUX, answer)
        else:
            answer = fcntl.fcntl(descriptor, fcntl.F_GETLK, struct.pack(_BSD, 0, 0, 0, fcntl.F_WRLCK, os.SEEK_SET))
            _, _, pid, kind, _ = struct.unpack(_BSD, answer)
    finally:
        os.close(descriptor)
    return None if kind == fcntl.F_UNLCK else LockHolder(path, pid)


def _open_process(pid: int) -> int | None:
    """A handle that no later process with the same number can be mistaken for, where the system has that.

    Raises ``ProcessLookupError``.
    """
    if sys.platform != "linux":
        return None
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        raise
    except OSError:
        return None
