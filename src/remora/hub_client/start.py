"""Starting the hub, and ending it: one at a time, whoever asks and however many."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import Final

from remora import wiring
from remora.core.errors import Code, LaunchProblem, RemoraError
from remora.core.settings import Limits
from remora.hub.shared.lock import holder_of
from remora.hub.shared.places import HubPlaces
from remora.hub.shared.readiness import read_words
from remora.hub_client.client import HubClient, own_hub
from remora.hub_client.conversation import HubEnded

_LOOK: Final = 0.05
"""Seconds between looks at what another process does."""
_WORDS: Final = 64 * 1024


async def start_hub(limits: Limits) -> HubClient:
    """A hub that answers: ours, or that of whoever was faster. Raises ``hub-start-failed``, ``hub-mute``."""
    client = own_hub(limits)
    try:
        async with asyncio.timeout(limits.hub_start):
            while True:
                ours = await _spawn()
                with suppress(HubEnded):
                    await client.hello()
                    return client
                if not ours:
                    await asyncio.sleep(_LOOK)  # the other one has the lock and is not there yet, or just leaves
    except TimeoutError:
        raise LaunchProblem(
            Code.HUB_START_FAILED,
            f"The hub did not start within {limits.hub_start:g} seconds.",
            next_step="See its output with: remora hub start --foreground",
        ) from None


async def stop_hub(limits: Limits) -> bool:
    """End the hub that runs, asking first, then by signal; whether there was one. When it returns there is none.

    Raises ``hub-mute`` when it cannot be ended.
    """
    places = HubPlaces(wiring.runtime_folder())
    found = holder_of(places.lock)
    with suppress(RemoraError):
        await own_hub(limits).stop()
        found = found or holder_of(places.lock)
        if await _ends(places, 2 * limits.hub_answer):
            return True
    for number in (signal.SIGTERM, signal.SIGKILL):
        holder = holder_of(places.lock)
        if holder is None:
            break
        holder.signal(number)
        await _ends(places, limits.hub_answer)
    if holder_of(places.lock) is not None:
        raise LaunchProblem(
            Code.HUB_MUTE,
            "The hub did not end, even after SIGKILL.",
            next_step="Check its state with: ps -l",
        )
    return found is not None


async def _ends(places: HubPlaces, seconds: float) -> bool:
    """Whether the lock is free within `seconds`."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while holder_of(places.lock) is not None:  # noqa: ASYNC110 - another process: nothing tells us
                await asyncio.sleep(_LOOK)
            return True
    return False


async def _spawn() -> bool:
    """Start a process that becomes the hub, and hear how it went: true when it is, false when another one is.

    It is nobody's child afterwards, in a session of its own, and looks for modules only where this program's are.
    """
    reading, writing = os.pipe()
    try:
        process = subprocess.Popen(  # noqa: ASYNC220 - no wait: it forks and ends at once
            [sys.executable, "-P", "-m", "remora.hub"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=writing,
            start_new_session=True,
        )
    except OSError as error:
        os.close(reading)
        raise LaunchProblem(
            Code.HUB_START_FAILED,
            "The hub cannot be started on this machine.",
            seen=str(error),
            next_step="Check that this machine has free processes and memory.",
        ) from None
    finally:
        os.close(writing)
    try:
        said = await _read_to_end(reading)
    finally:
        os.close(reading)
        process.wait()  # it ended before the hub could say anything
    return read_words(said)


async def _read_to_end(descriptor: int) -> bytes:
    os.set_blocking(descriptor, False)
    loop = asyncio.get_running_loop()
    said = b""
    while True:
        readable = asyncio.Event()
        loop.add_reader(descriptor, readable.set)
        try:
            await readable.wait()
        finally:
            loop.remove_reader(descriptor)
        with suppress(BlockingIOError):
            piece = os.read(descriptor, 65536)
            if not piece:
                return said
            said = (said + piece)[-_WORDS:]
