"""A TCP proxy on loopback that misbehaves on request, as networks do."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Final, Self

from tests.support.network.fault_way import Way
from tests.support.network.faults import Fault

_ANSWER_LIMIT: Final = 10.0


class FaultProxy:
    """A proxy to ``127.0.0.1:target`` in a thread of its own, as a context manager; usable from any thread.

    `moved` hears the new port after an :class:`AddressChange`, in the proxy's thread.
    """

    def __init__(self, target: int, *, moved: Callable[[int], None] = lambda port: None) -> None:
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._way = Way(target, moved)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), name="fault-proxy")

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

    @property
    def port(self) -> int:
        """Where it listens now."""
        return self._way.port

    @property
    def round_trip(self) -> float:
        """What the last :class:`~tests.support.network.faults.Delay` said."""
        return self._way.round_trip

    @property
    def carried(self) -> int:
        """Bytes that have passed, both ways together."""
        return self._way.carried

    @property
    def accepted(self) -> int:
        """Connections it has taken."""
        return self._way.accepted

    @property
    def open_connections(self) -> int:
        """Connections there are now, silent ones too."""
        return len(self._way.connections)

    def strike(self, fault: Fault, *, after: int = 0) -> None:
        """Let `fault` begin: now, before this returns, or when `after` more bytes have passed."""

        def begin() -> None:
            if after:
                self._way.armed.append((self._way.carried + after, lambda: fault.strike(self._way)))
            else:
                fault.strike(self._way)

        self._in_loop(begin)

    @property
    def waits(self) -> bool:
        """Whether a fault still waits for its bytes."""
        return bool(self._way.armed)

    def heal(self) -> None:
        """End all faults, those that wait too; what was silent is reset. The round-trip time stays."""
        self._in_loop(self._way.heal)

    def _in_loop(self, act: Callable[[], None]) -> None:
        done: Future[None] = Future()

        def do() -> None:
            try:
                act()
            except Exception as error:
                done.set_exception(error)
            else:
                done.set_result(None)

        self._loop.call_soon_threadsafe(do)
        done.result(_ANSWER_LIMIT)

    async def _serve(self) -> None:
        self._way.free.set()
        self._way.listen()
        self._ready.set()
        await self._stop.wait()
        await self._way.close()
