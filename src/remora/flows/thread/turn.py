"""One prompt on one thread: what is known of it, whatever connection it is seen through."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from remora.core.errors import Code, Denied, ProtocolProblem, RemoraError, TaskFailed
from remora.core.server.probes import FolderFacts
from remora.core.server.request_faults import answer_late
from remora.core.settings import Limits
from remora.core.thread.remains import Remains
from remora.flows.approval.chain import ApprovalChain
from remora.flows.approval.desk import ApprovalDesk
from remora.flows.kit.timeout import dismiss, within
from remora.flows.server.rpc import Asked, RpcClient
from remora.flows.server.thread_client import ThreadClient
from remora.flows.thread.run_request import RunRequest
from remora.flows.thread.thread_open import OpenedThread, Opening, refuse_looser
from remora.flows.thread.turn_stop import TurnStop
from remora.ports import Clock
from remora.wire.appserver import calls, jsonrpc
from remora.wire.appserver.calls import ThreadState
from remora.wire.appserver.safety import Terms, read_terms
from remora.wire.appserver.story import Story
from remora.wire.appserver.turns import INTERRUPTED, TurnState, find_by_message, read_turn
from remora.wire.reports.run import CommandStarted, RunEvent, ThreadReady, TurnStarted, Warned

_GRACE_SECONDS: Final = 2.0
"""What history does not show right after a break gets so long to appear there."""
_GOAL_PAUSED: Final = "The goal of the thread would have started the next turn; remora paused it."
_NO_COMMANDS_KEPT: Final = (
    "This codex keeps no commands in its history, so commands from the time without connection are not shown."
)


@dataclass(frozen=True, slots=True)
class TurnEnd:
    """How it ended, in the words of :class:`~remora.wire.reports.run.RunReport`."""

    outcome: str
    goes_on: bool = False
    error: RemoraError | None = None
    remains: Remains | None = None
    """What is left of a turn that we stopped; `None` when we stopped none."""


class Turn:
    """The thread, the prompt, and what was shown of its turn. Use from one task; lives across connections."""

    def __init__(
        self,
        request: RunRequest,
        approvals: ApprovalChain,
        *,
        clock: Clock,
        limits: Limits,
        opening: Opening | None = None,
    ) -> None:
        self._request = request
        self._opening = opening or Opening(request)
        self._clock = clock
        self._limits = limits
        self._story = Story()
        self.desk = ApprovalDesk(approvals, self._story)
        self._thread: ThreadState | None = None
        self._terms: Terms | None = None
        self._settled = False
        self._denied: Denied | None = None
        self._thread_asked = False
        self._known_turns: frozenset[str] = frozenset()
        self._turn_id: str | None = None
        self._commands: set[str] = set()
        self._rpc: RpcClient | None = None
        self._stop: TurnStop | None = None
        self._interrupting: asyncio.Task[None] | None = None
        self.settling: asyncio.Task[Remains] | None = None
        """What proves that nothing of a stopped turn goes on; when it is done, call :meth:`settle`."""
        self.prompt_sent = False
        """The prompt has left, or may have."""
        self.survives = True
        """Whether the server lives on without our connection."""
        self.end: TurnEnd | None = None

    # -- opening, on every connection

    def ahead(self, folder: FolderFacts) -> list[Asked]:
        """What can be asked in one flight with ``initialize``: on the first connection, the thread."""
        return [] if self._thread_asked else self._opening.ahead(folder)

    async def open_thread(self, rpc: RpcClient, folder: str | None) -> list[RunEvent]:
        """Start the thread or open it again, so that its events come to this connection."""
        self._rpc = rpc
        if self._thread is None:
            return await self._open_first(rpc, folder)
        try:
            self._thread = await self._opening.reopen(rpc, self._thread)
        except RemoraError as error:
            never_used = not self.prompt_sent and self._request.thread is None
            if error.code is not Code.THREAD_MISSING or not never_used:
                raise
            return await self._open_first(rpc, folder)
        return []

    async def open_turn(self, rpc: RpcClient) -> list[RunEvent]:
        """Send the prompt; if that was done before, find out what became of it and tell what was missed."""
        threads = ThreadClient(rpc)
        if not self.prompt_sent:
            return await self._send_prompt(threads)
        turn = await self._find(threads)
        if turn is None:
            self.end = TurnEnd("unknown", goes_on=self.survives, error=self._prompt_unknown())
            return []
        return [*self._known_as(turn.turn_id), *await self._catch_up(threads, turn)]

    async def take(self, rpc: RpcClient, record: bytes) -> list[RunEvent]:
        """Take one message that the server sent by itself."""
        message = jsonrpc.decode(record)
        if isinstance(message, jsonrpc.Request):
            return await self.desk.present(rpc, message)
        if not isinstance(message, jsonrpc.Notification):
            return []
        params = calls.mapping(jsonrpc.decode_value(message.params))
        if message.method == "serverRequest/resolved":
            request_id = params.get("requestId")
            return await self.desk.resolved(request_id) if isinstance(request_id, str | int) else []
        if message.method == "turn/started" and params.get("threadId") == self._open.thread_id:
            self._settled = True
        if message.method == "thread/settings/updated" and not self._settled:
            self._compare(rpc, params)
        if message.method == "turn/completed":
            turn = read_turn(calls.mapping(params.get("turn")))
            if turn.turn_id != self._turn_id:
                return self._story.notification(message.method, params)
            self._ended(turn)
            self._prove_end(rpc)
            return [*self._story.ending(), *await self.desk.refuse_others(rpc, turn.turn_id)]
        events = self._story.notification(message.method, params)
        own = (event for event in events if isinstance(event, CommandStarted) and event.subagent is None)
        self._commands |= {event.item_id for event in own}
        return events

    def _compare(self, rpc: RpcClient, params: Mapping[str, Any]) -> None:
        """Stop the turn when the server says that it permits more than it was told."""
        found = read_terms(params.get("threadSettings"), "sandboxPolicy")
        if found is None or self._terms is None or params.get("threadId") != self._open.thread_id:
            return
        try:
            refuse_looser(found.safety, self._terms.safety, rpc.server.codex_home)
        except Denied as error:
            self._denied = error
            self.interrupt(rpc)

    def interrupt(self, rpc: RpcClient) -> None:
        """Ask the server to stop the turn, once per connection; its end comes as an event."""
        if self._interrupting is None and self._thread is not None and self._turn_id is not None:
            self._stop = self._new_stop(rpc)
            self._interrupting = asyncio.create_task(self._stop.interrupt(self._turn_id))

    @property
    def settled(self) -> bool:
        """Whether the turn has ended, and nothing of it is waited for."""
        return self.end is not None and self.settling is None

    @property
    def was_stopped(self) -> bool:
        """Whether the turn was stopped from here, and what is left of it is known."""
        return self.end is not None and self.end.remains is not None

    def settle(self) -> list[RunEvent]:
        """Take what :attr:`settling` has found, when it is done."""
        if self.settling is None or not self.settling.done() or self.end is None:
            return []
        remains, self.settling = self.settling.result(), None
        self.end = replace(self.end, remains=remains)
        return [Warned(message=_GOAL_PAUSED)] if remains.goal_paused else []

    async def abandon(self) -> None:
        """Stop the turn for a consumer that has gone: nobody is left to answer it. Its end is told to nobody."""
        rpc, self._rpc = self._rpc, None
        if rpc is None or not self.prompt_sent or self.end is not None:
            return
        stop = self._new_stop(rpc)
        late = answer_late("turn/interrupt", self._limits.stop)
        with suppress(RemoraError):
            if self._turn_id is not None:
                await within(self._clock, self._limits.stop, stop.interrupt(self._turn_id), error=late)
            await stop.settle()

    def stopped(self) -> None:
        """The user left without waiting for the end, or for the proof of it."""
        if self.end is not None:
            self.end = replace(self.end, remains=self.end.remains or Remains())
        elif self.prompt_sent:
            self.end = TurnEnd("left", goes_on=self.survives)
        else:
            self.end = TurnEnd("interrupted")

    async def cut(self) -> None:
        """The connection broke."""
        self._story.cut()
        await self.desk.cut()
        await self._drop_stop()

    async def close(self) -> None:
        """Let go of everything under way. Idempotent."""
        await self.desk.close()
        await self._drop_stop()

    # -- the steps

    async def _open_first(self, rpc: RpcClient, folder: str | None) -> list[RunEvent]:
        events: list[RunEvent] = []
        if self._request.thread is not None:
            self._thread_asked = True
            opened = await self._opening.open(rpc, folder)
            await self._note_turns_before(ThreadClient(rpc), opened.thread)
        else:
            if self._thread_asked:
                events.append(Warned(message="The first thread was lost with the connection; this is a new one."))
            self._thread_asked = True
            opened = await self._opening.open(rpc, folder)
        self._thread, self._terms = opened.thread, opened.terms
        self._story.main.thread_id = opened.thread.thread_id
        events += [Warned(message=notice) for notice in opened.notices]
        if opened.judged is not None:
            events += [Warned(message=notice) for notice in opened.judged.notices]
        return [*events, self._ready(opened)]

    async def _note_turns_before(self, threads: ThreadClient, thread: ThreadState) -> None:
        if thread.active:
            stop = f"remora threads interrupt ALIAS/{thread.thread_id}"
            raise ProtocolProblem(
                Code.THREAD_BUSY,
                "The thread is working on another prompt; a second one would be added to that turn.",
                next_step=f"Wait until it has ended, or stop it with: {stop}",
            )
        if not thread.paginated:
            turns = await threads.latest_turns(thread, items=False)
            self._known_turns = frozenset(turn.turn_id for turn in turns)

    def _ready(self, opened: OpenedThread) -> ThreadReady:
        thread, safety = opened.thread, opened.terms.safety
        return ThreadReady(
            thread_id=thread.thread_id,
            folder=thread.folder,
            resumed=self._request.thread is not None,
            model=thread.model,
            effort=thread.effort,
            sandbox=safety.sandbox.mode,
            approval_policy=safety.approval_policy,
            trust=None if opened.judged is None else opened.judged.body,
        )

    async def _send_prompt(self, threads: ThreadClient) -> list[RunEvent]:
        request, thread = self._request, self._open
        self.prompt_sent = True
        try:
            turn = await threads.start_turn(
                thread.thread_id,
                request.inputs,
                message_id=request.message_id,
                safety={} if self._terms is None else self._terms.params,
                effort=request.effort,
            )
        except RemoraError as error:
            if error.code is not Code.REQUEST_UNKNOWN:
                self.prompt_sent = False  # refused, or nothing of it has left
            raise
        return self._known_as(turn.turn_id)

    async def _find(self, threads: ThreadClient) -> TurnState | None:
        """The turn of our prompt in history. What is in doubt there gets a moment to become clear."""
        found = self._match(await threads.latest_turns(self._open, items=self._turn_id is None))
        if self._is_in_doubt(found):
            await self._clock.sleep(_GRACE_SECONDS)
            self._thread = await threads.resume(self._open.thread_id, exclude_turns=self._open.paginated)
            found = self._match(await threads.latest_turns(self._open, items=self._turn_id is None)) or found
        return found

    def _is_in_doubt(self, turn: TurnState | None) -> bool:
        """An unconfirmed prompt may still be on its way; a turn that just ended may not yet be written to its end."""
        if turn is None:
            return self._turn_id is None
        return turn.status == INTERRUPTED or not (turn.has_ended or self._open.active)

    def _match(self, turns: list[TurnState]) -> TurnState | None:
        if self._turn_id is not None:
            return next((turn for turn in turns if turn.turn_id == self._turn_id), None)
        request = self._request
        return find_by_message(turns, message_id=request.message_id, prompt=request.prompt, known=self._known_turns)

    def _known_as(self, turn_id: str) -> list[RunEvent]:
        if self._turn_id is not None:
            return []
        self._turn_id = self._story.main.turn_id = turn_id
        return [TurnStarted(thread_id=self._open.thread_id, turn_id=turn_id)]

    async def _catch_up(self, threads: ThreadClient, turn: TurnState) -> list[RunEvent]:
        thread = self._open
        items = await threads.items(thread.thread_id, turn.turn_id) if thread.paginated else turn.items
        events = self._story.history(items, stable_ids=thread.paginated)
        waiting = {thread.thread_id} if thread.waiting else set()
        while (thread_id := self._story.missed()) is not None:
            told, waits = await self._catch_up_subagent(threads, thread_id)
            events += told
            waiting |= {thread_id} if waits else set()
        events += self.desk.gone(waiting)
        if turn.has_ended:
            if not thread.paginated:
                events += self._story.main.warn(_NO_COMMANDS_KEPT, None)
            self._ended(turn)
            if turn.status == INTERRUPTED:
                self._look_after(_ended_with_server() if not self.survives else None)
        elif not thread.active:
            self._look_after(_ended_with_server())
        return events

    def _look_after(self, cause: RemoraError | None) -> None:
        """The turn was interrupted while nobody looked: its commands may live on, and no server knows them any more."""
        if self._rpc is None:
            raise RuntimeError("a turn is looked for over a connection")
        self.end = TurnEnd("interrupted", error=cause or self._denied)
        self.settling = asyncio.create_task(self._new_stop(self._rpc).look())

    async def _catch_up_subagent(self, threads: ThreadClient, thread_id: str) -> tuple[list[RunEvent], bool]:
        """What a sub-agent did meanwhile, and whether it waits for a decision; its events come here again.

        A thread that does not work is only read: to resume it would load it, and let it go on.
        """
        try:
            thread = await threads.read(thread_id)
            if thread.active:
                thread = await threads.resume(thread_id, exclude_turns=thread.paginated)
            turns = await threads.latest_turns(thread, items=not thread.paginated)
            items = (
                await threads.items(thread_id)
                if thread.paginated
                else [each for turn in reversed(turns) for each in turn.items]
            )
        except ProtocolProblem:
            return [], False  # it is gone, or this server cannot tell; the turn of the run goes on without it
        latest = turns[0] if turns else None
        return self._story.subagent_history(thread_id, items, latest, stable_ids=thread.paginated), thread.waiting

    def _ended(self, turn: TurnState) -> None:
        goes_on = self._story.working and self.survives
        if turn.status == "completed":
            self.end = TurnEnd("completed", goes_on=goes_on)
        elif turn.status == "failed":
            self.end = TurnEnd("failed", goes_on=goes_on, error=_failed(turn))
        else:
            self.end = TurnEnd("interrupted", goes_on=goes_on, error=self._denied)

    @property
    def _open(self) -> ThreadState:
        if self._thread is None:
            raise RuntimeError("the thread is opened before it is used")
        return self._thread

    def _prompt_unknown(self) -> RemoraError:
        return ProtocolProblem(
            Code.REQUEST_UNKNOWN,
            "The connection broke while the prompt was sent, and the thread does not show whether it arrived."
            if self._turn_id is None
            else "The thread's history no longer shows the turn, so its result is unknown.",
            next_step="Read the thread before you send it again, so that nothing runs twice.",
        )

    def _new_stop(self, rpc: RpcClient) -> TurnStop:
        """A thread that we began has nothing from earlier turns."""
        resumed = self._request.thread is not None
        return TurnStop(
            rpc,
            self._open.thread_id,
            clock=self._clock,
            limits=self._limits,
            ours=lambda item_id: not resumed or item_id in self._commands,
        )

    def _prove_end(self, rpc: RpcClient) -> None:
        """A turn that was stopped from here is looked after; what another client stopped is its own affair."""
        if self._stop is None and self.desk.cancelled:
            self._stop = self._new_stop(rpc)
        if self._stop is not None and self.settling is None:
            self.settling = asyncio.create_task(self._stop.settle())

    async def _drop_stop(self) -> None:
        tasks = [task for task in (self._interrupting, self.settling) if task is not None]
        self._stop = self._interrupting = self.settling = None
        await dismiss(*tasks)


def _failed(turn: TurnState) -> TaskFailed:
    return TaskFailed(
        Code.TURN_FAILED,
        f"The turn failed: {turn.error or 'the server gave no reason'}",
        seen=turn.error_details or "",
        next_step="Read the reason above, then continue the thread; it keeps the work.",
    )


def _ended_with_server() -> TaskFailed:
    return TaskFailed(
        Code.TURN_FAILED,
        "The app server that ran the turn has ended, and the turn with it.",
        next_step="Continue the thread to resume the work.",
    )
