"""Received bytes that wait for their reader."""

import asyncio
from collections import deque


class Inbox:
    """A queue of byte pieces with an end. `size` is what waits; whoever fills it keeps it bounded."""

    def __init__(self) -> None:
        self.size = 0
        self._pieces: deque[bytes] = deque()
        self._ended = False
        self._arrived = asyncio.Event()

    def put(self, data: bytes) -> None:
        """Add what has come."""
        self._pieces.append(data)
        self.size += len(data)
        self._arrived.set()

    def end(self) -> None:
        """No more will come."""
        self._ended = True
        self._arrived.set()

    async def wait(self) -> None:
        """Wait until there are bytes or there will be no more."""
        while not self._pieces and not self._ended:
            self._arrived.clear()
            await self._arrived.wait()

    def take(self, limit: int) -> bytes:
        """At most `limit` of the bytes that are there; ``b""`` when there are none."""
        if not self._pieces:
            return b""
        piece = self._pieces.popleft()
        if len(piece) < limit and self._pieces:
            parts, size = [piece], len(piece)
            while self._pieces and size + len(self._pieces[0]) <= limit:
                parts.append(self._pieces.popleft())
                size += len(parts[-1])
            piece = b"".join(parts)
        elif len(piece) > limit:
            self._pieces.appendleft(piece[limit:])
            piece = piece[:limit]
        self.size -= len(piece)
        return piece
