"""End processes that carry a tag in their environment: proof that they are ours, wherever they went.

A process that detached itself has another parent, session and group, but it keeps the environment it was
started with. The tag is random, and it is read again right before each signal.
"""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_GRACE: Final = 3.0
_LIMIT: Final = 10.0
_PAUSE: Final = 0.03


async def end_tagged(tag: str) -> None:
    """Terminate every process with `tag` (``NAME=value``) in its environment; kill what is there after 3 s.

    Returns when none is left. Raises :class:`TimeoutError` when one cannot be ended within 10 s.
    """
    began = time.monotonic()
    told: set[int] = set()
    while found := await asyncio.to_thread(lambda: list(_tagged(tag.encode()))):
        waited = time.monotonic() - began
        if waited > _LIMIT:
            raise TimeoutError(f"processes of the embedded host do not end: {found}")
        for pid in found:
            if waited > _GRACE:
                _send(pid, signal.SIGKILL)
            elif pid not in told:
                told.add(pid)
                _send(pid, signal.SIGTERM)
        await asyncio.sleep(_PAUSE)


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _tagged(tag: bytes) -> Iterator[int]:
    if not _PROC.is_dir():
        yield from _tagged_by_ps(tag)
        return
    for folder in _PROC.iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            if tag in (folder / "environ").read_bytes().split(b"\0"):
                yield int(folder.name)
        except OSError:
            continue  # it ended meanwhile, or is somebody else's


def _tagged_by_ps(tag: bytes) -> Iterator[int]:
    """Where there is no ``/proc``: the BSD ``ps`` shows the environment of one's own processes."""
    listing = subprocess.run(["/bin/ps", "-A", "-E", "-ww", "-o", "pid=,command="], capture_output=True, check=True)
    for line in listing.stdout.splitlines():
        pid, _, rest = line.strip().partition(b" ")
        if tag in rest.split() and int(pid) != os.getpid():
            yield int(pid)
