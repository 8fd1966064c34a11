"""What is on its way to an app server: messages in order, and the requests among them that somebody waits for."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import msgspec

from remora.core.errors import RemoraError
from remora.flows.server.transport import MessageTransport


@dataclass(slots=True)
class Call:
    """A request on its way since `asked`. Until `started`, nothing of it has left."""

    method: str
    answer: asyncio.Future[msgspec.Raw]
    asked: float
    started: bool = False


@dataclass(slots=True)
class Outgoing:
    """A message that waits to be written; `sent` is done when the transport has it."""

    message: bytes
    call: Call | None
    sent: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Outbox:
    """Messages are posted from anywhere and written by one."""

    def __init__(self, transport: MessageTransport) -> None:
        self._transport = transport
        self._waiting: asyncio.Queue[Outgoing | None] = asyncio.Queue()
        self._writing: Outgoing | None = None
        self._flushes = False

    @property
    def size(self) -> int:
        """How many messages wait."""
        return self._waiting.qsize()

    def post(self, message: bytes, call: Call | None = None) -> Outgoing:
        """Write it when all that was posted before is written."""
        outgoing = Outgoing(message, call)
        self._waiting.put_nowait(outgoing)
        return outgoing

    def flush(self) -> None:
        """Let the transport write what it has to say itself."""
        if not self._flushes:
            self._flushes = True
            self._waiting.put_nowait(None)

    async def write_all(self) -> None:
        """Write until the connection ends; raises why it did."""
        while True:
            outgoing = await self._waiting.get()
            if outgoing is None:
                self._flushes = False
                await self._transport.flush()
                continue
            if outgoing.call is not None:
                if outgoing.call.answer.done():
                    continue  # nobody waits any more and nothing of it has left: it stays here
                outgoing.call.started = True
            self._writing = outgoing
            await self._transport.send(outgoing.message)
            self._writing = None
            if not outgoing.sent.done():
                outgoing.sent.set_result(None)

    def fail(self, error: RemoraError) -> None:
        """What waits will not be written."""
        waiting = [self._writing]
        while not self._waiting.empty():
            waiting.append(self._waiting.get_nowait())
        for outgoing in waiting:
            if outgoing is not None:
                fail(outgoing.sent, error)


def fail(future: "asyncio.Future[Any]", error: RemoraError) -> None:
    """Let whoever waits for `future` have `error`; it may be that nobody does."""
    if not future.done():
        future.set_exception(error)
        future.add_done_callback(ignore)


def ignore(future: "asyncio.Future[Any]") -> None:
    """Take what a future ends with, for nobody."""
    if not future.cancelled():
        future.exception()
