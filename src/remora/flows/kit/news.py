"""Waiting for something to change, without missing what changes meanwhile."""

import asyncio


class News:
    """Counts changes, and wakes whoever waits for one."""

    def __init__(self) -> None:
        self.version = 0
        """Only grows."""
        self._next = asyncio.Event()

    def tell(self) -> None:
        """Something changed."""
        self.version += 1
        told, self._next = self._next, asyncio.Event()
        told.set()

    async def since(self, seen: int) -> int:
        """Wait until something has changed since version `seen`; the version of now."""
        while self.version <= seen:
            await self._next.wait()
        return self.version
