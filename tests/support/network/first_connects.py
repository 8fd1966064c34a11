"""First connections to a host that are broken somewhere between login, probe, launch, relay and handshake."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from tests.support.base.loop import run
from tests.support.base.until import until
from tests.support.codex.fake_codex import install
from tests.support.link.chain import end_servers, furnish_host, processes_on
from tests.support.link.links import SshdResolver, linked, new_link, world_of
from tests.support.network.fault_proxy import FaultProxy
from tests.support.network.faults import CutInMidFrame, CutNow
from tests.support.sshd.system_sshd import SystemSshd

from remora.core.errors import RemoraError
from remora.core.settings import Limits, ReconnectPolicy
from remora.flows.kit.unattended import UnattendedDialogue
from remora.flows.link.link import Link

LIMITS: Final = Limits(lease_idle=1.0, shell_silence=8.0, launch=8.0, handshake=6.0)
_LOOK: Final = 0.02
_COLD: Final = 3
"""Every so many rounds the host is empty, so that the whole way is gone, to a server and a relay that have to start."""


@dataclass(slots=True)
class Outcome:
    """What came of it: how often what was done, and how many of ours there were at most at once."""

    done: Counter[str] = field(default_factory=Counter)
    servers: int = 0
    relays: int = 0
    processes: int = 0


def break_first_connects(rounds: int, *, seed: int, folder: Path, tell: Callable[[str], None] = print) -> Outcome:
    """Break so many first connections at points that `seed` chooses. Raises when something piles up or stays."""
    with SystemSshd(folder) as sshd, FaultProxy(sshd.port) as proxy:
        furnish_host(sshd, install(folder / "programs/codex"))
        breaks = _Breaks(sshd, proxy, folder, Random(seed))  # noqa: S311 - reproducible on purpose
        run(breaks.run(rounds, tell), limit=30.0 + 20.0 * rounds)
        end_servers(sshd)
        return breaks.outcome


class _Breaks:
    def __init__(self, sshd: SystemSshd, proxy: FaultProxy, folder: Path, random: Random) -> None:
        self._sshd = sshd
        self._proxy = proxy
        self._folder = folder
        self._random = random
        self._world = world_of(SshdResolver(sshd, proxy.port), limits=LIMITS)
        self.outcome = Outcome()

    async def run(self, rounds: int, tell: Callable[[str], None]) -> None:
        whole = await self._measure()
        watching = asyncio.ensure_future(self._watch())
        try:
            for number in range(rounds):
                if number % _COLD == 0:
                    await self._empty()
                await self._round(self._random.randrange(whole))
                if (number + 1) % 50 == 0:
                    tell(f"{number + 1} rounds: {self.outcome}")
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        await self._prove_end()

    async def _measure(self) -> int:
        """How many bytes a whole first connection moves."""
        before = self._proxy.carried
        async with linked(self._world, self._folder, policy=ReconnectPolicy.NEVER):
            return self._proxy.carried - before

    async def _round(self, point: int) -> None:
        link = new_link(self._world, self._folder, policy=ReconnectPolicy.NEVER)
        running = asyncio.ensure_future(link.run())
        what = self._random.choice((self._cut, self._cut_frame, self._leave, self._kill_session))
        try:
            self.outcome.done[await what(link, point)] += 1
        finally:
            self._proxy.heal()
            await link.stop()
            with suppress(asyncio.CancelledError):
                await running

    async def _cut(self, link: Link, point: int) -> str:
        self._proxy.strike(CutNow(), after=point)
        return f"cut: {await _came_up(link)}"

    async def _cut_frame(self, link: Link, point: int) -> str:
        self._proxy.strike(CutInMidFrame(), after=point)
        return f"cut in a block: {await _came_up(link)}"

    async def _leave(self, link: Link, point: int) -> str:
        """Whoever wanted it goes away in the middle."""
        return await self._at(link, point, link.stop, "left")

    async def _kill_session(self, link: Link, point: int) -> str:
        """The host kills what serves the connection."""

        async def kill() -> None:
            self._sshd.drop_connections()

        return await self._at(link, point, kill, "killed")

    async def _at(self, link: Link, point: int, act: Callable[[], Awaitable[object]], name: str) -> str:
        start = self._proxy.carried
        coming = asyncio.ensure_future(_came_up(link))
        await until(lambda: coming.done() or self._proxy.carried - start >= point)
        await act()
        return f"{name}: {await coming}"

    async def _watch(self) -> None:
        """Count all the time."""
        while True:
            await asyncio.to_thread(self._count)
            await asyncio.sleep(_LOOK)

    def _count(self) -> None:
        found, outcome = processes_on(self._sshd), self.outcome
        outcome.servers = max(outcome.servers, len(found.app_servers))
        outcome.relays = max(outcome.relays, len(found.relays))
        outcome.processes = max(outcome.processes, len(self._sshd.session_processes()))

    async def _empty(self) -> None:
        def is_empty() -> bool:
            found = self._sshd.session_processes()
            for pid in found:  # each time: one may just have started another
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return not found

        await until(is_empty, what="an empty host")

    async def _prove_end(self) -> None:
        """After one connection that is left alone: one server, one relay; without it the server alone."""
        async with linked(self._world, self._folder):
            found = processes_on(self._sshd)
            assert len(found.app_servers) == len(found.relays) == 1, found
        await until(
            lambda: not (left := processes_on(self._sshd)).relays and not left.others, what="nothing but the server"
        )
        assert len(processes_on(self._sshd).app_servers) == 1


async def _came_up(link: Link) -> str:
    try:
        await link.bring_up(UnattendedDialogue())
    except RemoraError as error:
        return error.code.value
    return "live"
