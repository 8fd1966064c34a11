"""Staying findable, and knowing when to go."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from remora.core.errors import RemoraError
from remora.hub.shared.lock import HubLock
from remora.hub.socket_repair import HealingSockets
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

    async def watch(
        self, idle_for: Callable[[], float], limit: Callable[[], float], *, attended: Callable[[], bool]
    ) -> str:
        """Why the hub has to end: another one is there, or for longer than `limit` it was idle, or nobody could find
        it and it was not `attended` by clients from before.
        """
        lost_since: float | None = None
        while True:
            await self._clock.sleep(_EVERY)
            if idle_for() > limit():
                return "nothing to do"
            try:
                if not self._is_ours():
                    return "another hub has taken over"
                for path in await self._sockets.heal():
                    _log.warning("%s was removed and is there again", path)
                lost_since = None
            except (RemoraError, OSError) as error:
                now = self._clock.monotonic()
                if lost_since is None:
                    _log.warning("cannot be found for now: %s", error)
                    lost_since = now
                elif now - lost_since > limit() and not attended():
                    return "nobody can find it any more"

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
