"""Noticing that this machine slept or moved."""

from collections.abc import Callable
from typing import Final

from remora.core.link.events import Moved, Woke
from remora.ports import Clock, LocalNetwork

_EVERY: Final = 2.0
_JUMP: Final = 3.0
"""Seconds that the clocks may drift apart unnoticed; a wall clock set by hand costs one probe."""


async def watch_machine(clock: Clock, network: LocalNetwork | None, tell: Callable[[Woke | Moved], object]) -> None:
    """Call `tell` soon after each sleep of the machine, when the wall clock went on and the other one did not, and
    after each change of how it is connected. Never returns.
    """
    apart = clock.wall() - clock.monotonic()
    place = network.signature() if network else ""
    while True:
        await clock.sleep(_EVERY)
        now_apart, now_place = clock.wall() - clock.monotonic(), network.signature() if network else ""
        if now_apart - apart > _JUMP:
            tell(Woke())
        elif now_place != place:
            tell(Moved())
        apart, place = now_apart, now_place
