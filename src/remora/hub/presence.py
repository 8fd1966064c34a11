"""Staying findable, and knowing when to go."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from remora.core.errors import RemoraError
from remora.hub.healing import HealingSockets
from remora.hub.lock import HubLock
from remora.ports import Clock

_EVERY: Final = 2.0
_log: Final = logging.getLogger(__name__)


class Presence:
    """Looks every few seconds whether the hub can still be found, and whether anybody needs it.

    `make_folder` makes the private runtime folder or raises why there is none. When another hub has taken our place
    while the folder was away, or when we are idle, :meth:`watch` returns: there is never a reason for two.
    """

    def __init__(
        self, lock: HubLock, sockets: HealingSockets, *, make_folder: Callable[[], object], clock: Clock
    ) -> None:
        self._lock = lock
        self._sockets = sockets
        self._make_folder = make_folder
        self._clock = clock
        self._trouble = ""

    async def watch(self, idle_for: Callable[[], float], limit: Callable[[], float]) -> str:
        """Why the hub has to end: another one is there, or it was idle for longer than `limit`."""
        while True:
            await self._clock.sleep(_EVERY)
            if idle_for() > limit():
                return "nothing to do"
            try:
                if not self._is_ours():
                    return "another hub has taken over"
                for path in await self._sockets.heal():
                    _log.warning("%s was removed and is there again", path)
                self._trouble = ""
            except (RemoraError, OSError) as error:
                if str(error) != self._trouble:
                    self._trouble = str(error)
                    _log.warning("cannot be found for now: %s", error)

    def _is_ours(self) -> bool:
        if self._lock.is_held():
            return True
        self._make_folder()
        return self._lock.take()


async def first_of(*waits: "asyncio.Task[str]") -> str:
    """What the first of several reasons says; the others are let go."""
    done, waiting = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    return done.pop().result()
