"""A link to a real sshd with a fake codex: what survives a break, and what is made again."""

import asyncio
import os
import signal
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from tests.support.base.host_processes import command_of, parent_of, servers
from tests.support.base.loop import run
from tests.support.base.until import until
from tests.support.codex.fake_codex import install
from tests.support.link.link_scene import LIMITS, echo_exactly, folder, set_already, sshd
from tests.support.link.links import SshdResolver, client_of, linked, until_it_is, world_of
from tests.support.network.echo_socket import echo_port
from tests.support.network.fault_proxy import FaultProxy
from tests.support.network.faults import CutInMidFrame, CutNow, OneByteAtATime, RefuseFor
from tests.support.network.faults import Fault as NetworkFault
from tests.support.sshd.account_sshd import AccountSshd

from remora.adapters.machine.local_sockets import SystemSockets
from remora.core.errors import Code, RemoraError
from remora.core.link.links import Liveness
from remora.core.settings import ReconnectPolicy
from remora.flows.kit.unattended import UnattendedDialogue
from remora.flows.link.link import Link

__all__ = ["folder", "sshd"]

pytestmark = pytest.mark.sshd


def relays(sshd: AccountSshd) -> list[int]:
    """The relay daemons on the host: Pythons with no sshd above them."""
    return [pid for pid in sshd.session_processes() if " -ISB -c " in command_of(pid) and parent_of(pid) == 1]


def test_a_client_at_the_door_speaks_with_the_app_server_over_one_login(sshd: AccountSshd, folder: Path) -> None:
    async def work() -> None:
        world = world_of(SshdResolver(sshd), limits=LIMITS)
        async with linked(world, folder) as link:
            async with client_of(link, world) as rpc:
                assert isinstance(await rpc.request("process"), int)
                body = link.body()
                assert (body.liveness, body.byte_path, body.clients) == ("live", "relay", 1)
                assert (body.launch_mode, body.server_version) == ("detached", "0.999.0")
            await until(lambda: link.body().clients == 0)
            assert (await link.find_folder("~")).path == str(sshd.home)
            with pytest.raises(RemoraError) as caught:
                await link.find_folder("nowhere")
            assert caught.value.code is Code.FOLDER_MISSING
            assert not await link.bring_up(UnattendedDialogue())
            identity = link.identity
            assert identity is not None
            assert identity.host_key_fingerprint.startswith("SHA256:")

    run(work())
    assert sshd.accepted_logins() == 1
    assert servers(sshd)


def test_bytes_are_exact_and_the_client_stays_while_the_connection_breaks_again_and_again(
    sshd: AccountSshd, folder: Path
) -> None:
    faults: list[NetworkFault] = [
        CutNow(),
        CutInMidFrame(),
        OneByteAtATime(300),
        CutNow(),
        RefuseFor(0.1),
        CutInMidFrame(),
        CutNow(),
    ]

    async def work(proxy: FaultProxy) -> None:
        world = world_of(SshdResolver(sshd, proxy.port), limits=LIMITS)
        async with echo_port() as port, linked(world, folder) as link, client_of(link, world) as rpc:
            server = await rpc.request("process")
            stream = await link.open_port(port)
            enough = asyncio.Event()
            echoing = asyncio.ensure_future(echo_exactly(stream, enough))
            for index, fault in enumerate(faults):
                proxy.strike(fault, after=1 + 700_000 * (index % 2))
                await until(lambda: not proxy.waits)
                await until_it_is(link, Liveness.LIVE)
                assert await rpc.request("process") == server
            enough.set()
            assert await echoing > 1_000_000
            await stream.close()
            assert link.body().breaks >= 5

    with FaultProxy(sshd.port) as proxy:
        run(work(proxy))
    assert len(servers(sshd)) == 1


def test_a_link_is_back_within_a_second_and_a_login_after_a_cut(sshd: AccountSshd, folder: Path) -> None:
    async def work(proxy: FaultProxy) -> None:
        world = world_of(SshdResolver(sshd, proxy.port), limits=LIMITS)
        async with linked(world, folder) as link, client_of(link, world) as rpc:
            for _ in range(3):
                began = time.monotonic()
                proxy.strike(CutNow())
                await rpc.request("process")
                assert time.monotonic() - began < 2.0

    with FaultProxy(sshd.port) as proxy:
        run(work(proxy))


def has_broken(link: Link, times: int) -> bool:
    return link.body().breaks == times


def test_a_session_that_the_host_kills_is_a_break_like_any_other(sshd: AccountSshd, folder: Path) -> None:
    async def work() -> None:
        world = world_of(SshdResolver(sshd), limits=LIMITS)
        async with linked(world, folder) as link, client_of(link, world) as rpc:
            server = await rpc.request("process")
            for times in range(1, 6):
                for pid in sshd.connection_processes():
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                await until(partial(has_broken, link, times))
                assert await rpc.request("process") == server

    run(work())
    assert sshd.accepted_logins() == 6


def test_f54_an_app_server_that_dies_is_started_again_on_the_same_login_and_its_clients_see_the_end(
    sshd: AccountSshd, folder: Path
) -> None:
    async def work() -> None:
        world = world_of(SshdResolver(sshd), limits=LIMITS)
        async with linked(world, folder) as link:
            async with client_of(link, world) as rpc:
                first = await rpc.request("process")
                os.kill(first, signal.SIGKILL)
                await asyncio.wait_for(rpc.wait_closed(), 10)
            await until_it_is(link, Liveness.LIVE)
            async with client_of(link, world) as rpc:
                assert await rpc.request("process") != first
            assert link.body().breaks == 0

    run(work())
    assert sshd.accepted_logins() == 1
    assert len(servers(sshd)) == 1


def test_f76_a_host_that_says_goodbye_is_left_alone_until_somebody_asks(sshd: AccountSshd, folder: Path) -> None:
    async def work() -> None:
        world = world_of(SshdResolver(sshd), limits=LIMITS)
        async with linked(world, folder, policy=ReconnectPolicy.WHILE_ACTIVE) as link:
            async with client_of(link, world) as rpc:
                await rpc.request("process")
                (relay,) = relays(sshd)
                os.kill(relay, signal.SIGTERM)
                await until_it_is(link, Liveness.SUSPENDED)
                error = link.body().error
                assert error is not None
                assert error.code == "host-left"
                other = await SystemSockets().connect(link.body().socket)
                assert link.liveness is Liveness.SUSPENDED
                await other.close()
                await until(lambda: relay not in relays(sshd))
                assert await link.bring_up(UnattendedDialogue())
                await asyncio.wait_for(rpc.wait_closed(), 10)
            async with client_of(link, world) as rpc:
                await rpc.request("process")

    run(work())
    assert sshd.accepted_logins() == 2


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV])
def test_a_relay_that_dies_is_started_again_and_its_clients_see_the_end(
    sshd: AccountSshd, folder: Path, how: signal.Signals
) -> None:
    async def work() -> None:
        world = world_of(SshdResolver(sshd), limits=LIMITS)
        async with linked(world, folder) as link:
            async with client_of(link, world) as rpc:
                server = await rpc.request("process")
                (relay,) = relays(sshd)
                os.kill(relay, how)
                await asyncio.wait_for(rpc.wait_closed(), 10)
            await until_it_is(link, Liveness.LIVE)
            async with client_of(link, world) as rpc:
                assert await rpc.request("process") == server

    run(work())
    assert sshd.accepted_logins() == 1


async def test_a_server_that_the_link_has_started_stays_its_own_when_it_is_found_again(
    sshd: AccountSshd, folder: Path
) -> None:
    world = world_of(SshdResolver(sshd), limits=LIMITS)
    async with linked(world, folder) as link:
        before = link.body()
        assert before.launch_mode == "detached"
        for relay in relays(sshd):
            os.kill(relay, signal.SIGKILL)
        sshd.drop_connections()
        await until(lambda: link.body().breaks == 1)
        await until_it_is(link, Liveness.LIVE)
        after = link.body()
        assert (after.launch_mode, after.codex_path) == (before.launch_mode, before.codex_path)
        os.kill(servers(sshd)[0], signal.SIGKILL)
        await until(lambda: len(servers(sshd)) == 1 and link.body().server_owner != before.server_owner)
        assert link.body().launch_mode == "detached"


@pytest.mark.parametrize("options", [["MaxSessions 1", "DisableForwarding yes"], ["DisableForwarding yes"]])
def test_f64_f66_one_session_and_no_forwarding_are_enough(folder: Path, options: list[str]) -> None:
    async def work(sshd: AccountSshd) -> None:
        world = world_of(SshdResolver(sshd), limits=LIMITS)
        async with echo_port() as port, linked(world, folder) as link:
            assert link.body().byte_path == "relay"
            async with client_of(link, world) as rpc, client_of(link, world) as other:
                first = await rpc.request("process")
                assert await other.request("process") == first
                stream = await link.open_port(port)
                await echo_exactly(stream, set_already())
                await stream.close()
                assert (await link.find_folder(None)).path == str(sshd.home)
                os.kill(first, signal.SIGKILL)
                await asyncio.wait_for(rpc.wait_closed(), 10)
            await until_it_is(link, Liveness.LIVE)
            async with client_of(link, world) as rpc:
                assert await rpc.request("process") != first
            assert await link.stop(stop_server=True) == "stopped"

    with AccountSshd("/bin/bash", options=options) as sshd:
        install(sshd.home / ".local/bin/codex")
        run(work(sshd))
        assert sshd.accepted_logins() == 1
        assert servers(sshd) == []
