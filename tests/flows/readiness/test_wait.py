"""Waiting for hosts: how often they are dialled, what ends it, and what links say meanwhile."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from tests.support.base.loop import run
from tests.support.base.until import until
from tests.support.link.links import SshdResolver, world_of
from tests.support.provision.provision_bench import LineStep, provision, sshd
from tests.support.sshd.dial_network import Network, refused, world_over
from tests.support.sshd.system_sshd import SystemSshd

from remora.core.link.meanings import Meaning
from remora.core.readiness.awaited import Awaited
from remora.core.settings import DEFAULT_LIMITS, Limits
from remora.flows.kit.unattended import UnattendedDialogue
from remora.flows.readiness.wait import wait_for_hosts
from remora.ports import World
from remora.wire.reports.links import ActiveThread, HubBody, LinkBody, StatusReport
from remora.wire.reports.wait import WaitMoved, WaitReport

__all__ = ["sshd"]

_MINUTE = 60.0


async def no_links() -> AsyncGenerator[StatusReport, None]:
    yield StatusReport(hub=HubBody(running=False), links=[])
    await asyncio.Event().wait()


async def meaning(alias: str) -> Meaning:
    return Meaning("me@there:22", "there", "")


async def waited(
    world: World,
    *awaited: Awaited,
    seconds: float | None,
    states: AsyncGenerator[StatusReport, None] | None = None,
    words: list[str] | None = None,
    aliases: Sequence[str] = ("devbox",),
) -> WaitReport:
    """The report; `words` hears what the host was meanwhile."""
    waiting = wait_for_hosts(
        aliases,
        awaited,
        world,
        UnattendedDialogue(),
        states=states or no_links(),
        ssh_config=None,
        seconds=seconds,
        codex={},
        resolve=meaning,
    )
    async with aclosing(waiting) as progress:
        async for step in progress:
            if isinstance(step, WaitMoved) and words is not None:
                words.append(step.detail)
            if isinstance(step, WaitReport):
                return step
    raise AssertionError("there was no report")


def test_a_dead_host_is_dialled_less_and_less_and_never_more_than_the_limit_says() -> None:
    network = Network()

    async def story() -> WaitReport:
        waiting = asyncio.ensure_future(waited(world_over(network), Awaited.PROVISIONED, seconds=3600))
        await network.clock.advance(3601)
        return await waiting

    report = run(story())
    assert report.exit_code == 14
    assert report.hosts[0].error is not None
    assert "not reached: Nobody answers." in report.hosts[0].error.message
    dials = network.dials
    assert dials[1] - dials[0] <= 1.0, "the second attempt comes soon"
    windows = [sum(1 for dial in dials if start <= dial < start + _MINUTE) for start in dials]
    assert max(windows) <= DEFAULT_LIMITS.dials_per_minute
    assert len(dials) > 60


def test_a_refused_login_ends_the_wait_at_once() -> None:
    network = Network(fails=refused)
    report = run(waited(world_over(network), Awaited.PROVISIONED, seconds=None))
    assert (report.exit_code, len(network.dials)) == (6, 1)


def link(liveness: str, *threads: str, ssh_config: str | None = None, mark: str = "there") -> StatusReport:
    body = LinkBody(
        mark=mark,
        host="other",
        aliases=["other", "devbox"],
        ssh_config=ssh_config,
        liveness=liveness,
        since=0.0,
        socket="/run/x",
        policy="always",
        active_threads=[ActiveThread(thread_id=name, waits_for_approval=False) for name in threads],
    )
    return StatusReport(hub=HubBody(running=True), links=[body])


def test_live_and_idle_are_what_the_hub_says_and_nobody_is_dialled() -> None:
    network = Network()
    words: list[str] = []
    seen = asyncio.Event()

    async def states() -> AsyncGenerator[StatusReport, None]:
        for state in (
            link("live", ssh_config="/another/config"),
            link("live", mark="where the name led before"),
            link("connecting"),
            link("live", "one", "two"),
            link("live"),
        ):
            yield state
            await network.clock.settle()
        seen.set()
        await asyncio.Event().wait()

    report = run(waited(world_over(network), Awaited.LIVE, Awaited.IDLE, seconds=None, states=states(), words=words))
    assert report.ok
    assert words == ["no link", "link connecting", "link live; 2 active threads"]
    assert not network.dials


def test_a_hub_that_cannot_be_asked_ends_the_wait() -> None:
    network = Network()

    async def states() -> AsyncGenerator[StatusReport, None]:
        yield link("connecting")
        raise refused()

    report = run(waited(world_over(network), Awaited.LIVE, seconds=None, states=states()))
    assert report.exit_code == 6


def test_a_host_that_comes_up_late_and_goes_down_once_is_waited_for(sshd: SystemSshd) -> None:
    words: list[str] = []
    sshd.stop()

    async def story() -> WaitReport:
        world = world_of(SshdResolver(sshd), limits=Limits(dials_per_minute=60))
        waiting = asyncio.ensure_future(waited(world, Awaited.PROVISIONED, seconds=60, words=words))
        await said(words, "not reached: ")
        await asyncio.to_thread(sshd.start)
        await said(words, "not provisioned by remora")
        await asyncio.to_thread(sshd.restart)
        await provision(sshd, [LineStep("one")])
        return await waiting

    report = run(story())
    assert report.ok, report
    assert report.hosts[0].marker is not None
    assert report.hosts[0].marker.readiness == "ready"


async def said(words: list[str], beginning: str) -> None:
    await until(lambda: any(word.startswith(beginning) for word in words), what=beginning)


def test_a_host_that_is_watched_is_dialled_once(sshd: SystemSshd) -> None:
    words: list[str] = []

    async def story() -> WaitReport:
        world = world_of(SshdResolver(sshd))
        waiting = asyncio.ensure_future(waited(world, Awaited.PROVISIONED, seconds=60, words=words))
        await said(words, "not provisioned")
        await provision(sshd, [LineStep("one")])
        return await waiting

    assert run(story()).ok
    assert sshd.accepted_logins() == 2, "one to watch, one to provision"
