"""Noticing that this machine slept: the wall clock went on and the other one did not."""

from collections.abc import Callable
from typing import Final

from remora.ports import Clock

_EVERY: Final = 2.0
_JUMP: Final = 3.0
"""Seconds that the clocks may drift apart unnoticed; a wall clock set by hand costs one probe."""


async def watch_wakes(clock: Clock, woke: Callable[[], object]) -> None:
    """Call `woke` soon after each sleep of the machine. Never returns."""
    apart = clock.wall() - clock.monotonic()
    while True:
        await clock.sleep(_EVERY)
        now_apart = clock.wall() - clock.monotonic()
        if now_apart - apart > _JUMP:
            woke()
        apart = now_apart
