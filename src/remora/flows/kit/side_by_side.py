"""Works that run side by side, and one stream of what they tell."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Iterable
from typing import Any, Generic, TypeVar

from remora.flows.kit.timeout import dismiss

T = TypeVar("T")


class SideBySide(Generic[T]):
    """Works tell, whenever they like; one reader hears all of it, in order. Each is for one reading."""

    def __init__(self) -> None:
        self._told: asyncio.Queue[T | asyncio.Task[None]] = asyncio.Queue()

    def tell(self, item: T) -> None:
        """Something for the reader, who never makes a work wait."""
        self._told.put_nowait(item)

    @property
    def unread(self) -> int:
        """How much waits for the reader."""
        return self._told.qsize()

    async def run(self, works: Iterable[Coroutine[Any, Any, None]]) -> AsyncGenerator[T, None]:
        """Do `works`: what they tell, until all of them are over. What one of them raises ends the others, too.

        Close the iterator to stop: nothing is left running.
        """
        tasks = [asyncio.create_task(work) for work in works]
        for task in tasks:
            task.add_done_callback(self._told.put_nowait)
        running = len(tasks)
        try:
            while running:
                item = await self._told.get()
                if isinstance(item, asyncio.Task):
                    item.result()
                    running -= 1
                else:
                    yield item
        finally:
            await dismiss(*tasks)
