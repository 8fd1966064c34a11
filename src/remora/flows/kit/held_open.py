"""Holding a connection open in a task of its own.

Connections are context managers that must be left by the task that entered them. A stream of events that
may be abandoned at any point cannot promise that; a holder can.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Generic, TypeVar

from remora.core.errors import RemoraError
from remora.flows.kit.timeout import dismiss

T = TypeVar("T")


class Holder(Generic[T]):
    """Enters `connect()` in its own task and leaves it there when asked. For one use."""

    def __init__(self, connect: Callable[[], AbstractAsyncContextManager[T]]) -> None:
        self._ready: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._release = asyncio.Event()
        self._task = asyncio.create_task(self._hold(connect))

    async def opened(self) -> T:
        """What `connect()` gives, or the error with which it failed."""
        return await asyncio.shield(self._ready)

    async def close(self) -> None:
        """Leave the connection, or stop opening it. On return it is gone. Idempotent."""
        self._release.set()
        if self._ready.done():
            await asyncio.gather(self._task, return_exceptions=True)
        else:
            await dismiss(self._task)

    async def _hold(self, connect: Callable[[], AbstractAsyncContextManager[T]]) -> None:
        try:
            async with connect() as held:
                self._ready.set_result(held)
                await self._release.wait()
        except RemoraError as error:
            self._fail(error)
        except BaseException as error:
            self._fail(error)
            raise

    def _fail(self, error: BaseException) -> None:
        if self._ready.done():
            return
        if isinstance(error, asyncio.CancelledError):
            self._ready.cancel()
            return
        self._ready.set_exception(error)
        self._ready.exception()  # seen here: nobody may be waiting any more
