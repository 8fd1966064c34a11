"""A program that speaks newline-delimited JSON, as an SDK or an editor does, and an app server that speaks WebSocket.

The messages are theirs, ``initialize`` included; :mod:`remora.flows.client.client_guard` says what is changed, refused
or left out.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from remora.core.errors import Code, ProtocolProblem, RemoraError
from remora.core.settings import Limits
from remora.flows.client.client_guard import ClientGuard
from remora.flows.kit.portions import Portions
from remora.flows.kit.timeout import dismiss, within_or_none
from remora.ports import ByteStream, Clock
from remora.wire.client.conversation import Conversation
from remora.wire.socket.line_pieces import LineCutter, as_line
from remora.wire.socket.socket_pieces import Piece, PieceSocket

_READ: Final = 256 * 1024
_PORTION: Final = 32 * 1024
"""Bytes from the server at once: what passes through in pieces costs less than what is put together."""
_FAREWELL: Final = 1.0
"""Seconds that a server gets to answer our farewell."""


async def bridge(
    client: ByteStream,
    server: ByteStream,
    *,
    guard: Callable[[Conversation], ClientGuard],
    clock: Clock,
    limits: Limits,
) -> None:
    """Carry messages between `client` (lines) and `server` (a WebSocket after its upgrade) until one of them ends.

    What the client says passes a `guard` that is made for this conversation.
    Messages may have any size: each side is read only as fast as the other one takes. When the client has ended,
    what it asked for is still answered, within ``limits.request``. Raises ``server-gone`` when the server ends first,
    ``handshake-failed``, ``protocol-violation``, and what the streams raise. On return `server` is closed.
    """
    carrier = _Carrier(client, server, guard, clock=clock, limits=limits)
    try:
        await carrier.open()
        await carrier.carry()
    finally:
        await server.close()


class _Carrier:
    """Two directions and the answers to pings, each in a task of its own, so that none waits for another."""

    def __init__(
        self,
        client: ByteStream,
        server: ByteStream,
        guard: Callable[[Conversation], ClientGuard],
        *,
        clock: Clock,
        limits: Limits,
    ) -> None:
        self._client = client
        self._server = server
        self._portions = Portions(server, _PORTION)
        self._clock = clock
        self._limits = limits
        self._socket = PieceSocket()
        self._conversation = Conversation()
        self._guard = guard(self._conversation)
        self._between = True
        self._answers = bytearray()
        self._answered = asyncio.Event()
        self._pinged = asyncio.Event()
        self._writing = asyncio.Lock()
        self._telling = asyncio.Lock()

    async def open(self) -> None:
        """Upgrade. As long as the link is down it waits."""
        await self._server.write(self._socket.upgrade())
        while not self._socket.is_open:
            data = await self._portions.read(self._socket.work)
            if not data:
                raise _gone()
            await self._pass_on(data)

    async def carry(self) -> None:
        """Until an end is reached."""
        speaking = asyncio.ensure_future(self._speak())
        listening = asyncio.ensure_future(self._listen())
        answering = asyncio.ensure_future(self._answer_pings())
        try:
            await asyncio.wait({speaking, listening, answering}, return_when=asyncio.FIRST_COMPLETED)
            for task in (listening, answering, speaking):
                if task.done():
                    task.result()
            if not speaking.done():
                raise _gone()
            with suppress(RemoraError):  # all that was asked for is answered; how the server leaves does not matter
                await within_or_none(self._clock, _FAREWELL, _settled(listening))
        finally:
            await dismiss(speaking, listening, answering)

    async def _speak(self) -> None:
        cutter = LineCutter()
        while data := await self._client.read(_READ):
            await self._say(cutter.feed(data))
        await self._say(cutter.finish())
        await within_or_none(self._clock, self._limits.request, self._all_answered())  # the client waits for nothing
        await self._write(self._socket.close())

    async def _say(self, pieces: Iterable[Piece]) -> None:
        for piece in pieces:
            passed = await self._guard.take(piece)
            if passed.pieces:
                await self._write(b"".join(map(self._socket.send, passed.pieces)))
            for answer in passed.answers:
                await self._tell(answer + b"\n")

    async def _listen(self) -> None:
        while not self._socket.is_over and (data := await self._portions.read(self._socket.work)):
            await self._pass_on(data)

    async def _pass_on(self, data: bytes) -> None:
        out = bytearray()
        async with self._telling:
            for told in self._socket.receive(data):
                passed = await self._guard.hear(told)
                self._conversation.heard(told)
                for piece in passed:
                    out += as_line(piece)
                    self._between = piece.last
                    if self._between and self._answers:
                        out += self._answers
                        self._answers = bytearray()
            if out:
                await self._client.write(bytes(out))
        if self._socket.has_pending:
            self._pinged.set()
        if not self._conversation.open_requests:
            self._answered.set()

    async def _tell(self, line: bytes) -> None:
        """Say a line of our own to the client, between two of the server's."""
        async with self._telling:
            if self._between:
                await self._client.write(line)
            else:
                self._answers += line

    async def _all_answered(self) -> None:
        while self._conversation.open_requests:
            self._answered.clear()
            await self._answered.wait()

    async def _answer_pings(self) -> None:
        while True:
            await self._pinged.wait()
            self._pinged.clear()
            await self._write(self._socket.pending())

    async def _write(self, data: bytes) -> None:
        async with self._writing:
            await self._server.write(data)


async def _settled(task: "asyncio.Future[None]") -> None:
    await asyncio.wait({task})
    task.result()


def _gone() -> ProtocolProblem:
    return ProtocolProblem(
        Code.SERVER_GONE,
        "The app server ended the connection.",
        next_step="Start the program again; the host keeps its threads, and you can resume them.",
    )
