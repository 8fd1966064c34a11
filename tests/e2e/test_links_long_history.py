"""F78: many long threads that are resumed all at once neither bring a link down nor keep anybody from working."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tests.support.chain import Chain, chain
from tests.support.fake_codex import THREADS, Fault, install
from tests.support.faults import CutNow
from tests.support.loop import run

from remora.adapters.local_sockets import LocalSockets
from remora.adapters.system_clock import SystemClock
from remora.core.settings import DEFAULT_LIMITS
from remora.flows.rpc import open_rpc
from remora.wire.jsonrpc import Framing

pytestmark = pytest.mark.sshd

SOON = 5.0


def test_f78_a_link_comes_up_once_and_a_turn_begins_while_every_slot_is_taken(tmp_path: Path) -> None:
    async def begin_turn(way: Chain) -> None:
        async with asyncio.timeout(SOON), AsyncExitStack() as stack:
            stream = await LocalSockets().connect((await way.live()).socket)
            rpc = await stack.enter_async_context(
                open_rpc(stream, Framing.WEBSOCKET, clock=SystemClock(), limits=DEFAULT_LIMITS)
            )
            started = await rpc.request("thread/start", {"cwd": "/"})
            thread = started["thread"]["id"]
            await rpc.request("turn/start", {"threadId": thread, "input": [{"type": "text", "text": "please"}]})

    async def work(way: Chain) -> None:
        async with AsyncExitStack() as stack:
            resuming = []
            for thread in THREADS:
                stream = await LocalSockets().connect((await way.live()).socket)
                rpc = await stack.enter_async_context(
                    open_rpc(stream, Framing.WEBSOCKET, clock=SystemClock(), limits=DEFAULT_LIMITS)
                )
                resuming.append(asyncio.ensure_future(rpc.request("thread/resume", {"threadId": thread})))
            await begin_turn(way)
            assert (await way.live()).breaks == 0
            way.proxy.strike(CutNow())
            await way.live(breaks=1)
            await begin_turn(way)
            assert (await way.live()).breaks == 1
            assert not any(each.done() for each in resuming)
            for each in resuming:
                each.cancel()
            await asyncio.gather(*resuming, return_exceptions=True)
        assert way.sshd.accepted_logins() == 2

    with chain(install(tmp_path / "programs/codex", Fault.LONG_HISTORY)) as way:
        way.connect()
        run(work(way))
