"""A TCP proxy that adds a round-trip time and limits nothing else: bytes are held back, not slowed down."""

import asyncio
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

_BLOCK: Final = 1 << 18
_BLOCKS_UNDER_WAY: Final = 1024


class DelayProxy:
    """A proxy to ``127.0.0.1:target`` in a thread of its own, as a context manager.

    `round_trip` (seconds) may change between connections. What arrives is passed on half a round trip
    later, in order. Accepting is instant on loopback, so a connection's first bytes wait for the
    handshake that a distant host would have needed: one and a half round trips until it hears from us.
    """

    def __init__(self, target: int) -> None:
        self.round_trip = 0.0
        self.port = 0
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), name="delay-proxy")

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()

    async def _serve(self) -> None:
        connections: set[asyncio.Task[None]] = set()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            if task is not None:
                connections.add(task)
                task.add_done_callback(connections.discard)
            try:
                await self._carry(reader, writer)
            except (OSError, asyncio.CancelledError):
                writer.close()  # the host is gone, or the proxy stops

        server = await asyncio.start_server(accept, "127.0.0.1", 0, limit=_BLOCK)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        async with server:
            await self._stop.wait()
            for task in list(connections):
                task.cancel()
            await asyncio.gather(*connections, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        round_trip = self.round_trip
        known_at = self._loop.time() + 1.5 * round_trip
        await asyncio.sleep(1.5 * round_trip)
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target, limit=_BLOCK)
        for end in (writer, far_writer):
            end.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_delayed(reader, far_writer, lambda now: max(now + round_trip / 2, known_at)))
                group.create_task(_delayed(far_reader, writer, lambda now: now + round_trip / 2))
        except* OSError:
            pass
        finally:
            writer.close()
            far_writer.close()


async def _delayed(
    source: asyncio.StreamReader, target: asyncio.StreamWriter, due_at: Callable[[float], float]
) -> None:
    """Copy until the end, each block not before it is due."""
    loop = asyncio.get_running_loop()
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_BLOCKS_UNDER_WAY)

    async def collect() -> None:
        while True:
            block = await source.read(_BLOCK)
            await under_way.put((due_at(loop.time()), block))
            if not block:
                return

    collecting = asyncio.create_task(collect())
    try:
        while True:
            due, block = await under_way.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not block:
                if target.can_write_eof():
                    target.write_eof()
                return
            target.write(block)
            await target.drain()
    finally:
        collecting.cancel()
        await asyncio.gather(collecting, return_exceptions=True)
