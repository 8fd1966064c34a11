"""What a fault proxy does with bytes and connections now."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

_BLOCK: Final = 1 << 18
_BLOCKS_UNDER_WAY: Final = 1024
_NARROW_BLOCK: Final = 1 << 15
_NARROW_BLOCKS: Final = 8
"""A narrow way keeps little back: whoever sends too fast is to notice."""
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class Way:
    """The connections there are, and the knobs that faults turn. Lives in the proxy's loop."""

    target: int
    moved: Callable[[int], None]
    round_trip: float = 0.0
    rate: float = 0.0
    alone: int = 0
    cut_in_block: bool = False
    resets_due: int = 0
    reset_after: int = 0
    port: int = 0
    carried: int = 0
    accepted: int = 0
    connections: "set[_Connection]" = field(default_factory=set)
    free: asyncio.Event = field(default_factory=asyncio.Event)
    armed: list[tuple[int, Callable[[], None]]] = field(default_factory=list)
    _holders: list[socket.socket] = field(default_factory=list)
    _listener: socket.socket | None = None
    _timers: list[asyncio.TimerHandle] = field(default_factory=list)

    def listen(self) -> None:
        """Take connections at the port, a new one if there is none."""
        if not self.port:
            holder = _bound(0)  # bound and never listening: nobody else gets the port while it refuses
            self._holders.append(holder)
            self.port = holder.getsockname()[1]
        if self._listener is None:
            self._listener = _bound(self.port)
            self._listener.listen(128)
            asyncio.get_running_loop().add_reader(self._listener, self._accept, self._listener)

    def cut(self) -> None:
        """Reset every connection."""
        for connection in list(self.connections):
            connection.reset()

    def silence(self) -> None:
        """Every connection carries nothing any more."""
        for connection in self.connections:
            connection.silent = True

    def hold(self, seconds: float) -> None:
        """Let nothing pass for so long."""
        self.free.clear()
        self._later(seconds, self.free.set)

    def refuse(self, seconds: float) -> None:
        """Reset and take no connections for so long."""
        self._stop_accepting()
        self.cut()
        self._later(seconds, self.listen)

    def move(self) -> None:
        """Listen elsewhere."""
        self._stop_accepting()
        self.silence()
        self.port = 0
        self.listen()
        self.moved(self.port)

    def heal(self) -> None:
        """All as at the beginning, the round-trip time apart; silent connections are reset."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self.alone, self.cut_in_block, self.resets_due = 0, False, 0
        self.armed.clear()
        self.free.set()
        self.listen()
        for connection in list(self.connections):
            if connection.silent:
                connection.reset()

    def count(self, size: int) -> None:
        """So many bytes have passed; faults that waited for them strike."""
        self.carried += size
        due = [strike for point, strike in self.armed if point <= self.carried]
        self.armed = [(point, strike) for point, strike in self.armed if point > self.carried]
        for strike in due:
            strike()

    async def close(self) -> None:
        """Let go of everything."""
        for timer in self._timers:
            timer.cancel()
        self._stop_accepting()
        tasks = [connection.task for connection in self.connections]
        self.cut()
        await asyncio.gather(*tasks, return_exceptions=True)
        for holder in self._holders:
            holder.close()

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        self._timers = [timer for timer in self._timers if timer.when() > asyncio.get_running_loop().time()]
        self._timers.append(asyncio.get_running_loop().call_later(seconds, act))

    def _stop_accepting(self) -> None:
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    def _accept(self, listener: socket.socket) -> None:
        try:
            near, _ = listener.accept()
        except OSError:
            return  # it left before it was looked at
        self.accepted += 1
        resets = self.resets_due > 0
        self.resets_due -= resets
        _Connection(self, near, reset_after=self.reset_after if resets else None)


class _Connection:
    """One connection through the proxy, from the first byte to the last of both sides."""

    def __init__(self, way: Way, near: socket.socket, *, reset_after: int | None) -> None:
        self.silent = False
        self._ends = (near, socket.socket())
        self._way = way
        self._reset_after = reset_after
        self._resets = False
        self.task = asyncio.get_running_loop().create_task(self._run())
        self.task.add_done_callback(self._let_go)  # also when it is reset before it has begun
        way.connections.add(self)

    def reset(self) -> None:
        """End it at once; both sides see a reset."""
        self._resets = True
        self.task.cancel()

    def _let_go(self, _: asyncio.Task[None]) -> None:
        self._way.connections.discard(self)
        for end in self._ends:
            if self._resets:
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            end.close()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        trip = self._way.round_trip
        near, far = self._ends
        try:
            for end in self._ends:
                end.setblocking(False)
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            known_at = loop.time() + 1.5 * trip
            await asyncio.sleep(1.5 * trip)
            await self._passable()
            await loop.sock_connect(far, ("127.0.0.1", self._way.target))
            async with asyncio.TaskGroup() as group:
                group.create_task(self._carry(near, far, lambda: max(loop.time() + trip / 2, known_at)))
                group.create_task(self._carry(far, near, lambda: loop.time() + trip / 2))
        except* OSError:
            self._resets = True  # one side has reset it: the other is told in the same way

    async def _carry(self, source: socket.socket, target: socket.socket, due_at: Callable[[], float]) -> None:
        """Copy until the end, each block not before it is due."""
        loop = asyncio.get_running_loop()
        rate, free_at = self._way.rate, 0.0
        size, count = (_NARROW_BLOCK, _NARROW_BLOCKS) if rate else (_BLOCK, _BLOCKS_UNDER_WAY)
        under_way: asyncio.Queue[tuple[float, bytes | OSError]] = asyncio.Queue(count)

        async def collect() -> None:
            block: bytes | OSError = b"more"
            while block and not isinstance(block, OSError):
                try:
                    block = await loop.sock_recv(source, size)
                except OSError as error:
                    block = error
                await under_way.put((due_at(), block))

        collecting = loop.create_task(collect())
        try:
            while True:
                due, block = await under_way.get()
                if rate and not isinstance(block, OSError):
                    free_at = max(free_at, loop.time()) + len(block) / rate
                    due = max(due, free_at)
                if due > loop.time():
                    await asyncio.sleep(due - loop.time())
                await self._passable()
                if isinstance(block, OSError):
                    raise block
                if not block:
                    target.shutdown(socket.SHUT_WR)
                    return
                await self._deliver(target, block)
        finally:
            collecting.cancel()
            await asyncio.gather(collecting, return_exceptions=True)

    async def _deliver(self, target: socket.socket, block: bytes) -> None:
        way, send = self._way, asyncio.get_running_loop().sock_sendall
        if way.cut_in_block and len(block) > 1:
            await send(target, block[: len(block) // 2])
            way.cut_in_block = False
            way.cut()
            return
        while way.alone > 0 and block:
            way.alone -= 1
            await send(target, block[:1])
            block = block[1:]
            way.count(1)
            await self._passable()
        await send(target, block)
        if self._reset_after is not None:
            self._reset_after -= len(block)
            if self._reset_after < 0:
                self.reset()
        way.count(len(block))

    async def _passable(self) -> None:
        if self.silent:
            await asyncio.Event().wait()
        while not self._way.free.is_set():
            await self._way.free.wait()
            if self.silent:
                await asyncio.Event().wait()


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setblocking(False)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind(("127.0.0.1", port))
    return bound
