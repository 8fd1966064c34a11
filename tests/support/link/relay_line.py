"""A laptop's end of the relay on a line in memory: what is on the line is what the test puts there."""

import asyncio
from collections.abc import Callable

from remora.core.errors import Code, Unreachable
from remora.core.settings import DEFAULT_LIMITS
from remora.flows.relay.relay import RelaySession
from remora.testing.manual_clock import ManualClock
from remora.wire.relay import relay_frames as frames

_HELD = 64 * 1024


class Line:
    """A connection that holds so much; a writer that finds more there waits in the middle of what it writes."""

    def __init__(self) -> None:
        self.written = bytearray()
        self.at_once = 0
        self.broken = False
        self._room = asyncio.Event()
        self._incoming: asyncio.Queue[bytes] = asyncio.Queue()
        self._listener: Callable[[bytes], bytes] | None = None

    @property
    def prompt(self) -> bool:
        return len(self.written) < _HELD

    def write_now(self, data: bytes) -> None:
        assert self.prompt
        if self.broken:
            raise Unreachable(Code.CONNECTION_LOST, "Gone.", next_step="None.")
        self.at_once += 1
        self.written += data

    async def write(self, data: bytes) -> None:
        for start in range(0, len(data), 1000):
            while not self.prompt:
                self._room.clear()
                await self._room.wait()
            self.written += data[start : start + 1000]

    async def read(self, limit: int = 65536) -> bytes:
        return await self._incoming.get()

    async def write_eof(self) -> None:
        raise AssertionError("nobody ends a connection so")

    async def close(self) -> None:
        pass

    def listen(self, listener: Callable[[bytes], bytes]) -> None:
        self._listener = listener

    def answer(self, data: bytes) -> None:
        if self._listener is not None and self._incoming.empty():
            data = self._listener(data)
        if data:
            self._incoming.put_nowait(data)

    def take(self) -> bytes:
        taken = bytes(self.written)
        self.written.clear()
        self._room.set()
        return taken


def laptop() -> RelaySession:
    return RelaySession(clock=ManualClock(), limits=DEFAULT_LIMITS, nonce=lambda: "f" * 32)


def welcome() -> bytes:
    return frames.encode_table(frames.WELCOME, {"incarnation": "first", "resumed": False, "received": 0})


class Near:
    """A client that notes what it is given."""

    def __init__(self) -> None:
        self.given = b""
        self.ended = self.gone = False

    def take(self, data: bytes) -> None:
        self.given += data

    def take_end(self) -> None:
        self.ended = True

    def cut(self) -> None:
        self.gone = True

    def resume(self) -> None:
        raise AssertionError("nothing was held")
