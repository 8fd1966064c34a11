"""Starts the relay, one for each name, and is what the relay's own process runs first.

Runs on the host: Python 3.8, standard library only. The modules of the program are appended to this text as `PARTS`.
"""

from __future__ import annotations

import fcntl
import os
import socket
import sys
import time

PARTS: list[tuple[str, str]] = []

_LOADER = "import os,zlib;p=os.read(3,1<<20);exec(zlib.decompress(p));serve()"
_PROGRAM, _LOCK, _LISTENER = 3, 4, 5
_LIMIT = 10.0


def prepare(folder: str) -> None:
    """Make the folder where the relay's socket and lock are, for us alone."""
    os.makedirs(os.path.dirname(folder) or "/", exist_ok=True)
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        pass


def start(name: str, program: bytes) -> None:
    """Start the relay `name` in this folder, unless another start was faster. It listens when this returns."""
    lock = _take_lock(name)
    if lock is None:
        return
    try:
        try:
            os.unlink(name + ".sock")
        except FileNotFoundError:
            pass
        earlier = os.umask(0o177)
        try:
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listener.bind(name + ".sock")
        finally:
            os.umask(earlier)
        listener.listen(64)
        child = os.fork()
        if not child:
            _detach(name, program, lock, listener.fileno())
        os.waitpid(child, 0)
        listener.close()
    finally:
        os.close(lock)


def serve() -> None:
    """Be the relay: the descriptors are where :func:`start` put them."""
    for name, source in PARTS:
        module = type(sys)(name)
        sys.modules[name] = module
        exec(compile(source, name, "exec"), module.__dict__)  # noqa: S102 - a part of this very program
    PARTS.clear()
    os.close(_PROGRAM)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=_LISTENER)
    sys.modules["remora.remote.relay.service"].run(listener, sys.argv[2], sys.argv[3])


def last_words(name: str) -> str:
    """What the relay wrote when it failed."""
    try:
        with open(name + ".log", errors="replace") as log:
            return log.read()[-2000:]
    except OSError:
        return "it gave no reason"


def _take_lock(name: str) -> int | None:
    """The lock that a relay holds as long as it lives; `None` when one lives that answers."""
    deadline = time.monotonic() + _LIMIT
    while True:
        lock = os.open(name + ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(lock).st_ino == os.stat(name + ".lock").st_ino:
                return lock
        except (BlockingIOError, FileNotFoundError):
            pass
        os.close(lock)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(_LIMIT)
            if not probe.connect_ex(name + ".sock"):
                return None
        if time.monotonic() > deadline:
            raise TimeoutError("another process holds the lock and does not listen")
        time.sleep(0.02)


def _detach(name: str, program: bytes, lock: int, listener: int) -> None:
    """In a child: become the relay in a process of its own that nothing of this session holds. Does not return."""
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        reading, writing = os.pipe()
        os.write(writing, program)
        log = os.open(name + ".log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        nothing = os.open(os.devnull, os.O_RDWR)
        given = [nothing, nothing, log, reading, lock, listener]
        high = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, 100) for descriptor in given]
        for place, descriptor in enumerate(high):
            os.dup2(descriptor, place)
        os.closerange(len(high), max(high) + 1)
        _close_others(len(high))
        folder = os.getcwd()
        os.chdir("/")
        python = sys.executable or "python3"
        os.execv(python, [python, "-ISB", "-c", _LOADER, "remora-relay", folder, name])
    finally:
        os._exit(1)


def _close_others(first: int) -> None:
    """Close what this session had open beyond `first`, however it came to be."""
    for place in ("/proc/self/fd", "/dev/fd"):
        try:
            names = os.listdir(place)
        except OSError:
            continue
        for name in names:
            if name.isdigit() and int(name) >= first:
                try:
                    os.close(int(name))
                except OSError:
                    pass
        return
    os.closerange(first, 65536)
