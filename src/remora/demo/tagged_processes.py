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
    while True:
        tagged, exiting = await asyncio.to_thread(_left, tag.encode(), told)
        if not tagged and not exiting:
            return
        waited = time.monotonic() - began
        if waited > _LIMIT:
            raise TimeoutError(f"processes of the embedded host do not end: {tagged + exiting}")
        for pid in tagged:
            if pid not in told:
                told.add(pid)
                _send(pid, signal.SIGTERM)
            elif waited > _GRACE:
                _send(pid, signal.SIGKILL)
        await asyncio.sleep(_PAUSE)


def _left(tag: bytes, told: set[int]) -> tuple[list[int], list[int]]:
    """Tagged processes, and told ones on their way out: these lose the tag a moment before they are gone."""
    tagged = list(_tagged(tag))
    return tagged, [pid for pid in told.difference(tagged) if _is_exiting(pid)]


def _is_exiting(pid: int) -> bool:
    """Whether it lives without an environment and is not yet a zombie; a new process with this id has one."""
    try:
        folder = _PROC / str(pid)
        state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
        return state not in {"Z", "X"} and not (folder / "environ").read_bytes()
    except OSError:
        return False


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
