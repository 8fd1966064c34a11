"""A link to the real app server of every generation that can have one: what it shows, and what stops it (F78, F80)."""

import asyncio
from pathlib import Path

import pytest
from tests.support.base.host_processes import command_of
from tests.support.base.loop import run
from tests.support.base.until import until, wait_until
from tests.support.codex.generations import WITH_SOCKETS, configure, host_with
from tests.support.link.link_scene import folder
from tests.support.link.links import SshdResolver, client_of, linked, until_it_is, world_of
from tests.support.network.fault_proxy import FaultProxy
from tests.support.network.faults import CutNow
from tests.support.sshd.account_sshd import AccountSshd

from remora.adapters.files.disk_spool import DiskSpool
from remora.core.errors import Code, RemoraError
from remora.core.link.links import Liveness
from remora.demo.scripted_model import Gate, RunCommand, Say, ScriptedModel, Step, Wait
from remora.flows.link.link import Link
from remora.flows.server.rpc import RpcClient
from remora.wire.appserver import calls, jsonrpc

pytestmark = [pytest.mark.sshd, pytest.mark.codex]
__all__ = ["folder"]
generations = pytest.mark.parametrize("version", WITH_SOCKETS)


async def begin_turn(rpc: RpcClient, folder: str, **settings: object) -> str:
    """A thread with a turn that runs."""
    started = await rpc.request("thread/start", {"cwd": folder, **settings})
    thread_id = str(started["thread"]["id"])
    words = [calls.text_input("please")]
    await rpc.request("turn/start", calls.turn_start(thread_id, words, message_id="m-1", safety={}))
    return thread_id


async def until_it_shows(link: Link, *, active: int, waiting: int = 0) -> None:
    seen = 0
    async with asyncio.timeout(20):
        while (len(link.body().active_threads), link.body().waiting_approvals) != (active, waiting):
            seen = await link.changed(seen)


@generations
def test_a_turn_goes_on_through_a_break_and_the_link_shows_it(version: str, folder: Path) -> None:
    gate = Gate()
    steps: list[Step] = [Wait(gate), Say("It went on.", piece=3)]

    async def work(proxy: FaultProxy, sshd_folder: str, resolver: SshdResolver) -> None:
        world = world_of(resolver)
        async with linked(world, folder) as link, client_of(link, world) as rpc:
            spool = DiskSpool(memory=2**20, disk=2**30)
            rpc.deliver_to(spool)
            thread_id = await begin_turn(rpc, sshd_folder)
            await until_it_shows(link, active=1)
            assert [thread.thread_id for thread in link.body().active_threads] == [thread_id]
            with pytest.raises(RemoraError) as caught:
                await link.stop(stop_server=True)
            assert caught.value.code is Code.SERVER_BUSY
            assert thread_id in caught.value.seen
            proxy.strike(CutNow())
            await until_it_is(link, Liveness.RECONNECTING)
            gate.open()
            deltas, ended = "", False
            while not ended:
                message = jsonrpc.decode(await spool.get() or b"")
                assert isinstance(message, jsonrpc.Notification)
                if message.method == "item/agentMessage/delta":
                    deltas += jsonrpc.decode_value(message.params)["delta"]
                ended = message.method == "turn/completed"
            assert deltas == "It went on."
            await until_it_shows(link, active=0)
            assert link.body().breaks == 1
            spool.close()

    with ScriptedModel(steps) as model, host_with(version) as sshd, FaultProxy(sshd.port) as proxy:
        configure(sshd, model, folder)
        (folder / "ssh_config").unlink()
        run(work(proxy, str(sshd.home / "project"), SshdResolver(sshd, proxy.port)))
        assert sshd.accepted_logins() == 2


@generations
def test_a_waiting_approval_is_shown_to_who_comes_later_and_force_stops_all_the_same(
    version: str, folder: Path
) -> None:
    steps: list[Step] = [RunCommand("touch /made-by-remora-test", escalate=True), Say("Done.")]

    async def work(project: str, resolver: SshdResolver) -> None:
        world = world_of(resolver)
        async with linked(world, folder) as link, client_of(link, world) as rpc:
            await begin_turn(rpc, project, approvalPolicy="on-request", sandbox="read-only")
            await until_it_shows(link, active=1, waiting=1)
            async with linked(world, folder) as later:
                await until_it_shows(later, active=1, waiting=1)
                assert await later.stop(stop_server=True, force=True) == "stopped"

    with ScriptedModel(steps) as model, host_with(version) as sshd:
        configure(sshd, model, folder)
        (folder / "ssh_config").unlink()
        run(work(str(sshd.home / "project"), SshdResolver(sshd)))


def test_force_leaves_no_command_of_the_agent_behind(folder: Path) -> None:
    async def work(sshd: AccountSshd) -> None:
        world = world_of(SshdResolver(sshd))
        async with linked(world, folder) as link, client_of(link, world) as rpc:
            await begin_turn(rpc, str(sshd.home / "project"), approvalPolicy="never", sandbox="danger-full-access")
            await until(lambda: [pid for pid in sshd.session_processes() if "sleep 977" in command_of(pid)])
            assert await link.stop(stop_server=True, force=True) == "stopped"

    with ScriptedModel([RunCommand("sleep 977")]) as model, host_with(WITH_SOCKETS[-1]) as sshd:
        configure(sshd, model, folder)
        (folder / "ssh_config").unlink()
        run(work(sshd))
        wait_until(lambda: not sshd.session_processes(), what="everything on the host has ended")


def test_f78_looking_at_many_threads_loads_none_of_them(folder: Path) -> None:
    async def work(project: str, resolver: SshdResolver) -> None:
        world = world_of(resolver)
        async with linked(world, folder) as link:
            async with client_of(link, world) as rpc:
                for _ in range(12):
                    spool = DiskSpool(memory=2**20, disk=2**30)
                    rpc.deliver_to(spool)
                    await begin_turn(rpc, project)
                    while b'"turn/completed"' not in (await spool.get() or b'"turn/completed"'):
                        pass
            assert await link.stop(stop_server=True) == "stopped"
        async with linked(world, folder) as link, client_of(link, world) as rpc:
            assert link.body().launch_mode == "detached"
            assert len((await rpc.request("thread/list", calls.threads_list(limit=50)))["data"]) == 12
            assert (await rpc.request("thread/loaded/list", {}))["data"] == []
            assert link.body().active_threads == []

    with ScriptedModel([Say("Hello.")]) as model, host_with(WITH_SOCKETS[-1]) as sshd:
        configure(sshd, model, folder)
        (folder / "ssh_config").unlink()
        run(work(str(sshd.home / "project"), SshdResolver(sshd)))
