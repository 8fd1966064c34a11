"""A run before its prompt is taken: what is refused is raised, and stopping leaves nothing behind."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.support.base.runs import PROMPT, report_of, run_to_end
from tests.support.codex.local_app_server import LocalServer
from tests.support.model.fake_app_server import Peer
from tests.support.model.fake_thread import THREAD, FakeThread, say_and_end

from remora.core.errors import Code, RemoraError
from remora.flows.kit.stop_request import InterruptSwitch
from remora.flows.server.launch import Ahead
from remora.flows.thread.run_request import RunRequest
from remora.wire.reports.run import (
    Message,
    RunEvent,
)


@pytest.mark.parametrize(
    ("method", "message", "expected"),
    [
        ("thread/start", "no such model", Code.REQUEST_REFUSED),
        ("turn/start", "Input exceeds the maximum length", Code.REQUEST_REFUSED),
    ],
)
async def test_what_the_server_refuses_is_raised_as_it_is(method: str, message: str, expected: Code) -> None:
    async def refuse(peer: Peer, request: dict[str, Any]) -> None:
        await peer.refuse(request, -32602, message)

    async with FakeThread(say_and_end).serve(**{method: refuse}) as server:
        with pytest.raises(RemoraError) as caught:
            await run_to_end(server.connect, PROMPT)
        assert caught.value.code is expected
        assert message in caught.value.seen


async def test_a_thread_that_works_already_is_not_joined_by_accident() -> None:
    async with FakeThread(say_and_end, busy_before=True).serve() as server:
        request = RunRequest(prompt="more", message_id="m", thread=THREAD)
        with pytest.raises(RemoraError) as caught:
            await run_to_end(server.connect, request)
        assert caught.value.code is Code.THREAD_BUSY
        assert "turn/start" not in [each["method"] for each in server.requests]


async def test_a_thread_that_is_not_there_is_named() -> None:
    async def missing(peer: Peer, request: dict[str, Any]) -> None:
        await peer.refuse(request, -32600, "no rollout found for thread id x")

    async with FakeThread(say_and_end).serve(**{"thread/resume": missing}) as server:
        with pytest.raises(RemoraError) as caught:
            await run_to_end(server.connect, RunRequest(prompt="more", message_id="m", thread=THREAD))
        assert caught.value.code is Code.THREAD_MISSING


async def test_a_turn_that_has_not_begun_yet_is_interrupted_when_it_has() -> None:
    async def play(thread: FakeThread, peer: Peer) -> None:
        await thread.say(peer, "a", "hello")

    thread, asked = FakeThread(play), list[int]()

    async def too_early(peer: Peer, request: dict[str, Any]) -> None:
        asked.append(1)
        if len(asked) < 3:
            await peer.refuse(request, -32600, "no active turn to interrupt")
            return
        await peer.result(request, {})
        await thread.end(peer, "interrupted")

    switch = InterruptSwitch()

    async def look(event: RunEvent) -> None:
        if isinstance(event, Message):
            switch.interrupt()

    async with thread.serve(**{"turn/interrupt": too_early}) as server:
        report = report_of(await run_to_end(server.connect, PROMPT, interrupt=switch, on_event=look))
    assert (report.outcome, report.exit_code, len(asked)) == ("interrupted", 130, 3)


async def test_stopping_before_the_prompt_is_out_leaves_nothing_behind() -> None:
    switch = InterruptSwitch()

    @asynccontextmanager
    async def never(ahead: Ahead) -> AsyncIterator[LocalServer]:
        switch.interrupt()
        await asyncio.Event().wait()
        yield  # type: ignore[misc]

    events = await run_to_end(never, PROMPT, interrupt=switch)
    report = report_of(events)
    assert (report.outcome, report.exit_code, report.goes_on) == ("interrupted", 130, False)
