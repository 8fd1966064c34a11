"""The world behind this machine, in memory: places are functions, names mean what a test says."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping

from remora.core.errors import Code, LaunchProblem, Unreachable
from remora.ports import Admit, ByteStream
from remora.testing.memory_streams import MemoryStream, memory_stream_pair

Place = Callable[[MemoryStream], Awaitable[None]]
"""Serves one connection; it is closed when that returns."""


class MemoryOnward:
    """The in-memory twin of :class:`remora.ports.Onward`.

    `addresses` are what names mean; another name means a public address. `own` are those of this machine. `asked` has
    all that was looked up.
    """

    def __init__(
        self,
        places: Mapping[tuple[str, int], Place],
        *,
        addresses: Mapping[str, str] | None = None,
        own: Collection[str] = (),
    ) -> None:
        self._places = places
        self._addresses = addresses or {}
        self._own = own
        self._work: set[asyncio.Task[None]] = set()
        self.asked: list[tuple[str, int]] = []

    async def connect(self, host: str, port: int, *, admit: Admit) -> ByteStream:
        """See :class:`remora.ports.Onward`."""
        self.asked.append((host, port))
        address = self._addresses.get(host, "93.184.216.34")
        if not admit(address, is_own=address in self._own):
            raise LaunchProblem(Code.EGRESS_REFUSED, f"{host} means {address}.", next_step="Name the address.")
        if (place := self._places.get((host, port))) is None:
            raise Unreachable(Code.CONNECTION_REFUSED, f"{host} refused the connection.", next_step="Start it.")
        near, far = memory_stream_pair()
        task = asyncio.create_task(_serve(place, far))
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return near

    async def close(self) -> None:
        """End what still serves."""
        tasks = list(self._work)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _serve(place: Place, stream: MemoryStream) -> None:
    try:
        await place(stream)
    except Unreachable:
        pass
    finally:
        await stream.close()
