"""A session in which no file can be locked, as on a network home whose lock service is broken.

``python3 no_locks.py HOW PROGRAM...`` becomes PROGRAM, and in all that this starts ``flock`` and the locks of ``fcntl``
fail with the error number HOW, or never return when it is ``hang``. The kernel does it (seccomp), so programs without a
C library feel it, too.
"""

import ctypes
import os
import platform
import struct
import sys
from typing import Final

NUMBERS: Final = {"x86_64": (73, 72, 317), "aarch64": (32, 25, 277)}
"""The system calls flock, fcntl and seccomp."""
_LOCKING: Final = (6, 7, 37, 38)
"""F_SETLK and F_SETLKW, and those of open file descriptions."""
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ERROR, _NOTIFY = 0x7FFF0000, 0x00050000, 0x7FC00000
_FIRST_FILTER, _NEW_LISTENER, _NO_NEW_PRIVILEGES = 1, 8, 38
_CALL, _SECOND_ARGUMENT = 0, 24


def program(action: int) -> bytes:
    """The filter: `action` for whatever locks."""
    flock, fcntl, _ = NUMBERS[platform.machine()]
    last = len(_LOCKING) + 3
    lines = [
        (_LOAD, 0, 0, _CALL),
        (_EQUAL, last, 0, flock),
        (_EQUAL, 0, last - 2, fcntl),
        (_LOAD, 0, 0, _SECOND_ARGUMENT),
        *((_EQUAL, len(_LOCKING) - at, 0, command) for at, command in enumerate(_LOCKING)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, action),
    ]
    return b"".join(struct.pack("HBBI", *line) for line in lines)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("lines", ctypes.c_void_p))


def forbid_locks(how: str) -> None:
    """From here on, for this process and its children. Whoever could answer a lock that hangs never does."""
    libc = ctypes.CDLL(None, use_errno=True)
    lines = program(_NOTIFY if how == "hang" else _ERROR | int(how))
    text = ctypes.create_string_buffer(lines, len(lines))
    given = _Program(len(lines) // 8, ctypes.addressof(text))
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    flags = _NEW_LISTENER if how == "hang" else 0
    listener = libc.syscall(NUMBERS[platform.machine()][2], _FIRST_FILTER, flags, ctypes.byref(given))
    if listener < 0:
        raise OSError(ctypes.get_errno(), "seccomp")
    if flags:
        os.set_inheritable(listener, True)


if __name__ == "__main__":
    forbid_locks(sys.argv[1])
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - a program of the test's
