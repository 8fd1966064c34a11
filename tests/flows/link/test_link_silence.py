"""A host that a link hears nothing of: shown as stalled, cut by keepalives, given up at once after a sleep."""

import os
import signal
import time
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.base.until import until
from tests.support.link.link_scene import LIMITS, folder, sshd
from tests.support.link.links import SshdResolver, client_of, linked, world_of
from tests.support.network.fault_proxy import FaultProxy
from tests.support.network.faults import HalfOpen
from tests.support.sshd.account_sshd import AccountSshd

from remora.adapters.machine.system_clock import SystemClock
from remora.core.link.links import Liveness
from remora.core.settings import Limits

__all__ = ["folder", "sshd"]

pytestmark = pytest.mark.sshd


def test_f77_f91_a_host_without_time_for_us_is_shown_as_stalled_and_not_cut(sshd: AccountSshd, folder: Path) -> None:
    async def work() -> None:
        world = world_of(SshdResolver(sshd), limits=Limits(stall=0.4))
        async with linked(world, folder) as link, client_of(link, world) as rpc:
            sessions = sshd.connection_processes()
            for pid in sessions:
                os.kill(pid, signal.SIGSTOP)
            try:
                await until(lambda: link.body().stalled_since is not None)
                assert link.liveness is Liveness.LIVE
            finally:
                for pid in sessions:
                    os.kill(pid, signal.SIGCONT)
            await rpc.request("process")
            await until(lambda: link.body().stalled_since is None)
            assert link.body().breaks == 0

    run(work())
    assert sshd.accepted_logins() == 1


def test_f77_the_users_own_keepalive_cuts_a_silent_connection(sshd: AccountSshd, folder: Path) -> None:
    async def work(proxy: FaultProxy) -> None:
        resolver = SshdResolver(sshd, proxy.port)
        resolver.changes = {"keepalive_interval": 1.0, "keepalive_count": 1}
        world = world_of(resolver, limits=LIMITS)
        async with linked(world, folder) as link, client_of(link, world) as rpc:
            began = time.monotonic()
            proxy.strike(HalfOpen())
            await rpc.request("process")
            assert 1.0 <= time.monotonic() - began < 8.0
            assert link.body().breaks == 1

    with FaultProxy(sshd.port) as proxy:
        run(work(proxy))


class SleepyClock(SystemClock):
    """The real clock of a machine that sleeps when it is told."""

    asleep = 0.0

    def wall(self) -> float:
        return super().wall() + self.asleep


def test_f75_after_a_sleep_a_silent_connection_is_given_up_at_once(sshd: AccountSshd, folder: Path) -> None:
    async def work(proxy: FaultProxy) -> None:
        clock = SleepyClock()
        world = world_of(SshdResolver(sshd, proxy.port), limits=Limits(wake=0.5), clock=clock)
        async with linked(world, folder) as link, client_of(link, world) as rpc:
            proxy.strike(HalfOpen())
            clock.asleep += 600
            began = time.monotonic()
            await rpc.request("process")
            assert time.monotonic() - began < 6.0  # keepalives would have needed 45 s
            clock.asleep += 600
            await rpc.request("process")
            assert link.body().breaks == 1

    with FaultProxy(sshd.port) as proxy:
        run(work(proxy))
