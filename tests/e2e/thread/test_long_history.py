"""F78: many long threads that are resumed all at once neither bring a link down nor keep anybody from working."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.codex.binaries import codex_binary
from tests.support.codex.fake_codex import THREADS, Fault, install
from tests.support.link.chain import Chain, chain
from tests.support.model.long_threads import ITEM, multiply_thread
from tests.support.network.faults import CutNow

from remora.adapters.files.disk_spool import DiskSpool
from remora.adapters.machine.local_sockets import SystemSockets
from remora.adapters.machine.system_clock import SystemClock
from remora.core.settings import DEFAULT_LIMITS
from remora.demo.scripted_model import Say, ScriptedModel
from remora.flows.server.rpc import RpcClient, open_rpc
from remora.wire.appserver.jsonrpc import Framing

pytestmark = [pytest.mark.sshd, pytest.mark.timeout(240)]

SOON = 5.0
LONG = 20_000_000
MANY = 20
PATIENT = replace(DEFAULT_LIMITS, request=180.0)
FREE = 'approval_policy = "never"\nsandbox_mode = "danger-full-access"'


def test_f78_a_link_comes_up_once_and_a_turn_begins_while_every_slot_is_taken(tmp_path: Path) -> None:
    async def begin_turn(way: Chain) -> None:
        async with asyncio.timeout(SOON), AsyncExitStack() as stack:
            stream = await SystemSockets().connect((await way.live()).socket)
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
                stream = await SystemSockets().connect((await way.live()).socket)
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


@asynccontextmanager
async def client(way: Chain) -> AsyncIterator[RpcClient]:
    """A patient one, at the link's door."""
    stream = await SystemSockets().connect((await way.live()).socket)
    async with open_rpc(stream, Framing.WEBSOCKET, clock=SystemClock(), limits=PATIENT) as rpc:
        yield rpc


async def have_turn(rpc: RpcClient, folder: Path) -> str:
    """A whole turn in a new thread; the thread."""
    spool = DiskSpool(memory=2**20, disk=2**30)
    rpc.deliver_to(spool)
    thread = (await rpc.request("thread/start", {"cwd": str(folder)}))["thread"]["id"]
    await rpc.request("turn/start", {"threadId": thread, "input": [{"type": "text", "text": "please"}]})
    while b'"turn/completed"' not in (await spool.get() or b'"turn/completed"'):
        pass
    return str(thread)


@pytest.mark.codex
def test_f78_twenty_histories_of_twenty_megabytes_are_taken_up_at_once_across_a_break() -> None:
    """Of the real server. Meanwhile somebody else has a turn."""

    async def resume(way: Chain, thread: str) -> int:
        async with client(way) as rpc:
            resumed = await rpc.request("thread/resume", {"threadId": thread})
            return len(resumed["thread"]["turns"][0]["items"])

    async def work(way: Chain) -> None:
        folder = way.sshd.home / "work"
        async with client(way) as rpc:
            short = await have_turn(rpc, folder)
        threads = await asyncio.to_thread(
            multiply_thread, way.sshd.home / ".codex", short, threads=MANY, size=LONG, words="Hello."
        )
        resuming = [asyncio.ensure_future(resume(way, thread)) for thread in threads]
        async with client(way) as rpc, asyncio.timeout(SOON):
            await have_turn(rpc, folder)
        assert not all(each.done() for each in resuming)
        way.proxy.strike(CutNow())
        assert await asyncio.gather(*resuming) == [LONG // ITEM + 2] * MANY
        assert (await way.live()).breaks == 1
        assert way.sshd.accepted_logins() == 2

    with (
        ScriptedModel([Say("Hello.")]) as model,
        chain(codex_binary("0.163.0"), furnish=lambda home: model.furnish(home, FREE)) as way,
    ):
        way.connect()
        run(work(way), limit=200)
