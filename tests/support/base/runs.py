"""Running a prompt in a test and looking at what was told."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from random import Random
from typing import Any, TypeVar

from remora.adapters.files.disk_spool import DiskSpool
from remora.adapters.machine.system_clock import SystemClock
from remora.core.approval.request import ApprovalRequest, Decision
from remora.core.settings import DEFAULT_LIMITS, Limits
from remora.flows.approval.chain import ApprovalChain
from remora.flows.kit.stop_request import InterruptSwitch
from remora.flows.server.launch import Ahead
from remora.flows.thread.run import run_thread
from remora.flows.thread.run_request import RunRequest
from remora.flows.thread.thread_open import Opening
from remora.flows.trust.judge import TrustRules
from remora.ports import ApprovalHandler, Clock
from remora.wire.reports.run import RunEvent, RunReport

T = TypeVar("T")
PROMPT = RunRequest(prompt="please", message_id="message-1")


class Unattended:
    """Decides nothing, as where nobody is; what was asked is remembered."""

    def __init__(self) -> None:
        self.seen: list[ApprovalRequest] = []

    async def decide(self, request: ApprovalRequest) -> Decision | None:
        self.seen.append(request)
        return None


class Person:
    """Chooses by name, one request after the other; `None` never answers."""

    def __init__(self, *names: str | None) -> None:
        self._names = list(names)
        self.seen: list[ApprovalRequest] = []

    async def decide(self, request: ApprovalRequest) -> Decision:
        self.seen.append(request)
        name = self._names.pop(0) if self._names else None
        if name is None:
            await asyncio.Event().wait()
        return request.decision(next(choice for choice in request.choices if choice.name == name), "person")


def told_by(
    connect: Callable[[Ahead], AbstractAsyncContextManager[Any]],
    request: RunRequest,
    *,
    approvals: ApprovalHandler | None = None,
    interrupt: InterruptSwitch | None = None,
    clock: Clock | None = None,
    limits: Limits = DEFAULT_LIMITS,
    rules: TrustRules | None = None,
) -> AsyncGenerator[RunEvent, None]:
    """The events of a run, for who may stop reading them."""
    return run_thread(
        connect,
        request,
        alias="devbox",
        approvals=ApprovalChain(people=[approvals] if approvals else []),
        interrupt=interrupt or InterruptSwitch(),
        clock=clock or SystemClock(),
        random=Random(7),  # noqa: S311 - spreads retries
        limits=limits,
        spool=lambda: DiskSpool(memory=limits.spool_memory, disk=2**30),
        opening=Opening(request, rules),
    )


async def run_to_end(
    connect: Callable[[Ahead], AbstractAsyncContextManager[Any]],
    request: RunRequest,
    *,
    approvals: ApprovalHandler | None = None,
    interrupt: InterruptSwitch | None = None,
    on_event: Callable[[RunEvent], Awaitable[None]] | None = None,
    clock: Clock | None = None,
    limits: Limits = DEFAULT_LIMITS,
    rules: TrustRules | None = None,
) -> list[RunEvent]:
    """Every event of the run; `on_event` is called for each as it comes."""
    events: list[RunEvent] = []
    stream = told_by(
        connect, request, approvals=approvals, interrupt=interrupt, clock=clock, limits=limits, rules=rules
    )
    async with aclosing(stream) as told:
        async for event in told:
            events.append(event)
            if on_event is not None:
                await on_event(event)
    return events


def of(kind: type[T], events: list[RunEvent]) -> list[T]:
    """The events of one kind."""
    return [event for event in events if isinstance(event, kind)]


def report_of(events: list[RunEvent]) -> RunReport:
    """The last event, which must be the only report."""
    (report,) = of(RunReport, events)
    assert events[-1] is report
    return report
