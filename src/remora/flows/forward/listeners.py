"""Carrying bytes between a client of this machine and the app server."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, Final

from remora.core.link.links import LinkName, side_door
from remora.flows.kit.held_open import Holder
from remora.flows.kit.timeout import dismiss
from remora.ports import ByteStream, LocalSockets, Visitor

_CHUNK: Final = 256 * 1024


async def as_it_is(data: bytes) -> bytes:
    """What a client says, unchanged."""
    return data


async def show_in(
    client: ByteStream,
    open_server: Callable[[], Awaitable[ByteStream]],
    *,
    through: Callable[[bytes], Awaitable[bytes]] = as_it_is,
) -> None:
    """Connect `client` with the server that `open_server` gives, until both have ended.

    What the client says goes `through`, which may hold it back for a while; what the server says is passed on byte for
    byte. While `open_server` takes its time the client is held; one that leaves meanwhile is let go. A break on either
    side ends both.
    """
    opening = asyncio.ensure_future(open_server())
    held = _Held(client)
    try:
        if await held.until(opening):
            await _carry_both(client, opening.result(), held, through)
    finally:
        await held.close()
        await dismiss(opening)
        # Who serves here may be sent away in the very moment in which the server is there.
        if not opening.cancelled() and opening.exception() is None:
            await opening.result().close()


class _Held:
    """What a client says before the server is there: bounded, and watched for its end."""

    def __init__(self, client: ByteStream) -> None:
        self._client = client
        self._early: list[bytes] = []
        self._reading: asyncio.Future[bytes] | None = asyncio.ensure_future(client.read(_CHUNK))

    async def until(self, opening: "asyncio.Future[ByteStream]") -> bool:
        """Hold the client until `opening` is done; false when the client left before."""
        while not opening.done():
            awaited: set[asyncio.Future[Any]] = {opening}
            if self._reading is not None:
                awaited.add(self._reading)
            await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
            if opening.done():
                break
            data = self._reading.result() if self._reading is not None else b""
            if not data:
                return False
            self._early.append(data)
            full = sum(map(len, self._early)) >= _CHUNK
            self._reading = None if full else asyncio.ensure_future(self._client.read(_CHUNK))
        return True

    async def read(self) -> bytes:
        """What was said, in order, and then what the client says."""
        if self._early:
            return self._early.pop(0)
        reading, self._reading = self._reading, None
        return await (reading if reading is not None else self._client.read(_CHUNK))

    async def close(self) -> None:
        """Stop listening."""
        if self._reading is not None:
            await dismiss(self._reading)


async def _carry_both(
    client: ByteStream, server: ByteStream, held: _Held, through: Callable[[bytes], Awaitable[bytes]]
) -> None:
    ways = [
        asyncio.ensure_future(_carry(held.read, through, server)),
        asyncio.ensure_future(_carry(_reader(server), as_it_is, client)),
    ]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        await dismiss(*ways)


async def _carry(
    read: Callable[[], Awaitable[bytes]], through: Callable[[bytes], Awaitable[bytes]], sink: ByteStream
) -> None:
    while data := await read():
        if passed := await through(data):
            await sink.write(passed)
    await sink.write_eof()


def _reader(stream: ByteStream) -> Callable[[], Awaitable[bytes]]:
    return lambda: stream.read(_CHUNK)


class Guest:
    """A stream that somebody uses; `served` is called when bytes have come, `left` once, when it is closed."""

    def __init__(self, stream: ByteStream, *, served: Callable[[], None], left: Callable[[], None]) -> None:
        self._stream = stream
        self._served = served
        self._left: Callable[[], None] | None = left

    async def read(self, limit: int = 65536) -> bytes:
        """See :class:`remora.ports.ByteStream`."""
        data = await self._stream.read(limit)
        self._served()
        return data

    async def write(self, data: bytes) -> None:
        """See :class:`remora.ports.ByteStream`."""
        await self._stream.write(data)

    async def write_eof(self) -> None:
        """See :class:`remora.ports.ByteStream`."""
        await self._stream.write_eof()

    async def close(self) -> None:
        """See :class:`remora.ports.ByteStream`."""
        left, self._left = self._left, None
        if left is not None:
            left()
        await self._stream.close()


class Doors:
    """The local sockets of one link: for each of its names a door, where `visitor` serves who comes in, and beside it a
    side door, where `aside` does.
    """

    def __init__(self, sockets: LocalSockets, visitor: Visitor, *, aside: Visitor) -> None:
        self._sockets = sockets
        self._visitor = visitor
        self._aside = aside
        self._open: dict[LinkName, list[Holder[None]]] = {}
        self._changing = asyncio.Lock()
        self.paths: dict[LinkName, str] = {}
        """Where each door is, or will be, the first one first."""

    async def open(self, name: LinkName) -> None:
        """Open the two whose path is set. Raises ``runtime-folder-unusable``; then neither is open."""
        async with self._changing:
            path = self.paths[name]
            opened = self._open[name] = []
            try:
                for place, visitor in ((path, self._visitor), (side_door(path), self._aside)):
                    opened.append(Holder(partial(self._sockets.serve, place, visitor)))
                    await opened[-1].opened()
            except BaseException:
                await _close(self._open.pop(name, []))
                raise

    async def close(self, name: LinkName) -> None:
        """Close those of one name and forget it; their visits are cancelled."""
        async with self._changing:
            self.paths.pop(name, None)
            await _close(self._open.pop(name, []))

    async def close_all(self) -> None:
        """Close all; the paths stay known."""
        async with self._changing:
            for doors in self._open.values():
                await _close(doors)


async def _close(doors: Iterable[Holder[None]]) -> None:
    for door in doors:
        await door.close()
