"""What happens to hosts and to our own processes, behind the hub: the link goes on, and nothing is left anywhere."""

import asyncio
import json
import math
import os
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support.base.loop import run
from tests.support.base.until import until
from tests.support.codex.binaries import codex_binary
from tests.support.codex.fake_codex import install
from tests.support.link.chain import ALIAS, ALWAYS, Chain, chain
from tests.support.network.chaos import CODEX, KEEPALIVE
from tests.support.network.counted_stream import exchange
from tests.support.network.echo_socket import echo_port
from tests.support.network.faults import RefuseFor
from tests.support.network.streams import PipeStream

from remora.adapters.files.disk_spool import DiskSpool
from remora.adapters.machine.local_sockets import SystemSockets
from remora.adapters.machine.system_clock import SystemClock
from remora.core.link.links import Liveness
from remora.core.settings import DEFAULT_LIMITS
from remora.demo.scripted_model import Chunks, Gate, Say, ScriptedModel, Step, Wait
from remora.flows.server.rpc import RpcClient, open_rpc
from remora.ports import ByteStream
from remora.wire.appserver.jsonrpc import Framing

pytestmark = [pytest.mark.sshd, pytest.mark.timeout(300)]

SHORT_LEASE = f"[limits]\nlease = 2\nlease_idle = 1\n{ALWAYS}"
SOON_STALLED = f"[limits]\nstall = 1\n{ALWAYS}"
SILENCE = 4
"""Seconds that a host owes an answer, at the least, when a run's time is up."""
FREE = 'approval_policy = "never"\nsandbox_mode = "danger-full-access"'


@pytest.fixture
def way(tmp_path: Path) -> Iterator[Chain]:
    """A live link to a host with a small app server."""
    with chain(install(tmp_path / "programs/codex"), extra=KEEPALIVE) as made:
        made.connect()
        yield made


@asynccontextmanager
async def forwarded(way: Chain) -> AsyncIterator[PipeStream]:
    """A connection to an echo on the host, through ``remora forward``."""
    async with echo_port() as port:
        document = await asyncio.to_thread(way.place.document, "forward", ALIAS, str(port))
        local = document["forwards"][0]["local_port"]
        stream = PipeStream(*await asyncio.open_connection("127.0.0.1", local))
        try:
            yield stream
        finally:
            await stream.close()


@asynccontextmanager
async def client(way: Chain, stream: ByteStream | None = None) -> AsyncIterator[RpcClient]:
    """A client at the link's door."""
    door = stream or await SystemSockets().connect((await way.live()).socket)
    async with open_rpc(door, Framing.WEBSOCKET, clock=SystemClock(), limits=DEFAULT_LIMITS) as rpc:
        yield rpc


async def test_f53_f80_a_restarted_sshd_is_a_pause_and_ends_nothing_on_the_host(way: Chain) -> None:
    before = way.host_processes()
    async with forwarded(way) as stream:
        moving = asyncio.ensure_future(exchange(stream, salt=1, total=20_000_000))
        await asyncio.to_thread(way.sshd.bounce)
        await moving
    link = await way.live(breaks=1)
    after = way.host_processes()
    assert (after.app_servers, after.relays) == (before.app_servers, before.relays)
    assert link.liveness == Liveness.LIVE


def test_f64_f66_one_session_without_forwarding_carries_everything_over_one_login(tmp_path: Path) -> None:
    async def work(way: Chain) -> None:
        async with forwarded(way) as stream, client(way) as rpc:
            await exchange(stream, salt=3, total=1_000_000)
            assert await rpc.request("process") in way.host_processes().app_servers

    hardened = ["MaxSessions 1", "DisableForwarding yes"]
    with chain(install(tmp_path / "programs/codex"), options=hardened, settings=ALWAYS) as way:
        assert way.connect().byte_path == "relay"
        run(work(way))
        assert way.sshd.accepted_logins() == 1


def test_f76_a_machine_that_was_shut_down_is_not_started_by_dialling_it(tmp_path: Path) -> None:
    """Its ProxyCommand starts it; that runs once, and again only when a person connects."""
    starts = tmp_path / "starts"
    starter = tmp_path / "starter"
    starter.write_text(
        f"#!/bin/bash\necho start >>{starts}\nexec 3<>/dev/tcp/$1/$2\ncat <&3 &\ncat >&3\nkill $!\nwait\n"
    )
    starter.chmod(0o755)

    async def work(way: Chain) -> None:
        async with client(way):  # somebody is attached, and still it is not dialled
            for relay in way.host_processes().relays:
                os.kill(relay, signal.SIGTERM)  # as a machine does that goes down
            await asyncio.to_thread(way.sshd.end_listening)
            link = await way.link_when(lambda link: link.liveness == Liveness.SUSPENDED)
            assert link.error is not None
            assert link.error.code == "host-left"
            assert link.next_attempt is None
        assert starts.read_text().count("start") == 1

    extra = [f"ProxyCommand {starter} %h %p"]
    with chain(install(tmp_path / "programs/codex"), extra=extra, settings="") as way:
        way.connect()
        run(work(way))
        way.sshd.start()
        way.connect()
        assert starts.read_text().count("start") == 2


def test_f77_sessions_without_a_processor_are_told_as_stalled_and_lose_nothing(tmp_path: Path) -> None:
    async def work(way: Chain) -> None:
        async with forwarded(way) as stream:
            with way.sshd.paused():
                moving = asyncio.ensure_future(exchange(stream, salt=2, total=1_000_000))
                stalled = await way.link_when(lambda link: link.stalled_since is not None)
                assert stalled.liveness == Liveness.LIVE
                assert not moving.done()
            await moving
            healed = await way.link_when(lambda link: link.stalled_since is None)
            assert healed.breaks == 0

    with chain(install(tmp_path / "programs/codex"), settings=SOON_STALLED) as way:
        way.connect()
        run(work(way))


async def test_f75_a_hub_that_stood_still_while_its_connection_died_goes_on(way: Chain) -> None:
    """As in a sleep, as far as signals can tell: the clocks go on, so that part is proven with clocks of our own."""
    hub = way.place.pid
    assert hub is not None
    async with forwarded(way) as stream:
        await stream.write(b"before")
        assert await stream.read() == b"before"
        os.kill(hub, signal.SIGSTOP)
        try:
            await asyncio.to_thread(way.sshd.bounce)
        finally:
            os.kill(hub, signal.SIGCONT)
        await exchange(stream, salt=4, total=1_000_000)
    assert (await way.live(breaks=1)).breaks == 1
    assert way.place.pid == hub


def test_f53_a_killed_hub_leaves_the_server_and_after_the_lease_nothing_else(tmp_path: Path) -> None:
    async def work(way: Chain) -> None:
        server = way.host_processes().app_servers
        hub = way.place.pid
        assert hub is not None
        async with forwarded(way) as stream:
            await stream.write(b"there?")
            assert await stream.read() == b"there?"
            os.kill(hub, signal.SIGKILL)
            await until(lambda: not (found := way.host_processes()).relays and not found.others, what="an empty host")
        assert way.host_processes().app_servers == server

    with chain(install(tmp_path / "programs/codex"), settings=SHORT_LEASE) as way:
        way.connect()
        run(work(way))
        assert way.connect().liveness == Liveness.LIVE
        assert len(way.host_processes().app_servers) == 1


def test_f54_a_killed_hub_is_followed_by_another_one_and_the_same_server(way: Chain) -> None:
    for _ in range(5):
        before = way.host_processes().app_servers
        hub = way.place.pid
        assert hub is not None
        os.kill(hub, signal.SIGKILL)
        assert way.connect().liveness == Liveness.LIVE
        assert way.place.pid != hub
        found = way.host_processes()
        assert found.app_servers == before
        assert len(found.relays) == 1


def test_f53_what_a_killed_hub_left_at_the_relay_ends_when_the_link_is_there_again(way: Chain) -> None:
    async def work() -> None:
        hub = way.place.pid
        assert hub is not None
        async with asyncio.timeout(60):
            server = await asyncio.start_server(held, "127.0.0.1", 0)
            document = await asyncio.to_thread(
                way.place.document, "forward", ALIAS, str(server.sockets[0].getsockname()[1]), "--local-port", "0"
            )
            local = document["forwards"][0]["local_port"]
            reader, writer = await asyncio.open_connection("127.0.0.1", local)
            assert await reader.read(5) == b"hello"
            os.kill(hub, signal.SIGKILL)
            assert await reader.read() == b""
            assert not left.is_set(), "the relay keeps it, as for a laptop that roams"
            await asyncio.to_thread(way.connect)
            await left.wait()
            writer.close()
            server.close()
            await server.wait_closed()

    left = asyncio.Event()

    async def held(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        await reader.read()
        left.set()
        writer.close()

    run(work())


def test_f54_a_killed_relay_and_a_killed_server_come_back_once(way: Chain) -> None:
    async def work() -> None:
        for kind in ("relays", "app_servers"):
            before = getattr(way.host_processes(), kind)
            for pid in before:
                os.kill(pid, signal.SIGKILL)

            def is_replaced(kind: str = kind, before: tuple[int, ...] = before) -> bool:
                found = way.host_processes()
                return len(found.app_servers) == len(found.relays) == 1 and getattr(found, kind) != before

            await until(is_replaced, what=f"new {kind}")
            await way.live()
            async with client(way) as rpc:
                assert await rpc.request("process") in way.host_processes().app_servers

    run(work())


def test_f52_after_disconnect_the_app_server_is_alone(way: Chain) -> None:
    assert way.place.document("disconnect", ALIAS)["ok"]

    async def work() -> None:
        await until(lambda: not (found := way.host_processes()).relays and not found.others, what="an empty host")

    run(work())
    assert len(way.host_processes().app_servers) == 1


@pytest.mark.codex
@pytest.mark.parametrize("linked", [True, False], ids=["with a link", "without"])
def test_a_run_whose_time_is_up_says_that_the_host_was_silent(linked: bool) -> None:
    gate = Gate()
    steps: list[Step] = [Say("Warm."), Say("Before.", ends_turn=False), Wait(gate), Say("After.")]

    def warm(way: Chain) -> tuple[str, int]:
        """The thread of a first run, and a limit: some silence, after twice what a run takes here at this moment."""
        began = time.monotonic()
        done = way.place.run("run", f"{ALIAS}:work", "please", "--json")
        report = json.loads(done.stdout.splitlines()[-1])
        assert report["outcome"] == "completed", report
        return report["thread_id"], SILENCE + math.ceil(2 * (time.monotonic() - began))

    async def work(way: Chain, thread: str, limit: int) -> tuple[int | None, dict[str, Any]]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "remora", "run", ALIAS, "--thread", thread, "please"),
            *("--json", "--timeout", str(limit)),
            env={**os.environ, **way.place.environment},
            stdout=asyncio.subprocess.PIPE,
        )
        await gate.reached()
        with way.sshd.paused():
            output, _ = await process.communicate()
        return process.returncode, json.loads(output.splitlines()[-1])

    with (
        ScriptedModel(steps) as model,
        chain(codex_binary(CODEX), furnish=lambda home: model.furnish(home, FREE)) as way,
    ):
        if linked:
            way.connect()
        code, report = run(work(way, *warm(way)))
        gate.open()
    assert (code, report["outcome"], report["error"]["code"]) == (14, "left", "time-limit")
    silence = re.search(f"{ALIAS} has not answered for ([0-9]+) s", report["error"]["message"])
    assert silence is not None, report["error"]["message"]
    assert int(silence[1]) >= SILENCE


@pytest.mark.codex
def test_f80_a_turn_goes_on_without_hub_and_connection_and_its_story_is_whole() -> None:
    gate = Gate()
    steps: list[Step] = [Say("Before.", ends_turn=False), Wait(gate), Say("After.")]

    async def begin(way: Chain) -> str:
        async with client(way) as rpc:
            started = await rpc.request("thread/start", {"cwd": str(way.sshd.home / "work")})
            thread = str(started["thread"]["id"])
            await rpc.request("turn/start", {"threadId": thread, "input": [{"type": "text", "text": "please"}]})
            await gate.reached()
            os.kill(way.place.pid or 0, signal.SIGKILL)
            await rpc.wait_closed()
        gate.open()
        return thread

    async def look(way: Chain, thread: str) -> None:
        await way.link_when(lambda link: not link.active_threads and link.liveness == Liveness.LIVE)
        async with client(way) as rpc:
            answer = await rpc.request("thread/read", {"threadId": thread, "includeTurns": True})
            (turn,) = answer["thread"]["turns"]
            texts = [item["text"] for item in turn["items"] if item["type"] == "agentMessage"]
            assert (turn["status"], texts) == ("completed", ["Before.", "After."])

    with (
        ScriptedModel(steps) as model,
        chain(codex_binary(CODEX), furnish=lambda home: model.furnish(home, FREE)) as way,
    ):
        way.connect()
        server = way.host_processes().app_servers
        thread = run(begin(way))
        way.connect()
        run(look(way, thread))
        assert way.host_processes().app_servers == server


class Sluggish:
    """A stream whose reader sleeps until it is woken."""

    def __init__(self, inner: ByteStream) -> None:
        self._inner = inner
        self.awake = asyncio.Event()
        self.awake.set()

    async def read(self, limit: int = 65536) -> bytes:
        await self.awake.wait()
        return await self._inner.read(limit)

    async def write(self, data: bytes) -> None:
        await self._inner.write(data)

    async def write_eof(self) -> None:
        await self._inner.write_eof()

    async def close(self) -> None:
        await self._inner.close()


@pytest.mark.codex
@pytest.mark.parametrize(("why", "total", "piece"), [("sleeps", 200_000, 20), ("is gone", 10_000_000, 10_000)])
def test_f71_f81_what_came_while_nobody_took_it_is_whole_and_in_order(why: str, total: int, piece: int) -> None:
    """10,000 pieces for a client that sleeps; 10 MB while there is no connection. The server throws nobody out."""
    gate = Gate()
    steps: list[Step] = [Chunks(total, ends_turn=False, piece=piece), Wait(gate), Say("Done.")]

    async def work(way: Chain) -> None:
        slow = Sluggish(await SystemSockets().connect((await way.live()).socket))
        spool = DiskSpool(memory=2**20, disk=2**30)
        async with client(way, slow) as rpc:
            rpc.deliver_to(spool)
            started = await rpc.request("thread/start", {"cwd": str(way.sshd.home / "work")})
            thread = str(started["thread"]["id"])
            if why == "is gone":
                way.proxy.strike(RefuseFor(3600), after=50_000)
            await rpc.request("turn/start", {"threadId": thread, "input": [{"type": "text", "text": "please"}]})
            slow.awake.clear()
            await gate.reached()
            gate.open()
            way.proxy.heal()
            slow.awake.set()
            texts, lengths = await hear(spool)
            assert texts == {"x" * total: 1, "Done.": 1}
            assert lengths == sorted(len(text) for text in texts)
        spool.close()

    with (
        ScriptedModel(steps) as model,
        chain(codex_binary(CODEX), furnish=lambda home: model.furnish(home, FREE)) as way,
    ):
        way.connect()
        run(work(way))


async def hear(spool: DiskSpool) -> tuple[Counter[str], list[int]]:
    """The messages of the turn, whole, and how long their pieces are together."""
    texts: Counter[str] = Counter()
    pieces: Counter[str] = Counter()
    while record := await spool.get():
        message: dict[str, Any] = json.loads(record)
        params = message.get("params", {})
        if message["method"] == "item/agentMessage/delta":
            pieces[params["itemId"]] += len(params["delta"])
        elif message["method"] == "item/completed" and params["item"]["type"] == "agentMessage":
            texts[params["item"]["text"]] += 1
        elif message["method"] == "turn/completed":
            return texts, sorted(pieces.values())
    raise AssertionError("the client was left before the turn had ended")
