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
_UNCLEAR_LIMIT: Final = 0.5
_PAUSE: Final = 0.03
_KERNEL_THREAD: Final = 0x00200000


async def end_tagged(tag: str) -> None:
    """Terminate every process with `tag` (``NAME=value``) in its environment; kill what is there after 3 s.

    Returns when none is left. Raises :class:`TimeoutError` when one cannot be ended within 10 s.
    """
    began = last_seen = time.monotonic()
    told: set[int] = set()
    while True:
        tagged, unclear = await asyncio.to_thread(_look, tag.encode())
        now = time.monotonic()
        if tagged or told & unclear:
            last_seen = now
        elif not unclear or now - last_seen > _UNCLEAR_LIMIT:
            return
        if now - began > _LIMIT:
            raise TimeoutError(f"processes of the embedded host do not end: {sorted(tagged | unclear)}")
        for pid in tagged:
            if pid not in told:
                told.add(pid)
                _send(pid, signal.SIGTERM)
            elif now - began > _GRACE:
                _send(pid, signal.SIGKILL)
        await asyncio.sleep(_PAUSE)


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _look(tag: bytes) -> tuple[set[int], set[int]]:
    """The processes with the tag, and those of which it is unclear right now."""
    if not _PROC.is_dir():
        return set(_tagged_by_ps(tag)), set()
    tagged, unclear = set(), set()
    for folder in _PROC.iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            environment = (folder / "environ").read_bytes()
            if tag in environment.split(b"\0"):
                tagged.add(int(folder.name))
            elif not environment and _is_between(folder):
                unclear.add(int(folder.name))
        except OSError:
            continue  # it ended meanwhile, or is somebody else's
    return tagged, unclear


def _is_between(folder: Path) -> bool:
    """Whether a process without an environment may be in the middle of ``exec`` or of its exit.

    Neither a zombie nor a thread of the kernel is. A program started with an empty environment looks the
    same, which is why such a process is waited for only so long.
    """
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    return fields[0] not in {"Z", "X"} and not int(fields[6]) & _KERNEL_THREAD


def _tagged_by_ps(tag: bytes) -> Iterator[int]:
    """Where there is no ``/proc``: the BSD ``ps`` shows the environment of one's own processes."""
    listing = subprocess.run(["/bin/ps", "-A", "-E", "-ww", "-o", "pid=,command="], capture_output=True, check=True)
    for line in listing.stdout.splitlines():
        pid, _, rest = line.strip().partition(b" ")
        if tag in rest.split() and int(pid) != os.getpid():
            yield int(pid)
