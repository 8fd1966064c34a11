"""Ports of a host at ports of this machine, over a real link: many clients at once, and a break among them."""

import asyncio
import errno
from contextlib import suppress
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.base.until import until
from tests.support.link.link_scene import LIMITS, folder, sshd
from tests.support.link.links import SshdResolver, linked, until_it_is, world_of
from tests.support.network.echo_socket import echo_port
from tests.support.network.fault_proxy import FaultProxy
from tests.support.network.faults import CutNow
from tests.support.sshd.account_sshd import AccountSshd
from tests.support.sshd.system_sshd import free_port

from remora.adapters.machine.local_sockets import SystemSockets
from remora.core.link.links import Liveness
from remora.flows.forward.forwards import ForwardedPorts

__all__ = ["folder", "sshd"]

pytestmark = pytest.mark.sshd
_CROWD = 200


async def echoed(port: int, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        writer.write_eof()
        return await reader.read(-1)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def refusal(port: int) -> bytes:
    """What a client gets where nobody listens: its end, or an error of its own, by how far it had come by then."""
    try:
        return await echoed(port, b"x")
    except OSError as error:
        if error.errno not in {errno.ECONNRESET, errno.ENOTCONN, errno.EPIPE}:
            raise
        return b""


def test_many_clients_at_once_get_their_bytes_through_breaks_and_none_is_counted_after(
    sshd: AccountSshd, folder: Path
) -> None:
    async def work(proxy: FaultProxy) -> None:
        world = world_of(SshdResolver(sshd, proxy.port), limits=LIMITS)
        async with echo_port() as port, linked(world, folder) as link:
            forwards = ForwardedPorts(SystemSockets(), link, host="devbox")
            body, _ = await forwards.open(port, free_port())
            for turn in range(3):
                words = [b"%d of %d" % (number, turn) * 1000 for number in range(_CROWD)]
                crowd = asyncio.gather(*(echoed(body.local_port, word) for word in words))
                await until(lambda: body.clients > 0)
                proxy.strike(CutNow())
                assert await crowd == words
                await until_it_is(link, Liveness.LIVE)
            await until(lambda: body.clients == 0)
            assert link.body().clients == 0
            assert link.body().breaks == 3
            await forwards.stop()

    with FaultProxy(sshd.port) as proxy:
        run(work(proxy))


async def test_a_port_where_nothing_listens_ends_its_client_and_no_other(sshd: AccountSshd, folder: Path) -> None:
    world = world_of(SshdResolver(sshd), limits=LIMITS)
    async with echo_port() as port, linked(world, folder) as link:
        forwards = ForwardedPorts(SystemSockets(), link, host="devbox")
        quiet, _ = await forwards.open(free_port(), free_port())
        loud, _ = await forwards.open(port, free_port())
        refused, given = await asyncio.gather(refusal(quiet.local_port), echoed(loud.local_port, b"y"))
        assert (refused, given) == (b"", b"y")
        await until(lambda: quiet.clients == loud.clients == 0)
        await forwards.stop()


async def test_a_forward_that_is_stopped_lets_its_clients_go_here_and_there(sshd: AccountSshd, folder: Path) -> None:
    world = world_of(SshdResolver(sshd), limits=LIMITS)
    async with echo_port() as port, linked(world, folder) as link:
        forwards = ForwardedPorts(SystemSockets(), link, host="devbox")
        body, _ = await forwards.open(port, free_port())
        reader, writer = await asyncio.open_connection("127.0.0.1", body.local_port)
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
        assert link.body().clients == body.clients == 1
        await forwards.stop()
        assert await reader.read(-1) == b""
        await until(lambda: link.body().clients == 0)
        assert body.clients == 0
        writer.close()
        await writer.wait_closed()
