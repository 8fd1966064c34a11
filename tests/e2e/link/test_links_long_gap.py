"""The real terminal client while there is no connection for minutes: on a link in this process, whose time leaps."""

import asyncio
from pathlib import Path

import pytest
from tests.support.base.leaping_clock import LeapingClock
from tests.support.base.loop import run
from tests.support.codex.binaries import NEWEST, codex_binary, trust_folder
from tests.support.codex.generations import host_with
from tests.support.link.link_scene import folder
from tests.support.link.links import SshdResolver, linked, until_it_is, world_of
from tests.support.model.waiting_turn import waiting_turn
from tests.support.network.fault_proxy import FaultProxy
from tests.support.network.faults import RefuseFor
from tests.support.screen.tmux import Tmux

from remora.core.link.links import Liveness
from remora.demo.scripted_model import Gate, ScriptedModel
from remora.flows.link.link import Link

pytestmark = [pytest.mark.sshd, pytest.mark.codex]
__all__ = ["folder"]

SETTINGS = 'approval_policy = "on-request"\nsandbox_mode = "workspace-write"'
UNTIL_HEALED = 3600.0


async def until_it_waits(link: Link) -> None:
    """Wait until no attempt to connect is under way."""
    seen = 0
    async with asyncio.timeout(10):
        while link.body().next_attempt is None:
            seen = await link.changed(seen)


async def gap(seconds: float, link: Link, proxy: FaultProxy, clock: LeapingClock) -> None:
    """No connection can be had for so long; then the link comes back at its next attempt."""
    breaks = link.body().breaks
    proxy.strike(RefuseFor(UNTIL_HEALED))
    await until_it_is(link, Liveness.RECONNECTING)
    await until_it_waits(link)
    await clock.leap(seconds, settled=lambda: until_it_waits(link))
    assert link.liveness is not Liveness.LIVE
    proxy.heal()
    due = link.body().next_attempt
    assert due is not None
    live = asyncio.ensure_future(until_it_is(link, Liveness.LIVE))
    await clock.leap(due - clock.wall(), settled=lambda: asyncio.sleep(0))
    await live
    assert link.body().breaks == breaks + 1


@pytest.mark.parametrize("seconds", [30.0, 300.0])
def test_f80_f82_after_the_gap_the_client_is_there_the_turn_ends_and_the_approval_is_answered(
    folder: Path, seconds: float
) -> None:
    gate = Gate()
    binary = codex_binary(NEWEST)

    async def work(proxy: FaultProxy, resolver: SshdResolver, model: ScriptedModel, project: str) -> None:
        clock = LeapingClock()
        async with linked(world_of(resolver, clock=clock), folder) as link:
            model.furnish(folder / "laptop")
            words = [str(binary), "--remote", f"unix://{link.body().socket}", "--cd", project]
            with Tmux(words, environment={"CODEX_HOME": str(folder / "laptop")}) as terminal:
                await terminal.shows("Ask Codex to do anything")
                terminal.type("please")
                await terminal.shows("› please")
                terminal.press("Enter")
                await gate.reached()
                await gap(seconds, link, proxy, clock)
                gate.open()
                await terminal.shows("Beta was said meanwhile.")
                await terminal.shows("May I leave a mark?")
                await gap(seconds, link, proxy, clock)
                assert terminal.lives
                terminal.type("y")
                await terminal.shows("Omega ends.")
                assert terminal.lives

    with ScriptedModel(waiting_turn(gate)) as model, host_with(NEWEST) as sshd, FaultProxy(sshd.port) as proxy:
        model.furnish(sshd.home / ".codex", SETTINGS)
        trust_folder(sshd.home / ".codex", sshd.home / "project")
        run(work(proxy, SshdResolver(sshd, proxy.port), model, str(sshd.home / "project")))
        assert (sshd.home / "project/granted").exists()
