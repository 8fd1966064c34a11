"""A link to a host without Python: plain byte paths, which the link says, and what a break then means."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.base.host_processes import servers
from tests.support.base.loop import run
from tests.support.codex.fake_codex import install
from tests.support.link.link_scene import LIMITS, echo_exactly, folder, set_already
from tests.support.link.links import SshdResolver, client_of, linked, until_it_is, world_of
from tests.support.network.echo_socket import echo_port
from tests.support.network.fault_proxy import FaultProxy
from tests.support.network.faults import CutNow
from tests.support.provision.provision_bench import LineStep, provision
from tests.support.sshd.account_sshd import AccountSshd

from remora.core.link.links import Liveness
from remora.flows.link.link import Link

pytestmark = pytest.mark.sshd
__all__ = ["folder"]

PYTHONS = tuple(
    str(path)
    for place in ("/usr/bin", "/usr/local/bin", "/opt/homebrew/bin")
    for path in Path(place).glob("python*")
    if path.name in {"python", "python3"} or path.name.startswith("python3.")
)


@pytest.fixture(params=[[], ["DisableForwarding yes"]], ids=["unix-socket", "proxy"])
def sshd(request: pytest.FixtureRequest) -> Iterator[AccountSshd]:
    """An account on a host that has no Python where one is looked for."""
    with AccountSshd("/bin/bash", options=request.param, hidden=PYTHONS) as server:
        install(server.home / ".local/bin/codex")
        yield server


def test_clients_come_through_without_a_relay_and_see_the_end_when_the_connection_breaks(
    sshd: AccountSshd, folder: Path, request: pytest.FixtureRequest
) -> None:
    path = request.node.callspec.id

    async def work(proxy: FaultProxy) -> None:
        world = world_of(SshdResolver(sshd, proxy.port), limits=LIMITS)
        async with linked(world, folder) as link:
            assert link.body().byte_path == path
            assert "no-relay" in [notice.code for notice in link.body().notices]
            assert (await link.find_folder("~")).path == str(sshd.home)
            async with client_of(link, world) as rpc, client_of(link, world) as other:
                server = await rpc.request("process")
                assert await other.request("process") == server
                proxy.strike(CutNow())
                await asyncio.wait_for(rpc.wait_closed(), 10)
            await until_it_is(link, Liveness.LIVE)
            async with client_of(link, world) as rpc:
                assert await rpc.request("process") == server
                os.kill(server, signal.SIGKILL)
                await asyncio.wait_for(rpc.wait_closed(), 10)
            assert link.body().breaks == 1

    with FaultProxy(sshd.port) as proxy:
        run(work(proxy))


async def test_the_ready_marker_is_read_again_when_somebody_asks(sshd: AccountSshd, folder: Path) -> None:
    async with linked(world_of(SshdResolver(sshd), limits=LIMITS), folder) as link:
        assert _readiness(link) == "never"
        await provision(sshd, [LineStep("one")])
        assert _readiness(link) == "never"
        await link.refresh()
        assert _readiness(link) == "ready"


def _readiness(link: Link) -> str:
    marker = link.body().provisioned
    return "" if marker is None else marker.readiness


def test_a_port_is_reached_where_forwarding_is_allowed(folder: Path) -> None:
    async def work(sshd: AccountSshd) -> None:
        world = world_of(SshdResolver(sshd), limits=LIMITS)
        async with echo_port() as port, linked(world, folder) as link:
            stream = await link.open_port(port)
            await echo_exactly(stream, set_already())
            await stream.close()
            assert await link.stop(stop_server=True) == "stopped"

    with AccountSshd("/bin/bash", hidden=PYTHONS) as sshd:
        install(sshd.home / ".local/bin/codex")
        run(work(sshd))
        assert servers(sshd) == []
