"""F70 and F71 through the whole way, door, hub, SSH, relay and server: much at once, and large messages."""

import asyncio
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.base.until import until
from tests.support.codex.fake_codex import Fault, install
from tests.support.link.chain import ALWAYS, Chain, chain
from tests.support.network.byte_server import ECHO, SOURCE
from tests.support.network.counted_stream import CountedBytes, CountedCheck, exchange
from tests.support.network.faults import RefuseFor
from tests.support.network.volume import most_memory, move_volume, spooled

from remora.adapters.machine.local_sockets import SystemSockets
from remora.adapters.machine.system_clock import SystemClock
from remora.core.link.links import Liveness
from remora.core.settings import DEFAULT_LIMITS
from remora.flows.server.rpc import open_rpc
from remora.wire.appserver.jsonrpc import Framing

pytestmark = [pytest.mark.sshd, pytest.mark.timeout(240)]

KIB, MIB = 1024, 1024 * 1024
SIZES = [size + change for size in (64 * KIB, MIB, 16 * MIB) for change in (-1, 0, 1)]
LARGEST = 128 * MIB
HUB, RELAY = 110 * MIB, 48 * MIB
"""What the processes may have at most, whatever passes."""
LITTLE_DISK = f"[limits]\nrelay_disk = {16 * MIB}\nrelay_memory = {MIB}\n{ALWAYS}"
KEPT = 20 * MIB
"""What may be in memory and in windows instead of on the disk."""
OFTEN = f"[limits]\ndials_per_minute = 60\n{ALWAYS}"
HELD_UP = 64 * MIB
"""What may be on its way in all when the reader sleeps: the disk, and every window and buffer."""


def test_f71_much_to_a_reader_far_behind_is_whole_in_bounded_memory(tmp_path: Path) -> None:
    with chain(install(tmp_path / "programs/codex", Fault.PLAIN_BYTES)) as way:
        way.connect()
        cost = run(move_volume(way, 300_000_000, behind=200_000_000))
        assert cost.hub < HUB, f"the hub had {cost.hub / MIB:.0f} MiB"
        assert cost.relay < RELAY, f"the relay had {cost.relay / MIB:.0f} MiB"


def test_f71_a_reader_that_sleeps_beyond_the_relays_disk_holds_up_its_own_server_alone(tmp_path: Path) -> None:
    total = 2 * HELD_UP
    content, check = CountedBytes(salt=6), CountedCheck(salt=6)

    async def send(socket: str, awake: asyncio.Event) -> None:
        stream = await SystemSockets().connect(socket)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(take(stream, awake))
                await stream.write(ECHO)
                while content.position < total:
                    await stream.write(content.take(min(100_000, total - content.position)))
                await stream.write_eof()
        finally:
            await stream.close()

    async def take(stream: object, awake: asyncio.Event) -> None:
        await awake.wait()
        while data := await stream.read():  # type: ignore[attr-defined]
            check.see(data)
        check.end(total)

    async def work(way: Chain) -> None:
        socket, awake = (await way.live()).socket, asyncio.Event()
        (relay,) = way.host_processes().relays
        sending = asyncio.ensure_future(send(socket, awake))
        await until(lambda: spooled(relay) >= 16 * MIB, what="the disk's limit is reached")
        other = await SystemSockets().connect(socket)
        await other.write(ECHO)
        await exchange(other, salt=7, total=20_000_000)
        await other.close()
        assert spooled(relay) == 16 * MIB
        assert content.position < HELD_UP
        assert not sending.done()
        awake.set()
        await sending
        assert most_memory(relay) < RELAY

    with chain(install(tmp_path / "programs/codex", Fault.PLAIN_BYTES), settings=LITTLE_DISK) as way:
        way.connect()
        run(work(way))


def test_f81_what_came_in_a_gap_is_whole(tmp_path: Path) -> None:
    """50 MB while there is no connection; all of it is on the host before there is one again."""
    total = 50_000_000

    async def work(way: Chain) -> None:
        stream = await SystemSockets().connect((await way.live()).socket)
        (relay,) = way.host_processes().relays
        way.proxy.strike(RefuseFor(3600), after=100_000)
        await stream.write(SOURCE + total.to_bytes(8, "big"))
        await way.link_when(lambda link: link.liveness != Liveness.LIVE)
        await until(lambda: spooled(relay) > total - KEPT, what="the server has said it all")
        way.proxy.heal()
        came = 0
        while data := await stream.read():
            came += len(data)
        assert came == total
        assert (await way.live()).breaks == 1
        await stream.close()

    with chain(install(tmp_path / "programs/codex", Fault.PLAIN_BYTES), settings=OFTEN) as way:
        way.connect()
        run(work(way))


def test_f70_messages_of_every_size_pass_in_both_directions(tmp_path: Path) -> None:
    async def work(way: Chain) -> None:
        stream = await SystemSockets().connect((await way.live()).socket)
        async with open_rpc(stream, Framing.WEBSOCKET, clock=SystemClock(), limits=DEFAULT_LIMITS) as rpc:
            for size in (*SIZES, LARGEST, 1):
                assert await rpc.request("count", {"text": "y" * size}) == size
                assert len(await rpc.request("make", {"make": size})) == size
        (relay,) = way.host_processes().relays
        assert most_memory(way.place.pid or 0) < HUB
        assert most_memory(relay) < RELAY

    with chain(install(tmp_path / "programs/codex")) as way:
        way.connect()
        run(work(way))
