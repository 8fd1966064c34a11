"""One prompt, from connecting to the true outcome, across lost connections."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any, Final, Protocol, TypeVar

from remora.core.backoff import Backoff, may_retry
from remora.core.errors import RemoraError
from remora.core.host.hosts import Notice
from remora.core.link.faults import host_changed
from remora.core.link.links import HostIdentity
from remora.core.link.retry_judge import RetryJudge, may_help
from remora.core.server.launch_plan import BytePath, LaunchMode
from remora.core.settings import Limits
from remora.flows.approval.chain import ApprovalChain
from remora.flows.kit.held_open import Holder
from remora.flows.kit.stop_request import InterruptSwitch
from remora.flows.kit.timeout import dismiss
from remora.flows.server.launch import Ahead, nothing_ahead
from remora.flows.server.rpc import RpcClient
from remora.flows.thread.run_request import RunRequest
from remora.flows.thread.thread_open import Opening
from remora.flows.thread.turn import Turn, TurnEnd
from remora.ports import Clock, EventSpool
from remora.wire.reports import error_body, notice_bodies
from remora.wire.reports.run import Connected, LinkLost, Reconnected, Reconnecting, RunEvent
from remora.wire.reports.summary import Summary

T = TypeVar("T")

_SILENT: Final = 2.0
"""Seconds without an answer that are worth a word."""
_STEADY_SECONDS: Final = 60.0
"""A connection that lasted this long makes the next pauses short again."""
_USEFUL_SECONDS: Final = 10.0
"""A connection that broke sooner belongs to the same trouble, whose time is limited as a whole."""
_LEAVE: Final = 2
"""So many interrupts leave the turn running."""


class RunServer(Protocol):
    """What a run needs of a connected app server: the facts of its report, and somebody to ask.

    :class:`remora.flows.server.launch.AppServer` and :class:`remora.flows.link.linked.LinkedServer` have it.
    """

    @property
    def rpc(self) -> RpcClient: ...
    @property
    def identity(self) -> HostIdentity | None: ...
    @property
    def user(self) -> str: ...
    @property
    def hostname(self) -> str: ...
    @property
    def mode(self) -> LaunchMode: ...
    @property
    def byte_path(self) -> BytePath: ...
    @property
    def version(self) -> str | None: ...
    @property
    def owner(self) -> str | None: ...
    @property
    def codex_path(self) -> str | None: ...
    @property
    def folder(self) -> str | None: ...
    @property
    def notices(self) -> Sequence[Notice]: ...


Connect = Callable[[Ahead], AbstractAsyncContextManager[RunServer]]


class _Stopped(Exception):
    """The user wants to stop, and what we wait for is not worth finishing."""


@dataclass(slots=True)
class _Link:
    """One connection and what is open on it."""

    server: RunServer
    holder: Holder[RunServer]
    spool: EventSpool


async def run_thread(
    connect: Connect,
    request: RunRequest,
    *,
    alias: str,
    approvals: ApprovalChain,
    interrupt: InterruptSwitch,
    clock: Clock,
    random: Random,
    limits: Limits,
    spool: Callable[[], EventSpool],
    opening: Opening | None = None,
) -> AsyncGenerator[RunEvent, None]:
    """Run `request` and tell what happens; the last document is the report.

    Order: as in :mod:`remora.wire.reports.run`. Before the server has taken the prompt, failures are
    raised as they are; afterwards they are in the report, whose outcome is the truth as far as it is known.
    When the link breaks, `connect` is called again, with pauses, within ``limits.reconnect_total``. Closing
    the iterator early (``contextlib.aclosing``), or cancelling who waits for it, stops the turn on the host as
    `interrupt` does, because nobody is left to answer it; two interrupts before leave it running there.
    """
    began = clock.monotonic()
    turn = Turn(request, approvals, clock=clock, limits=limits, opening=opening)
    summary = Summary(alias, request.options)
    run = _Run(connect, turn, alias=alias, interrupt=interrupt, clock=clock, random=random, limits=limits, spool=spool)
    try:
        async with aclosing(run.events()) as events:
            async for event in events:
                summary.note(event)
                yield event
        end = turn.end or TurnEnd("unknown", goes_on=turn.survives)
        yield summary.report(
            end.outcome,
            goes_on=end.goes_on,
            seconds=round(clock.monotonic() - began, 3),
            error=end.error,
            interrupted=interrupt.count > 0,
            reason=_with_silence(interrupt.reason, run.silence, alias),
            remains=end.remains,
        )
    except RemoraError as error:
        error.belongs_to(alias)
        raise
    finally:
        await run.close()


class _Run:
    """The loop over connections. :class:`Turn` knows the rest."""

    def __init__(
        self,
        connect: Connect,
        turn: Turn,
        *,
        alias: str,
        interrupt: InterruptSwitch,
        clock: Clock,
        random: Random,
        limits: Limits,
        spool: Callable[[], EventSpool],
    ) -> None:
        self._connect = connect
        self._turn = turn
        self._alias = alias
        self._interrupt = interrupt
        self._clock = clock
        self._random = random
        backoff = Backoff(total=limits.reconnect_total)
        self._retries = RetryJudge(backoff, steady=_STEADY_SECONDS, useful=_USEFUL_SECONDS)
        self._new_spool = spool
        self._link: _Link | None = None
        self._identity: HostIdentity | None = None
        """The machine where the turn began."""
        self.silence = 0.0
        """For how long the host had owed an answer and said nothing when it was left."""
        self._wishes = [asyncio.ensure_future(interrupt.wait(times)) for times in (1, 2)]

    async def events(self) -> AsyncGenerator[RunEvent, None]:
        """Everything but the report."""
        try:
            async with aclosing(self._across_breaks()) as events:
                async for event in events:
                    yield event
        except _Stopped:
            self._turn.stopped()
            self.silence = 0.0 if self._link is None else self._link.server.rpc.silence
        for event in await self._turn.desk.finish():
            yield event

    async def close(self) -> None:
        """Let go of the connection and of everything under way. Idempotent."""
        await dismiss(*self._wishes)
        if self._interrupt.count < _LEAVE and self._link is not None:
            await self._turn.abandon()
        await self._turn.close()
        await self._unlink()

    async def _across_breaks(self) -> AsyncGenerator[RunEvent, None]:
        link = await self._open_link()
        yield self._connected(link.server)
        while True:
            cause = None
            try:
                async with aclosing(self._linked(link)) as events:
                    async for event in events:
                        yield event
            except RemoraError as error:
                cause = self._break_behind(error, link)
            if cause is None:
                return
            await self._unlink()
            await self._turn.cut()
            yield LinkLost(error=error_body(cause))
            self._retries.broke(self._clock.monotonic())
            while self._link is None:
                delay = self._pause(cause)
                if delay is None:
                    return
                yield Reconnecting(attempt=self._retries.attempt, delay=round(delay, 3))
                await self._unless_stopped(self._clock.sleep(delay))
                cause = await self._try_link() or cause
            link = self._link
            yield Reconnected(launch_mode=link.server.mode.value, byte_path=link.server.byte_path.value)

    def _pause(self, cause: RemoraError) -> float | None:
        """How long to wait before the next attempt; `None`, and the end is set, when there is none."""
        delay = self._retries.pause(self._clock.monotonic(), self._random.random())
        if delay is None or not may_help(cause):
            self._turn.end = TurnEnd("unknown", goes_on=self._turn.survives, error=cause)
            return None
        return delay

    def _break_behind(self, error: RemoraError, link: _Link) -> RemoraError | None:
        """The broken link behind `error`. Other errors are raised, or are the end of a prompt that is out."""
        failure = link.server.rpc.failure
        if failure is not None and may_retry(failure):
            return failure
        if not self._turn.prompt_sent:
            raise error
        self._turn.end = TurnEnd("unknown", goes_on=self._turn.survives, error=failure or error)
        return None

    # -- one connection

    async def _open_link(self) -> _Link:
        # A connection that was made again is asked for nothing before it is known where it leads.
        holder = Holder(partial(self._connect, self._turn.ahead if self._identity is None else nothing_ahead))
        try:
            server = await self._unless_stopped(holder.opened())
            self._recognise(server)
        except BaseException:
            await holder.close()
            raise
        spool = self._new_spool()
        server.rpc.deliver_to(spool)
        self._turn.survives = server.mode is not LaunchMode.ATTACHED
        self._link = _Link(server, holder, spool)
        self._retries.came_up(self._clock.monotonic())
        return self._link

    def _recognise(self, server: RunServer) -> None:
        """Raises ``host-changed`` where the name led to another machine before: the turn is there, not here."""
        before, now = self._identity, server.identity
        if before is None:
            self._identity = now
        elif now is not None and not before.is_same_host(now):
            raise host_changed(self._alias, before=before, now=now)

    async def _try_link(self) -> RemoraError | None:
        try:
            await self._open_link()
        except RemoraError as error:
            return error
        return None

    async def _unlink(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            await link.holder.close()
            link.spool.close()

    async def _linked(self, link: _Link) -> AsyncGenerator[RunEvent, None]:
        turn, rpc = self._turn, link.server.rpc
        for event in await self._unless_stopped(turn.open_thread(rpc, link.server.folder)):
            yield event
        for event in await self._unless_stopped(turn.open_turn(rpc)):
            yield event
        record = asyncio.ensure_future(link.spool.get())
        try:
            while not turn.settled or (turn.was_stopped and await _has_come(record)):
                await self._something(record, rpc)
                for event in [*await turn.desk.conclude(rpc), *turn.settle()]:
                    yield event
                if record.done():
                    message = record.result()
                    if message is None:
                        await rpc.wait_closed()
                        if turn.end is not None:
                            turn.stopped()
                            return
                        raise rpc.failure or RuntimeError("a connection ends with a reason")
                    for event in await turn.take(rpc, message):
                        yield event
                    record = asyncio.ensure_future(link.spool.get())
        finally:
            await dismiss(record)

    async def _something(self, record: "asyncio.Future[bytes | None]", rpc: RpcClient) -> None:
        """Wait for a message, a decision, or the user's wish to stop."""
        once, twice = self._wishes
        turn = self._turn
        awaited: set[asyncio.Future[Any]] = {record, twice, *turn.desk.deciding}
        if turn.settling is not None:
            awaited.add(turn.settling)
        if once.done() and turn.end is None:
            turn.interrupt(rpc)
        elif not once.done():
            awaited.add(once)
        await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        if twice.done():
            raise _Stopped
        if once.done() and turn.end is None:
            turn.interrupt(rpc)

    async def _unless_stopped(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work`; leave it when the user wants to stop: at the first wish while nothing is at stake."""
        once, twice = self._wishes
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                if twice.done() or (once.done() and not self._turn.prompt_sent):
                    raise _Stopped
                wish: asyncio.Future[Any] = twice if once.done() else once
                await asyncio.wait({task, wish}, return_when=asyncio.FIRST_COMPLETED)
            return task.result()
        finally:
            await dismiss(task)

    def _connected(self, server: RunServer) -> Connected:
        return Connected(
            host=self._alias,
            user=server.user,
            hostname=server.hostname,
            launch_mode=server.mode.value,
            byte_path=server.byte_path.value,
            server_version=server.version,
            server_owner=server.owner,
            codex_path=server.codex_path,
            notices=notice_bodies(server.notices),
        )


async def _has_come(record: "asyncio.Future[bytes | None]") -> bool:
    """Whether a message is there already: the last ones of a stopped turn come right before the proof of its end."""
    await asyncio.sleep(0)
    return record.done()


def _with_silence(reason: RemoraError | None, seconds: float, alias: str) -> RemoraError | None:
    """Why a run had to stop, and that the host was what it waited for."""
    if reason is None or seconds < _SILENT:
        return reason
    return type(reason)(
        reason.code,
        f"{reason.message} {alias} has not answered for {seconds:.0f} s.",
        next_step=f"Check whether it is frozen or disconnected with: remora check {alias}",
        seen=reason.seen,
        host=alias,
        stage=reason.stage,
    )
