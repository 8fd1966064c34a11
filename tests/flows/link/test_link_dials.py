"""When a link dials and what is there meanwhile, without a network and on a clock of the test's own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest
from tests.support.base.loop import run
from tests.support.sshd.dial_network import Network, refused, world_over

from remora.core.errors import AuthenticationProblem, Code, RemoraError, Unreachable
from remora.core.link.links import LinkName, Liveness
from remora.core.server.launch_plan import LaunchRequest
from remora.core.settings import ReconnectPolicy
from remora.flows.kit.unattended import UnattendedDialogue
from remora.flows.link.link import Link
from remora.flows.link.targets import Aim
from remora.testing.memory_sockets import MemorySockets
from remora.testing.scripted_person import ScriptedPerson

DOOR = "/run/devbox.sock"
HOUR = 3600


@asynccontextmanager
async def link_over(
    network: Network, sockets: MemorySockets, policy: ReconnectPolicy = ReconnectPolicy.WHILE_ACTIVE
) -> AsyncIterator[Link]:
    aim = Aim("devbox", world_over(network))
    link = Link(LinkName("devbox"), aim, sockets, socket_path=DOOR, launch=LaunchRequest(), policy=policy)
    running = asyncio.ensure_future(link.run())
    await network.clock.settle()
    try:
        yield link
    finally:
        await link.stop()
        with suppress(asyncio.CancelledError):
            await running
        assert link.liveness is Liveness.STOPPED


async def test_f19_a_refused_login_is_one_login_however_long_clients_wait() -> None:
    network, sockets = Network(fails=refused), MemorySockets()
    async with link_over(network, sockets, ReconnectPolicy.ALWAYS) as link:
        with pytest.raises(AuthenticationProblem):
            await link.bring_up(UnattendedDialogue())
        assert link.liveness is Liveness.NEEDS_HUMAN
        await sockets.connect(DOOR)
        for _ in range(10):
            await network.clock.advance(HOUR)
        assert len(network.dials) == 1
        error = link.body().error
        assert error is not None
        assert error.code == "authentication-refused"


def test_a_fault_of_ours_in_a_dial_is_told_and_logged_as_ours_and_the_link_stays(
    caplog: pytest.LogCaptureFixture,
) -> None:
    faults: list[Exception | None] = [TypeError("no such thing"), None]

    async def work() -> None:
        network, sockets = Network(fails=lambda: faults[0]), MemorySockets()
        async with link_over(network, sockets, ReconnectPolicy.ALWAYS) as link:
            with pytest.raises(RemoraError) as raised:
                await link.bring_up(UnattendedDialogue())
            error = raised.value
            assert (error.code, error.stage, error.host) == ("internal", "internal", "devbox")
            assert error.message == "remora failed with an internal error; this is a bug."
            assert error.seen == "TypeError: no such thing"
            assert "remora hub logs" in error.next_step
            await network.clock.advance(HOUR)
            assert (link.liveness, len(network.dials)) == (Liveness.NEEDS_HUMAN, 1)
            told = link.body().error
            assert told is not None
            assert told.code == "internal"
            faults[0] = refused()
            with pytest.raises(AuthenticationProblem):
                await link.bring_up(UnattendedDialogue())

    run(work())
    (record,) = [record for record in caplog.records if record.name == "asyncio"]
    assert record.exc_info is not None
    assert "devbox" in record.getMessage()


class FailingNetwork:
    """A :class:`remora.ports.LocalNetwork` that has a fault from the second look on."""

    def __init__(self) -> None:
        self._looks = 0

    def signature(self) -> str:
        self._looks += 1
        if self._looks > 1:
            raise TypeError("no such network")
        return "at home"


async def test_a_fault_of_ours_that_ends_a_link_is_what_those_are_told_who_wait_for_it() -> None:
    network = Network(hangs=True)
    world = replace(world_over(network), network=FailingNetwork())
    link = Link(
        LinkName("devbox"),
        Aim("devbox", world),
        MemorySockets(),
        socket_path=DOOR,
        launch=LaunchRequest(),
        policy=ReconnectPolicy.ALWAYS,
    )
    running = asyncio.ensure_future(link.run())
    bringing = asyncio.ensure_future(link.bring_up(UnattendedDialogue()))
    await network.clock.advance(10)
    with pytest.raises(RemoraError) as raised:
        await bringing
    assert (raised.value.code, raised.value.host) == ("internal", "devbox")
    assert raised.value.seen == "TypeError: no such network"
    with pytest.raises(TypeError):
        await running


async def test_a_client_that_comes_while_the_link_is_down_is_held_and_let_go_when_it_leaves() -> None:
    network, sockets = Network(), MemorySockets()
    async with link_over(network, sockets) as link:
        client = await sockets.connect(DOOR)
        await client.write(b"GET / HTTP/1.1\r\n\r\n")
        await network.clock.settle()
        assert (link.body().clients, len(network.dials)) == (1, 1)
        await network.clock.advance(HOUR)
        assert link.body().liveness == "unreachable"
        assert link.body().clients == 1
        await client.close()
        await network.clock.settle()
        assert link.body().clients == 0
        dials = len(network.dials)
        await network.clock.advance(HOUR)
        assert len(network.dials) == dials
        assert link.body().liveness == "suspended"


async def test_clients_that_knock_again_and_again_do_not_make_it_dial_more_than_three_times_a_minute() -> None:
    network, sockets = Network(), MemorySockets()
    async with link_over(network, sockets):
        for _ in range(120):
            client = await sockets.connect(DOOR)
            await network.clock.advance(1)
            await client.close()
            await network.clock.settle()
        dials = network.dials
        assert all(sum(first <= other < first + 60 for other in dials) <= 3 for first in dials)


async def test_the_door_is_there_before_anything_is_dialled_and_gone_at_the_end() -> None:
    network, sockets = Network(), MemorySockets()
    async with link_over(network, sockets, ReconnectPolicy.NEVER) as link:
        await (await sockets.connect(DOOR)).close()
        await link.add_alias(LinkName("other"), Aim("other", world_over(network)), "/run/other.sock")
        await (await sockets.connect("/run/other.sock")).close()
        assert link.body(LinkName("other")).socket == "/run/other.sock"
        assert link.body().aliases == ["devbox", "other"]
        assert network.dials == []
    for path in (DOOR, "/run/other.sock"):
        with pytest.raises(Unreachable):
            await sockets.connect(path)


async def test_questions_go_to_whoever_asks_and_to_nobody_else() -> None:
    network, sockets = Network(asks=True), MemorySockets()
    async with link_over(network, sockets, ReconnectPolicy.ALWAYS) as link:
        with pytest.raises(RemoraError) as caught:
            await link.bring_up(UnattendedDialogue())
        assert caught.value.code is Code.PROMPT_UNATTENDED
        assert link.liveness is Liveness.NEEDS_HUMAN
        person = ScriptedPerson(secrets=["open"])
        with pytest.raises(Unreachable):
            await link.bring_up(person)
        assert [question.prompt for question in person.secret_questions] == ["Passphrase:"]


async def test_stopping_does_not_wait_for_a_dial_that_hangs() -> None:
    network, sockets = Network(hangs=True), MemorySockets()
    async with link_over(network, sockets) as link:
        bringing = asyncio.ensure_future(link.bring_up(UnattendedDialogue()))
        await network.clock.settle()
        assert link.liveness is Liveness.CONNECTING
        assert await link.stop() == "left"
        with pytest.raises(RemoraError) as caught:
            await bringing
        assert caught.value.code is Code.LINK_MISSING
        assert network.under_way == 0


async def test_two_who_ask_at_once_share_one_attempt() -> None:
    network, sockets = Network(), MemorySockets()
    async with link_over(network, sockets) as link:
        both = await asyncio.gather(
            link.bring_up(UnattendedDialogue()), link.bring_up(UnattendedDialogue()), return_exceptions=True
        )
        assert all(isinstance(outcome, Unreachable) for outcome in both)
        assert len(network.dials) <= 2


async def test_f67_a_person_waits_while_a_crowded_server_is_asked_again() -> None:
    network = Network(fails=lambda: Unreachable(Code.CONNECTION_CLOSED, "Too many.", next_step="Wait."))
    async with link_over(network, MemorySockets(), ReconnectPolicy.NEVER) as link:
        asking = asyncio.ensure_future(link.bring_up(UnattendedDialogue()))
        await network.clock.advance(0.4)
        assert not asking.done()
        await network.clock.advance(5)
        with pytest.raises(Unreachable):
            await asking
        assert len(network.dials) == 3


async def test_whoever_watches_learns_each_change() -> None:
    network, sockets = Network(fails=refused), MemorySockets()
    async with link_over(network, sockets) as link:
        seen = await link.changed(0) if link.body().clients else 0
        with pytest.raises(AuthenticationProblem):
            await link.bring_up(UnattendedDialogue())
        later = await link.changed(seen)
        assert later > seen
        waiting = asyncio.ensure_future(link.changed(later))
        await network.clock.settle()
        assert not waiting.done()
        await sockets.connect(DOOR)
        assert await waiting > later


async def test_after_a_sleep_the_link_is_dialled_anew_though_its_attempts_were_used_up() -> None:
    network, sockets = Network(), MemorySockets()
    async with link_over(network, sockets) as link:
        await sockets.connect(DOOR)
        await network.clock.advance(400)
        assert link.liveness is Liveness.UNREACHABLE
        dials = len(network.dials)
        network.clock.suspend(9 * HOUR)
        await network.clock.advance(3)
        assert len(network.dials) > dials
