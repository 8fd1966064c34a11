"""A stream of bytes each of which tells its place: one that is lost, doubled, moved or foreign is found."""

import asyncio
import struct
from dataclasses import dataclass
from random import Random
from typing import Final

from remora.ports import ByteStream

_WORD: Final = 8
_COUNTER_BITS: Final = 40


class WrongByte(AssertionError):
    """A byte that does not belong where it came."""


@dataclass(slots=True)
class CountedBytes:
    """The stream's own content: numbered words; `salt` (up to 24 bits) tells one stream from another."""

    salt: int
    position: int = 0

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        first, skip = divmod(self.position, _WORD)
        count = (skip + size + _WORD - 1) // _WORD
        base = self.salt << _COUNTER_BITS
        words = struct.pack(f">{count}Q", *range(base + first, base + first + count))
        self.position += size
        return words[skip : skip + size]


class CountedCheck:
    """Compares what comes with what has to come."""

    def __init__(self, salt: int) -> None:
        self._expected = CountedBytes(salt)

    @property
    def position(self) -> int:
        """How many bytes were right."""
        return self._expected.position

    def see(self, data: bytes) -> None:
        """The next bytes came. Raises :class:`WrongByte` with the first wrong place and what seems to have happened."""
        start = self._expected.position
        wanted = self._expected.take(len(data))
        if wanted == data:
            return
        place = next(index for index, (one, two) in enumerate(zip(wanted, data, strict=True)) if one != two)
        at = start + place
        raise WrongByte(f"byte {at} is wrong: {self._story(at, data[place:])}")

    def end(self, total: int) -> None:
        """The stream has ended; it had to have `total` bytes."""
        if self.position != total:
            raise WrongByte(f"the stream ended after {self.position} of {total} bytes")

    def _story(self, at: int, rest: bytes) -> str:
        """What the bytes from there say of themselves, at whatever distance of a word they begin."""
        for skip in range(_WORD):
            if len(rest) < skip + 2 * _WORD:
                break
            one, two = struct.unpack_from(">2Q", rest, skip)
            if two == one + 1 and one >> _COUNTER_BITS == self._expected.salt:
                found = (one & ((1 << _COUNTER_BITS) - 1)) * _WORD - skip
                return f"{found - at} bytes are missing" if found > at else f"{at - found} bytes came again"
        return f"it belongs to no place of this stream: {rest[:16].hex()}"


async def exchange(stream: ByteStream, *, salt: int, total: int, largest: int = 65536) -> None:
    """Send `total` counted bytes to an echo in pieces of any size, check all that comes back, and both ends.

    Sending and reading go on side by side, so back-pressure is met too.
    """
    sizes = Random(salt)  # noqa: S311 - sizes of pieces
    content, check = CountedBytes(salt), CountedCheck(salt)

    async def send() -> None:
        while content.position < total:
            await stream.write(content.take(min(sizes.randrange(1, largest), total - content.position)))
        await stream.write_eof()

    sending = asyncio.ensure_future(send())
    try:
        while data := await stream.read():
            check.see(data)
        check.end(total)
        await sending
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
