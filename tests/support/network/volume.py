"""Much through one connection at a link's door, with a reader that stays far behind, and what it costs in memory."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from tests.support.link.chain import Chain
from tests.support.network.byte_server import ECHO
from tests.support.network.counted_stream import CountedBytes, CountedCheck

from remora.adapters.machine.local_sockets import SystemSockets

_PIECE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Cost:
    """What it took; memory is the most that a process ever had, in bytes."""

    seconds: float
    hub: int
    relay: int


async def move_volume(way: Chain, total: int, *, behind: int) -> Cost:
    """Send `total` counted bytes to an echo on the host and half-close; take what comes, in time `behind` bytes later.

    Raises when a byte is lost, doubled or moved, or when the end does not come after the last one.
    """
    began = time.monotonic()
    stream = await SystemSockets().connect((await way.live()).socket)
    content, check = CountedBytes(salt=5), CountedCheck(salt=5)
    moved = asyncio.Event()
    sizes = Random(5)  # noqa: S311 - sizes of pieces

    async def send() -> None:
        await stream.write(ECHO)
        while content.position < total:
            await stream.write(content.take(min(sizes.randrange(1, _PIECE), total - content.position)))
            moved.set()
        await stream.write_eof()

    async def take() -> None:
        while True:
            while content.position < min(total, check.position + behind):
                moved.clear()
                await moved.wait()
            if not (data := await stream.read(_PIECE)):
                break
            check.see(data)
        check.end(total)

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(send())
            group.create_task(take())
    finally:
        await stream.close()
    (relay,) = way.host_processes().relays
    return Cost(time.monotonic() - began, most_memory(way.place.pid or 0), most_memory(relay))


def most_memory(pid: int) -> int:
    """Bytes of memory that a process has had at most."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def spooled(pid: int) -> int:
    """Bytes that a process keeps in files without names."""
    sizes = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            if "(deleted)" in str(entry.readlink()):
                sizes.append(entry.stat().st_size)
        except OSError:
            continue
    return sum(sizes)
