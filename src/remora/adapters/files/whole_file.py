"""A file of this machine, read as a whole: nothing is waited for that is no file, and nothing is read without end."""

import errno
import os
import stat
from pathlib import Path
from typing import Final

LARGEST: Final = 32 * 1024 * 1024
"""Bytes, unless said otherwise. No key, list of host keys or setting comes near it."""


def read_whole(path: str | os.PathLike[str], *, limit: int = LARGEST, may_wait: bool = False) -> bytes:
    """The content of a regular file; ``/dev/null`` is an empty one.

    Raises :class:`OSError` for anything else: a pipe or a device would keep a command waiting. With `may_wait` such
    things are read, too: for a path that the user named, which may be ``<(…)``.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | (0 if may_wait else os.O_NONBLOCK))
    try:  # a folder cannot become a file object, which would close it
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
        if stat.S_ISCHR(status.st_mode) and status.st_rdev == Path(os.devnull).stat().st_rdev:
            return b""
        if not (may_wait or stat.S_ISREG(status.st_mode)):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(limit + 1)
    finally:
        os.close(descriptor)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"it is larger than {limit:,} bytes", str(path))
    return data
