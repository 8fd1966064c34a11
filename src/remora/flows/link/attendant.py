"""Watching one connection while it is live: is it there, does it answer, does the app server behind it?"""

import asyncio
import math
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, Final

from remora.core.backoff import Backoff
from remora.core.errors import Code, ProtocolProblem, RemoraError, Unreachable
from remora.core.server.launch_plan import BytePath
from remora.flows.kit.timeout import dismiss, within_or_none
from remora.flows.link.reach import Reach
from remora.flows.relay.relay_attachment import Attachment
from remora.flows.server.observer import Board
from remora.flows.server.rpc import RpcClient, open_rpc
from remora.ports import ExitStatus, RemoteHost, World
from remora.wire.appserver.jsonrpc import Framing

_UNSPOKEN: Final = frozenset({Code.HANDSHAKE_FAILED, Code.PROTOCOL_VIOLATION, Code.MESSAGE_TOO_LARGE})
"""A server that speaks otherwise than WebSocket on its socket, or without measure: it is used, but not watched."""
_LARGEST_NEWS: Final = 64 * 1024 * 1024
"""Bytes of one message to somebody who opens no thread; many links must not hold many large ones."""
_STEADY: Final = 5.0
"""A watch that held so long was no failure to watch."""
_PULSES: Final = 4
"""How often within the time after which a stall is shown the relay is asked."""
_PAUSES: Final = Backoff(first=0.5, quick=7, total=math.inf)


class Attendance:
    """The watch over one connection; `probe` is set from outside when the connection is in doubt.

    `answered` is called when the app server has answered through `way`, `doubted` when it dropped us after that;
    `stalled` with the seconds that an overdue answer has been owed, or `None`.
    """

    def __init__(
        self,
        host: RemoteHost,
        way: Reach,
        attachment: Attachment | None,
        *,
        board: Board,
        world: World,
        probe: asyncio.Event,
        answered: Callable[[], None],
        doubted: Callable[[], None],
        stalled: Callable[[float | None], None],
    ) -> None:
        self._host = host
        self._way = way
        self._attachment = attachment
        self._board = board
        self._clock = world.clock
        self._limits = world.limits
        self._probe = probe
        self._answered = answered
        self._doubted = doubted
        self._stalled = stalled

    async def until_over(self) -> RemoraError:
        """Wait for the end: ``connection-lost``, ``host-left``, ``relay-failed``, ``server-gone``, or whatever."""
        watches: list[Coroutine[Any, Any, RemoraError]] = [self._lost(), self._unanswered_probe()]
        if self._way.byte_path is not BytePath.PROXY:  # a proxy takes a session of its own
            watches.append(self._server_gone())
        tasks = [asyncio.ensure_future(watch) for watch in watches]
        if self._attachment is not None:
            tasks.append(asyncio.ensure_future(self._pulse(self._attachment)))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return next(task.result() for task in tasks if task.done())
        finally:
            await dismiss(*tasks)
            self._stalled(None)

    async def _lost(self) -> RemoraError:
        if self._attachment is not None:
            return await self._attachment.wait_lost()
        return await self._host.wait_lost()

    async def _unanswered_probe(self) -> RemoraError:
        while True:
            await self._probe.wait()
            self._probe.clear()
            if not await self._answers(self._limits.wake):
                return _lost(f"The connection did not answer within {self._limits.wake:g} seconds after a sleep.")

    async def _answers(self, limit: float) -> bool:
        if self._attachment is not None:
            return await self._attachment.ping(limit)
        try:
            return await within_or_none(self._clock, limit, self._start_nothing()) is not None
        except RemoraError as error:
            return error.code not in {Code.CONNECTION_LOST, Code.HOST_LEFT}  # a refusal is an answer

    async def _start_nothing(self) -> ExitStatus:
        process = await self._host.start(("true",))
        try:
            return await process.wait()
        finally:
            await process.close()

    async def _pulse(self, attachment: Attachment) -> RemoraError:
        """Ask now and then, and show a stall; only the SSH keepalives cut."""
        stall = self._limits.stall
        asking = asyncio.ensure_future(attachment.ping(stall))
        try:
            while True:
                await self._clock.sleep(stall / _PULSES)
                since = attachment.quiet_since
                quiet = 0.0 if since is None else self._clock.monotonic() - since
                self._stalled(quiet if quiet >= stall else None)
                if asking.done():
                    asking = asyncio.ensure_future(attachment.ping(stall))
        finally:
            await dismiss(asking)

    async def _server_gone(self) -> RemoraError:
        """Listen to the app server, again when only the listener was dropped, until it is gone."""
        dropped, answered_before = 0, False
        while True:
            began = self._clock.monotonic()
            heard = asyncio.Event()
            error = await self._listen(heard)
            if error.code in _UNSPOKEN:
                self._answered()
                await asyncio.Event().wait()
            if error.code is Code.CONNECTION_LOST and self._attachment is None:
                return error
            if not heard.is_set() and (error.code is not Code.TIME_LIMIT or not answered_before):
                return error if error.code is Code.TIME_LIMIT else _gone(error)
            if heard.is_set():
                self._doubted()
                answered_before = True
            dropped = 0 if self._clock.monotonic() - began >= _STEADY else dropped + 1
            if dropped:
                await self._clock.sleep(_PAUSES.delay(dropped, elapsed=0.0, chance=1.0) or 0.0)

    async def _listen(self, heard: asyncio.Event) -> RemoraError:
        """One connection to the app server; `heard` is set when it answers, and why it ended is given."""
        try:
            stream = await self._way.open_server(transient=True)
            limits = replace(self._limits, message=min(self._limits.message, _LARGEST_NEWS))
            opening = open_rpc(stream, Framing.WEBSOCKET, clock=self._clock, limits=limits)
            async with opening as rpc:
                self._answered()
                heard.set()
                rpc.deliver_to(self._board)
                await self._look(rpc)
                await rpc.wait_closed()
                return rpc.failure or _lost("The connection to the app server ended.")
        except RemoraError as error:
            return error

    async def _look(self, rpc: RpcClient) -> None:
        """A server that does not list its threads is no reason to do without it."""
        try:
            await self._board.look(rpc)
        except RemoraError:
            if rpc.failure is not None:
                raise


def _lost(sentence: str) -> Unreachable:
    return Unreachable(
        Code.CONNECTION_LOST,
        sentence,
        next_step="Wait; remora reconnects automatically. See the progress with: remora status",
    )


def _gone(error: RemoraError) -> RemoraError:
    if error.code is Code.SERVER_GONE:
        return error
    return ProtocolProblem(
        Code.SERVER_GONE,
        f"The app server has ended: {error.message}",
        seen=error.seen,
        next_step="Wait; remora starts it again. The host keeps the threads on its disk.",
    )
