"""What arrives from a host, in portions: a host that sends without end has no more of the loop than any other."""

import asyncio
from typing import Final

from remora.ports import ByteStream

PORTION: Final = 8 * 1024
"""Bytes that are looked at in one piece, unless said otherwise: a frame has two at least, so that bounds the work."""
_WORK: Final = 256
"""Frames and messages after which everybody else has a turn of the loop."""
_READ: Final = 256 * 1024


class LoopTurn:
    """What may still be done for one host before everybody else has a turn of the loop; with each turn it is new."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.left = _WORK

    def spend(self, work: int) -> None:
        """So much was done."""
        self.left = max(self.left - work, 0)
        if not self.left:
            self._loop.call_soon(self._renew)

    def _renew(self) -> None:
        self.left = _WORK


class Portions:
    """Reads a stream. Between two reads, and after much work, everybody else has a turn."""

    def __init__(self, stream: ByteStream, size: int = PORTION) -> None:
        self._stream = stream
        self._size = size
        self._rest = b""
        self._start = 0
        self._work = 0

    async def read(self, work: int) -> bytes:
        """The next bytes, at most `size`; ``b""`` at the end. `work`: what the bytes before consisted of."""
        self._work += work
        if self._start >= len(self._rest):
            self._rest, self._start = await self._stream.read(_READ), 0
            self._work += _WORK  # what has arrived already is given without a wait
        if self._work >= _WORK:
            self._work = 0
            await asyncio.sleep(0)
        portion = self._rest[self._start : self._start + self._size]
        self._start += len(portion)
        return portion
