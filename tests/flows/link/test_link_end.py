"""How a link to a real sshd ends or cannot begin: servers stopped or left, and nothing else left behind."""

import asyncio
import os
import signal
import time
from pathlib import Path
from random import Random

import pytest
from tests.support.base.host_processes import servers
from tests.support.base.loop import run
from tests.support.base.until import until
from tests.support.codex.fake_codex import Fault, install, set_fault
from tests.support.link.link_scene import LIMITS, folder, sshd
from tests.support.link.links import SshdResolver, client_of, linked, new_link, until_it_is, world_of
from tests.support.network.fault_proxy import FaultProxy
from tests.support.network.faults import CutNow
from tests.support.sshd.account_sshd import AccountSshd

from remora.adapters.machine.local_sockets import SystemSockets
from remora.core.errors import Code, RemoraError
from remora.core.link.links import Liveness
from remora.flows.kit.unattended import UnattendedDialogue

__all__ = ["folder", "sshd"]

pytestmark = pytest.mark.sshd


def test_a_server_of_our_own_is_stopped_and_a_stopped_one_is_absent(sshd: AccountSshd, folder: Path) -> None:
    async def work() -> None:
        world = world_of(SshdResolver(sshd), limits=LIMITS)
        async with linked(world, folder) as link:
            assert await link.stop() == "left"
        assert len(servers(sshd)) == 1
        async with linked(world, folder) as link:
            assert link.body().launch_mode == "adopted"
            assert await link.stop(stop_server=True) == "stopped"
        assert servers(sshd) == []
        async with linked(world, folder, up=False) as link:
            assert await link.stop(stop_server=True) == "absent", "none is started to be stopped"

    run(work())
    assert servers(sshd) == []


def test_a_server_that_runs_is_stopped_through_a_link_that_rests(sshd: AccountSshd, folder: Path) -> None:
    async def work() -> None:
        world = world_of(SshdResolver(sshd), limits=LIMITS)
        async with linked(world, folder) as link:
            assert await link.stop() == "left"
        async with linked(world, folder, up=False) as link:
            assert await link.stop(stop_server=True) == "stopped"

    run(work())
    assert servers(sshd) == []


def test_a_server_of_another_program_is_not_stopped_and_the_link_goes_on(sshd: AccountSshd, folder: Path) -> None:
    async def work() -> None:
        world = world_of(SshdResolver(sshd), limits=LIMITS)
        async with linked(world, folder) as link, client_of(link, world) as rpc:
            server = await rpc.request("process")
            for record in (sshd.runtime / "remora").glob("server-*"):
                if record.suffix != ".log":
                    record.unlink()
            with pytest.raises(RemoraError) as caught:
                await link.stop(stop_server=True, force=True)
            assert caught.value.code is Code.SERVER_NOT_OURS
            assert await rpc.request("process") == server
            assert link.liveness is Liveness.LIVE

    run(work())
    assert len(servers(sshd)) == 1


def test_a_host_where_nothing_outlives_the_session_has_no_link(folder: Path) -> None:
    async def work(sshd: AccountSshd) -> None:
        world = world_of(SshdResolver(sshd), limits=LIMITS)
        async with linked(world, folder, up=False) as link:
            with pytest.raises(RemoraError) as caught:
                await link.bring_up(UnattendedDialogue())
            assert caught.value.code is Code.LINK_UNSUPPORTED
            assert link.liveness is Liveness.NEEDS_HUMAN

    with AccountSshd("/bin/bash") as sshd:
        install(sshd.home / ".local/bin/codex", Fault.NO_SOCKETS)
        run(work(sshd))
        assert servers(sshd) == []


async def test_a_login_shell_that_hangs_does_not_hold_up_the_end(sshd: AccountSshd, folder: Path) -> None:
    (sshd.home / ".bashrc").write_text("sleep 1000\n")
    world = world_of(SshdResolver(sshd), limits=LIMITS)
    async with linked(world, folder, up=False) as link:
        bringing = asyncio.ensure_future(link.bring_up(UnattendedDialogue()))
        await until(lambda: sshd.session_processes())
        began = time.monotonic()
        await link.stop()
        assert time.monotonic() - began < 6.0
        with pytest.raises(RemoraError):
            await bringing


async def test_a_server_that_cannot_be_started_again_is_for_a_person(sshd: AccountSshd, folder: Path) -> None:
    world = world_of(SshdResolver(sshd), limits=LIMITS)
    async with linked(world, folder) as link, client_of(link, world) as rpc:
        server = await rpc.request("process")
        set_fault(sshd.home / ".local/bin/codex", Fault.EXIT_WITH_TEXT)
        os.kill(server, signal.SIGKILL)
        await until_it_is(link, Liveness.NEEDS_HUMAN)
        error = link.body().error
        assert error is not None
        assert error.code == "launch-exited"
        set_fault(sshd.home / ".local/bin/codex", Fault.NONE)
        client = asyncio.ensure_future(SystemSockets().connect(link.body().socket))
        await (await client).write(b"GET")
        assert await link.bring_up(UnattendedDialogue())
        await (await client).close()


def test_nothing_is_left_wherever_a_link_is_cancelled(sshd: AccountSshd, folder: Path) -> None:
    random = Random(11)  # noqa: S311 - any points will do

    async def cancel_somewhere(proxy: FaultProxy) -> None:
        link = new_link(world_of(SshdResolver(sshd, proxy.port), limits=LIMITS), folder)
        running = asyncio.ensure_future(link.run())
        bringing = asyncio.ensure_future(link.bring_up(UnattendedDialogue()))
        client = asyncio.ensure_future(link.open_server())
        for _ in range(random.randrange(0, 400)):
            await asyncio.sleep(0.002 if random.random() < 0.5 else 0)
            if random.random() < 0.004:
                proxy.strike(CutNow())
        running.cancel()
        outcomes = await asyncio.gather(running, bringing, client, return_exceptions=True)
        assert isinstance(outcomes[0], asyncio.CancelledError)
        assert all(isinstance(outcome, RemoraError) for outcome in outcomes[1:] if isinstance(outcome, BaseException))
        if not isinstance(outcomes[2], BaseException):
            await outcomes[2].close()
        assert link.liveness is Liveness.STOPPED
        assert os.listdir(folder) == []  # noqa: PTH208

    with FaultProxy(sshd.port) as proxy:
        for _ in range(12):
            run(cancel_somewhere(proxy))
    assert len(servers(sshd)) <= 1
