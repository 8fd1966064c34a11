"""Who may use the screen: the running view, or one question at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Floor:
    """Keeps a question and the stream apart, and a question behind the events that led to it.

    The stream awaits :meth:`free` before each event and calls :meth:`announce` when it showed a request. From
    then on the screen belongs to whoever asks about that request, until the answer.
    """

    def __init__(self) -> None:
        self._one_at_a_time = asyncio.Lock()
        self._announced: set[object] = set()
        self._waiting: dict[object, list[asyncio.Future[None]]] = {}
        self._asking = 0
        self._free = asyncio.Event()
        self._free.set()

    async def free(self) -> None:
        """Wait until no question is on the screen."""
        await self._free.wait()

    @property
    def taken(self) -> bool:
        """Whether a question is on the screen."""
        return not self._free.is_set()

    def announce(self, topic: object) -> None:
        """The request `topic` was shown. Whoever waits to ask about it has the screen at once."""
        self._announced.add(topic)
        for waiting in self._waiting.pop(topic, []):
            if not waiting.done():
                self._take()
                waiting.set_result(None)

    @asynccontextmanager
    async def ask(self, topic: object = None) -> AsyncIterator[None]:
        """Have the screen for one question; with `topic`, not before that was announced."""
        if topic is None or topic in self._announced:
            self._take()
        else:
            await self._announcement(topic)
        try:
            async with self._one_at_a_time:
                yield
        finally:
            self._leave(topic)

    async def _announcement(self, topic: object) -> None:
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(topic, []).append(waiting)
        try:
            await waiting
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled():
                self._leave(topic)
            raise

    def _take(self) -> None:
        self._asking += 1
        self._free.clear()

    def _leave(self, topic: object) -> None:
        self._announced.discard(topic)  # after a reconnect the same request is shown, and asked, again
        self._asking -= 1
        if not self._asking:
            self._free.set()
