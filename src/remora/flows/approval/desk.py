"""The desk where the agent's requests wait for a decision. Nothing here ever says yes by itself."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from remora.core.approval.canonical import DEEPEST, is_deeper
from remora.core.approval.request import CANCELS, ApprovalRequest, Decision
from remora.core.approval.rules import refuse_unattended
from remora.core.errors import RemoraError
from remora.core.server.request_faults import too_much
from remora.flows.approval.chain import ApprovalChain, ApprovalOutcome
from remora.flows.kit.timeout import dismiss
from remora.flows.server.rpc import RpcClient
from remora.flows.server.thread_client import ThreadClient
from remora.wire import approval
from remora.wire.appserver import calls, jsonrpc
from remora.wire.appserver.jsonrpc import RequestId
from remora.wire.reports.approval import requested
from remora.wire.reports.run import ApprovalRequested, ApprovalResolved, RunEvent, Warned

ELSEWHERE: Final = "elsewhere"
_WITHDRAWN: Final = "withdrawn"
_MOST_OPEN: Final = 200
"""Requests that wait for an answer, or for the server's word that it has it."""
_MOST_ASKED: Final = 10_000
"""Requests of one turn."""
_MOST_BYTES: Final = 64 * 1024 * 1024
"""Bytes of the requests of one turn: the report tells all of them."""


class Context(Protocol):
    """What the stream told before a request came. :class:`remora.wire.appserver.story.Story` has it."""

    def complete(self, request: ApprovalRequest) -> ApprovalRequest: ...
    def label(self, thread_id: str) -> str | None: ...


@dataclass(slots=True)
class _Pending:
    method: str
    request: ApprovalRequest
    deciding: "asyncio.Task[ApprovalOutcome] | None" = None
    decision: Decision | None = None
    """What was sent; the server has not confirmed it yet."""


class ApprovalDesk:
    """Presents each request once to the chain, sends the decision, and says what became of it. Use from one task."""

    def __init__(self, chain: ApprovalChain, context: Context) -> None:
        self._chain = chain
        self._context = context
        self._pending: dict[RequestId, _Pending] = {}
        self._stale: dict[RequestId, _Pending] = {}
        self._notes: set[asyncio.Task[None]] = set()
        self.cancelled = False
        """Whether a decision of ours was to stop the turn."""
        self._asked = 0
        self._bytes = 0

    @property
    def deciding(self) -> "set[asyncio.Task[ApprovalOutcome]]":
        """The requests that are being decided; when one is done, call :meth:`conclude`."""
        return {pending.deciding for pending in self._pending.values() if pending.deciding is not None}

    async def present(self, rpc: RpcClient, message: jsonrpc.Request) -> list[RunEvent]:
        """A request of the server has come, for the first time or again after a reconnect."""
        params = calls.mapping(jsonrpc.decode_value(message.params))
        request = approval.read_request(message.id, message.method, params)
        if request is None:
            await rpc.refuse(message.id, jsonrpc.METHOD_NOT_FOUND, f"remora does not answer {message.method[:100]}.")
            return []
        if message.id in self._pending:
            return []
        if len(self._pending) >= _MOST_OPEN:
            raise too_much("requests at once that wait for an answer", _MOST_OPEN)
        self._asked += 1
        self._bytes += len(message.params)
        if self._asked > _MOST_ASKED:
            raise too_much("requests for an answer in one turn", _MOST_ASKED)
        if self._bytes > _MOST_BYTES:
            raise too_much("bytes of requests in one turn", _MOST_BYTES)
        request = self._context.complete(request)
        if is_deeper([request.detail, request.tool.arguments if request.tool else None], DEEPEST - 2):
            raise too_much("levels of objects and lists in one request", DEEPEST)
        before = self._stale.get(message.id)
        again = before is not None and before.request.id == request.id and before.method == message.method
        if again:
            del self._stale[message.id]
        pending = _Pending(message.method, request)
        pending.deciding = asyncio.create_task(self._chain.decide(request, partial(approval.answer, message.method)))
        self._pending[message.id] = pending
        return [self._requested(request, again=again)]

    async def conclude(self, rpc: RpcClient) -> list[RunEvent]:
        """Send the decisions that were made. They count as delivered once the server confirms them."""
        events: list[RunEvent] = []
        for pending in list(self._pending.values()):
            if pending.deciding is None or not pending.deciding.done():
                continue
            task, pending.deciding = pending.deciding, None
            decision = task.result().decision
            events += [Warned(message=problem) for problem in task.result().problems]
            pending.decision = decision
            self.cancelled = self.cancelled or decision.choice.name in CANCELS
            self._tell_why(rpc, pending.request, decision)
            await rpc.respond(pending.request.request_id, approval.answer(pending.method, pending.request, decision))
        return events

    async def resolved(self, request_id: RequestId) -> list[RunEvent]:
        """The server says that a request is answered, by us or by another client."""
        pending = self._pending.pop(request_id, None) or self._stale.pop(request_id, None)
        if pending is None:
            return []
        if pending.deciding is not None:
            await dismiss(pending.deciding)
        return [self._resolved(pending, delivered=True)]

    async def cut(self) -> None:
        """The connection broke: prompts vanish; what is still open will be presented again."""
        await dismiss(*(pending.deciding for pending in self._pending.values() if pending.deciding is not None))
        for pending in self._pending.values():
            pending.deciding = None
        self._stale |= self._pending
        self._pending = {}
        await self._drop_notes()

    def gone(self, waiting: Collection[str] = ()) -> list[RunEvent]:
        """After a reconnect only the threads in `waiting` wait: what else was open is answered or withdrawn."""
        gone = [each for each in self._stale.values() if each.request.thread_id not in waiting]
        self._stale = {each.request.request_id: each for each in self._stale.values() if each not in gone}
        return [self._resolved(pending, delivered=None) for pending in gone]

    async def refuse_others(self, rpc: RpcClient, turn_id: str) -> list[RunEvent]:
        """The turn of the run has ended; a sub-agent that still asks is told no, because nobody stays to decide."""
        events: list[RunEvent] = []
        for pending in list(self._pending.values()):
            if pending.request.turn_id == turn_id or pending.decision is not None:
                continue
            if pending.deciding is not None:
                await dismiss(pending.deciding)
            pending.deciding, pending.decision = None, refuse_unattended(pending.request)
            answer = approval.answer(pending.method, pending.request, pending.decision)
            await rpc.respond(pending.request.request_id, answer)
            del self._pending[pending.request.request_id]
            events.append(self._resolved(pending, delivered=None))
        return events

    async def finish(self) -> list[RunEvent]:
        """The turn has ended: nothing is asked any more."""
        await dismiss(*self.deciding)
        events: list[RunEvent] = [self._resolved(pending, delivered=True) for pending in self._pending.values()]
        self._pending = {}
        return events + self.gone()

    async def close(self) -> None:
        """Let go of everything, without an answer: the requests stay with the server."""
        await dismiss(*self.deciding)
        await self._drop_notes()

    def _tell_why(self, rpc: RpcClient, request: ApprovalRequest, decision: Decision) -> None:
        """Say the reason of a decline to the agent, ahead of it: answers have no room for a text."""
        if decision.note and decision.choice.name == "decline" and request.turn_id is not None:
            work = _steer(ThreadClient(rpc), request.thread_id, request.turn_id, decision.note)
            task = asyncio.create_task(work)
            self._notes.add(task)
            task.add_done_callback(self._notes.discard)

    async def _drop_notes(self) -> None:
        await dismiss(*self._notes)

    def _requested(self, request: ApprovalRequest, *, again: bool) -> ApprovalRequested:
        event = requested(request, again=again)
        event.subagent = self._context.label(request.thread_id)
        return event

    def _resolved(self, pending: _Pending, *, delivered: bool | None) -> ApprovalResolved:
        request, decision = pending.request, pending.decision
        return ApprovalResolved(
            thread_id=request.thread_id or None,
            subagent=self._context.label(request.thread_id),
            id=request.id,
            digest=request.digest,
            request_id=request.request_id,
            decision=decision.choice.name if decision else _WITHDRAWN,
            decided_by=decision.decided_by if decision else ELSEWHERE,
            delivered=delivered if decision else True,
        )


async def _steer(threads: ThreadClient, thread_id: str, turn_id: str, note: str) -> None:
    try:
        await threads.steer(thread_id, turn_id, note)
    except RemoraError:
        pass  # the note is a courtesy; the decision itself is what counts
