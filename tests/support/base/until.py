"""Wait for what cannot be awaited: a process that ends, a line in a log, a port that answers."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

T = TypeVar("T")

LIMIT: Final = 240.0
"""Seconds after which what has not come is given up: many times what anything takes, also on a machine that is busy
with other things. What has to be quick says its own bound.
"""
_PAUSE: Final = 0.01


async def until(seen: Callable[[], T], *, limit: float = LIMIT, what: str = "") -> T:
    """Look until `seen` gives something true, and give that. Fails after `limit` seconds, naming `what`."""
    deadline = time.monotonic() + limit
    while not (found := seen()):
        assert time.monotonic() < deadline, f"not within {limit} s: {what or seen}"
        await asyncio.sleep(_PAUSE)
    return found


async def until_none(seen: Callable[[], Sequence[object]], *, limit: float = LIMIT, what: str = "") -> None:
    """Look until `seen` gives nothing more. Fails after `limit` seconds with what there still is."""
    deadline = time.monotonic() + limit
    while left := seen():
        assert time.monotonic() < deadline, f"not within {limit} s: {what or seen}; there still is {left}"
        await asyncio.sleep(_PAUSE)


def wait_until(seen: Callable[[], T], *, limit: float = LIMIT, what: str = "") -> T:
    """The same outside of a loop."""
    return asyncio.run(until(seen, limit=limit, what=what))
